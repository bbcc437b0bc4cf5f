import { civil, toInstant } from './calendar.ts';

/** HTTP dates, RFC 9110 section 5.6.7. Milliseconds since 1970; a date has whole seconds. */

const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** IMF-fixdate: `Sun, 06 Nov 1994 08:49:37 GMT`. */
export function formatHttpDate(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  const dayNumber = Math.floor(seconds / 86_400);
  const { year, month, day } = civil(dayNumber);
  const rest = seconds - dayNumber * 86_400;
  const two = (value: number) => String(value).padStart(2, '0');
  const time = `${two(Math.floor(rest / 3600))}:${two(Math.floor(rest / 60) % 60)}:${two(rest % 60)}`;
  const weekday = days[(((dayNumber + 4) % 7) + 7) % 7];
  return `${weekday}, ${two(day)} ${months[month - 1]} ${String(year).padStart(4, '0')} ${time} GMT`;
}

/**
 * Accepts IMF-fixdate and, as a recipient must, the two obsolete forms; undefined for anything else. `thisYear` decides
 * the century of RFC 850 dates.
 */
export function parseHttpDate(text: string | undefined, thisYear = 2026): number | undefined {
  if (text === undefined) return undefined;
  const imf = /^[A-Z][a-z]{2}, (\d{2}) ([A-Z][a-z]{2}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT$/.exec(text);
  if (imf !== null) return build(imf[3], imf[2], imf[1], imf[4], imf[5], imf[6]);
  const rfc850 = /^[A-Z][a-z]{5,8}, (\d{2})-([A-Z][a-z]{2})-(\d{2}) (\d{2}):(\d{2}):(\d{2}) GMT$/.exec(text);
  if (rfc850 !== null) {
    const century = thisYear - (thisYear % 100);
    let year = century + Number(rfc850[3]);
    // More than 50 years in the future means the past.
    if (year > thisYear + 50) year -= 100;
    return build(String(year), rfc850[2], rfc850[1], rfc850[4], rfc850[5], rfc850[6]);
  }
  const asctime = /^[A-Z][a-z]{2} ([A-Z][a-z]{2}) ([ \d]\d) (\d{2}):(\d{2}):(\d{2}) (\d{4})$/.exec(text);
  if (asctime !== null) return build(asctime[6], asctime[1], asctime[2]?.trim(), asctime[3], asctime[4], asctime[5]);
  return undefined;
}

function build(...parts: (string | undefined)[]): number | undefined {
  const [yearText, monthText = '', dayText, hourText, minuteText, secondText] = parts;
  const [year, day, hour, minute] = [yearText, dayText, hourText, minuteText].map(Number) as [
    number,
    number,
    number,
    number,
  ];
  const month = months.indexOf(monthText) + 1;
  if (month === 0) return undefined;
  return toInstant({ year, month, day, hour, minute, second: Number(secondText) });
}
