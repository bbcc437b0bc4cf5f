/**
 * CIM datetime (DSP0004, 25 characters) and its XML forms (spec: section 6.3). The names are those of the wrapper
 * elements in the WS-CIM common namespace.
 */
export interface XmlDatetime {
  readonly element: 'Datetime' | 'Interval' | 'Date' | 'CIM_DateTime';
  readonly text: string;
}

/** Chooses the wrapper for a CIM datetime. */
export function formatDatetime(cim: string): XmlDatetime {
  const interval = /^(\d{8})(\d\d)(\d\d)(\d\d)\.(\d{6}):000$/.exec(cim);
  if (interval !== null) {
    const [, days, hours, minutes, seconds, micros] = interval as unknown as Groups;
    const text = `P${Number(days)}DT${Number(hours)}H${Number(minutes)}M${Number(seconds)}${fraction(micros!)}S`;
    return { element: 'Interval', text };
  }
  const stamp = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)\.(\d{6})([+-])(\d{3})$/.exec(cim);
  if (stamp !== null) {
    const [, year, month, day, hours, minutes, seconds, micros, sign, offset] = stamp as unknown as Groups;
    const zone = offset === '000' ? 'Z' : `${sign}${two(Math.trunc(Number(offset) / 60))}:${two(Number(offset) % 60)}`;
    const text = `${year}-${month}-${day}T${hours}:${minutes}:${seconds}${fraction(micros!)}${zone}`;
    return { element: 'Datetime', text };
  }
  const date = /^(\d{4})(\d\d)(\d\d)\*{6}\.\*{6}[+-]\d{3}$/.exec(cim);
  if (date !== null) return { element: 'Date', text: `${date[1]}-${date[2]}-${date[3]}` };
  return { element: 'CIM_DateTime', text: cim };
}

/** Reads any of the forms peers send, wrapped or bare; undefined when it is none of them. */
export function parseDatetime(text: string): string | undefined {
  const trimmed = text.trim();
  if (/^[\d*]{14}\.[\d*]{6}([+-]\d{3}|:000)$/.test(trimmed)) return trimmed;
  const stamp = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)?$/.exec(trimmed);
  if (stamp !== null) {
    const [, year, month, day, hours, minutes, seconds, micros, zone = 'Z'] = stamp as unknown as Groups;
    const offset = zone === 'Z' ? 0 : Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6));
    const sign = zone.startsWith('-') ? '-' : '+';
    return `${year}${month}${day}${hours}${minutes}${seconds}.${six(micros)}${sign}${String(offset).padStart(3, '0')}`;
  }
  const date = /^(\d{4})-(\d\d)-(\d\d)$/.exec(trimmed);
  if (date !== null) return `${date[1]}${date[2]}${date[3]}******.******+000`;
  const interval = /^P(?:(\d{1,8})D)?(?:T(?:(\d{1,2})H)?(?:(\d{1,2})M)?(?:(\d{1,2})(?:\.(\d{1,9}))?S)?)?$/.exec(
    trimmed,
  );
  if (interval === null || trimmed === 'P') return undefined;
  const [, days = '0', hours = '0', minutes = '0', seconds = '0', micros] = interval as unknown as Groups;
  return `${days.padStart(8, '0')}${two(hours)}${two(minutes)}${two(seconds)}.${six(micros)}:000`;
}

type Groups = readonly (string | undefined)[];

/** ".46875" without trailing zeros, or nothing. */
function fraction(micros: string): string {
  const digits = micros.replace(/0+$/, '');
  return digits === '' ? '' : `.${digits}`;
}

function six(digits: string | undefined): string {
  return (digits ?? '').slice(0, 6).padEnd(6, '0');
}

function two(value: number | string): string {
  return String(value).padStart(2, '0');
}
