/**
 * Reads an xs:duration and returns milliseconds; undefined when it is not one. UNSPECIFIED: a year counts as 365 days
 * and a month as 30, since neither document says and nobody sends them.
 */
export function parseDuration(text: string): number | undefined {
  const match = pattern.exec(text.trim());
  if (match === null) return undefined;
  const [, sign, years, months, days, hours, minutes, seconds] = match;
  if ([years, months, days, hours, minutes, seconds].every((part) => part === undefined)) return undefined;
  const total =
    Number(years ?? 0) * 365 * day +
    Number(months ?? 0) * 30 * day +
    Number(days ?? 0) * day +
    Number(hours ?? 0) * 3_600_000 +
    Number(minutes ?? 0) * 60_000 +
    Number(seconds ?? 0) * 1000;
  return sign === '-' ? -total : total;
}

/** Writes milliseconds as the clients of Windows do: `PT60.000S`. */
export function formatDuration(milliseconds: number): string {
  return `PT${(milliseconds / 1000).toFixed(3)}S`;
}

const day = 86_400_000;
/** XML Schema part 2, section 3.2.6. */
const pattern =
  /^(-)?P(?:(\d{1,9})Y)?(?:(\d{1,9})M)?(?:(\d{1,9})D)?(?:T(?=\d)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9}(?:\.\d{1,12})?)S)?)?$/;
