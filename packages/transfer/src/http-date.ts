/**
 * RFC 9110, section 5.6.7: `IMF-fixdate = day-name "," SP day SP month SP year SP time-of-day SP GMT`, to Unix
 * milliseconds. Undefined for anything else: the two obsolete forms are not worth a wrong timestamp.
 */
export function parseHttpDate(value: string | undefined): number | undefined {
  const match = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT$/.exec(
    value ?? '',
  );
  if (match === null) return undefined;
  const month = months.indexOf(match[2] as string);
  const [day = 0, year = 0, hour = 0, minute = 0, second = 0] = [1, 3, 4, 5, 6].map((group) => Number(match[group]));
  if (month < 0 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60) return undefined;
  return (((daysFromCivil(year, month + 1, day) * 24 + hour) * 60 + minute) * 60 + second) * 1_000;
}

/** Days from 1970-01-01 in the proleptic Gregorian calendar; years count from March, so that leap days come last. */
function daysFromCivil(year: number, month: number, day: number): number {
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
