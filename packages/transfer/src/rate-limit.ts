import { CarmineError } from '@carmine/errors';

/** One stretch of the week with a rate of its own. */
export interface RatePeriod {
  /** Days of the week, 0 is Sunday; absent: every day. */
  readonly days?: readonly number[] | undefined;
  /** Minutes since local midnight; `until` is exclusive, and may be less than `from`: then it is on the next day. */
  readonly from: number;
  readonly until: number;
  /** Bytes per second; 0: nothing is fetched; undefined: no limit. */
  readonly bytesPerSecond: number | undefined;
}

/** How fast bytes may come: outside all periods `bytesPerSecond`; of several periods the first counts. */
export interface RateTable {
  /** Undefined: no limit. */
  readonly bytesPerSecond?: number | undefined;
  readonly periods?: readonly RatePeriod[] | undefined;
}

/** Day of the week and minute of the day where the machine is. */
export type LocalTime = (now: number) => { readonly day: number; readonly minute: number };

/** The rate at a moment; undefined: no limit. */
export function rateAt(
  { bytesPerSecond, periods = [] }: RateTable,
  { day, minute }: ReturnType<LocalTime>,
): number | undefined {
  const yesterday = (day + 6) % 7;
  for (const period of periods) {
    const on = (which: number) => period.days === undefined || period.days.includes(which);
    const { from, until } = period;
    const within =
      from < until
        ? on(day) && minute >= from && minute < until
        : (on(day) && minute >= from) || (on(yesterday) && minute < until);
    if (within) return period.bytesPerSecond;
  }
  return bytesPerSecond;
}

/**
 * One line of a timetable: `[days] HH:MM-HH:MM RATE`, days as `1-5` or `0,6` (0 is Sunday), RATE in bytes per second or `unlimited`.
 * Throws `job/invalid-argument`.
 */
export function parseRatePeriod(text: string): RatePeriod {
  const match = /^(?:([0-6](?:[-,][0-6])*)\s+)?(\d\d):(\d\d)-(\d\d):(\d\d)\s+(\d{1,15}|unlimited)$/.exec(text.trim());
  if (match === null) {
    throw new CarmineError('job/invalid-argument', {
      context: { name: 'rate', reason: 'not [days] HH:MM-HH:MM RATE' },
    });
  }
  const [, days, ...rest] = match;
  const [h1, m1, h2, m2] = rest.slice(0, 4).map(Number) as [number, number, number, number];
  const rate = rest[4] === 'unlimited' ? undefined : Number(rest[4]);
  const period = { days: days === undefined ? undefined : daysOf(days), from: h1 * 60 + m1, until: h2 * 60 + m2 };
  return checkRateTable({ periods: [{ ...period, bytesPerSecond: rate }] }).periods?.[0] as RatePeriod;
}

function daysOf(text: string): readonly number[] {
  return text.split(',').flatMap((part) => {
    const [first = 0, last = first] = part.split('-').map(Number);
    // From Saturday to Monday, too.
    return Array.from({ length: ((last - first + 7) % 7) + 1 }, (_, index) => (first + index) % 7);
  });
}

/** Throws `job/invalid-argument` for what is no table. */
export function checkRateTable(table: RateTable): RateTable {
  const refuse = (reason: string): never => {
    throw new CarmineError('job/invalid-argument', { context: { name: 'rate', reason } });
  };
  const checkRate = (rate: number | undefined) => {
    if (rate !== undefined && (!Number.isFinite(rate) || rate < 0)) refuse('not a number of bytes per second');
  };
  checkRate(table.bytesPerSecond);
  for (const { days = [], from, until, bytesPerSecond } of table.periods ?? []) {
    checkRate(bytesPerSecond);
    for (const minute of [from, until])
      if (!Number.isInteger(minute) || minute < 0 || minute > 1_440) refuse('no such minute');
    for (const day of days) if (!Number.isInteger(day) || day < 0 || day > 6) refuse('no such day');
  }
  return table;
}

/**
 * A limit that any number of transfers share, each with all its connections. Bytes that came are paid for afterwards: who asks
 * is told how long to hold back until they are. A change of the table counts at once.
 */
export class RateLimit {
  #table: RateTable;
  readonly #localTime: LocalTime;
  readonly #listeners = new Set<() => void>();
  /** What may come without waiting; below zero while something is to be paid for. */
  #credit = 0;
  #at: number | undefined;

  constructor(table: RateTable, localTime: LocalTime) {
    this.#table = checkRateTable(table);
    this.#localTime = localTime;
  }

  /** Live: transfers under way are told. */
  set(table: RateTable): void {
    this.#table = checkRateTable(table);
    this.#credit = Math.min(0, this.#credit);
    for (const tell of this.#listeners) tell();
  }

  /** `tell` is called when what it was told may have changed; returns what ends that. */
  watch(tell: () => void): () => void {
    this.#listeners.add(tell);
    return () => this.#listeners.delete(tell);
  }

  /** Bytes came. */
  spend(bytes: number, now: number): void {
    if (this.#refill(now) === undefined) this.#credit = 0;
    else this.#credit -= bytes;
  }

  /** Milliseconds to hold back from now on; 0: go on. */
  wait(now: number): number {
    const rate = this.#refill(now);
    if (rate === undefined || (rate > 0 && this.#credit >= 0)) return 0;
    // Another rate may begin with the next minute.
    const nextMinute = 60_000 - (now % 60_000);
    return rate === 0 ? nextMinute : Math.min(nextMinute, Math.max(shortest, (-this.#credit * 1_000) / rate));
  }

  #refill(now: number): number | undefined {
    const rate = rateAt(this.#table, this.#localTime(now));
    const elapsed = Math.max(0, now - (this.#at ?? now));
    this.#at = now;
    if (rate !== undefined) this.#credit = Math.min(rate * burst, this.#credit + (rate * elapsed) / 1_000);
    return rate;
  }
}

/** Seconds of the rate that may come at once after a pause. */
const burst = 0.1;
/** Milliseconds; shorter pauses cost more than they are worth. */
const shortest = 10;
