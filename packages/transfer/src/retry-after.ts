import { parseHttpDate } from '@carmine/core';

/** RFC 9110, section 10.2.3: `Retry-After = HTTP-date / delay-seconds`, in milliseconds from `now`; undefined when it is neither. */
export function retryAfter(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d{1,9}$/.test(value.trim())) return Number(value) * 1_000;
  const date = parseHttpDate(value.trim());
  return date === undefined ? undefined : Math.max(0, date - now);
}
