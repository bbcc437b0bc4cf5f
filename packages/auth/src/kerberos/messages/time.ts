import { CarmineError } from '@carmine/errors';
import { type DerCodec, derElement, derTags } from '@carmine/wire/der';

/**
 * KerberosTime, RFC 4120 section 5.2.3: GeneralizedTime `YYYYMMDDHHMMSSZ`, without fractions. The value is in
 * milliseconds since 1970, always whole seconds.
 */
export const kerberosTime: DerCodec<number> = {
  name: 'KerberosTime',
  write: (value) => derElement(derTags.generalizedTime, new TextEncoder().encode(formatTime(value))),
  read(reader) {
    const text = new TextDecoder('latin1').decode(reader.expect(derTags.generalizedTime));
    const value = parseTime(text);
    if (value === undefined) {
      throw new CarmineError('wire/invalid', { context: { what: 'KerberosTime', reason: `"${text.slice(0, 40)}"` } });
    }
    return value;
  },
};

/** Seconds are rounded down. */
function formatTime(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  const days = Math.floor(seconds / 86_400);
  const { year, month, day } = civilOf(days);
  const rest = seconds - days * 86_400;
  const clock = [Math.floor(rest / 3600), Math.floor(rest / 60) % 60, rest % 60];
  if (year < 0 || year > 9999) {
    throw new CarmineError('wire/unencodable', { context: { what: 'KerberosTime', reason: `year ${year}` } });
  }
  return `${String(year).padStart(4, '0')}${[month, day, ...clock].map((n) => String(n).padStart(2, '0')).join('')}Z`;
}

function parseTime(text: string): number | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const days = daysOf(year, month, day);
  const back = civilOf(days);
  if (back.year !== year || back.month !== month || back.day !== day) return undefined;
  if (hour > 23 || minute > 59 || second > 60) return undefined;
  return (days * 86_400 + hour * 3600 + minute * 60 + second) * 1000;
}

/** Days since 1970-01-01 in the Gregorian calendar; years start in March so that the leap day comes last. */
function daysOf(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

function civilOf(days: number): { readonly year: number; readonly month: number; readonly day: number } {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1;
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day };
}
