import type { AttemptGate } from './attempts.ts';

export interface AttemptLimiterOptions {
  /** Milliseconds. */
  readonly now: () => number;
  /** Failures that are free; the next one starts the back-off. Default 10. */
  readonly free?: number | undefined;
  /** First pause, doubled with each further failure; milliseconds. Default 1 s. */
  readonly firstPause?: number | undefined;
  /** Longest pause. Default 5 min. */
  readonly longestPause?: number | undefined;
  /** Entries that are kept; the oldest is forgotten first. Default 10 000. */
  readonly capacity?: number | undefined;
}

/**
 * Slows down guessing: a source that fails too often for an account has to wait, longer each time, before its next attempt
 * for that account is even looked at; and a source that fails for many accounts has to wait for all of them. Other
 * sources are not affected, so that nobody can lock an account out for its owner. A success clears the account's count.
 */
export function createAttemptLimiter(options: AttemptLimiterOptions): AttemptGate {
  const { now, free = 10, firstPause = 1000, longestPause = 300_000, capacity = 10_000 } = options;
  const entries = new Map<string, { failures: number; until: number; last: number }>();
  /** A source may have this many times the failures over all of its accounts. */
  const sourceFactor = 5;
  const pairOf = (source: string, account: string) => `${source}\u0000${account}`;

  const isFree = (key: string) => (entries.get(key)?.until ?? 0) <= now();
  const fail = (key: string, allowed: number) => {
    const time = now();
    const entry = entries.get(key);
    // What happened before the longest pause began is past.
    const failures = entry === undefined || time - entry.last > longestPause * 2 ? 1 : entry.failures + 1;
    const excess = failures - allowed;
    const pause = excess <= 0 ? 0 : Math.min(longestPause, firstPause * 2 ** Math.min(excess - 1, 30));
    entries.delete(key);
    entries.set(key, { failures, until: time + pause, last: time });
    if (entries.size > capacity) entries.delete(entries.keys().next().value ?? '');
  };
  return {
    allow: (source, account) => isFree(pairOf(source, account)) && isFree(source),
    report(source, account, succeeded) {
      if (succeeded) {
        entries.delete(pairOf(source, account));
        return;
      }
      fail(pairOf(source, account), free);
      fail(source, free * sourceFactor);
    },
  };
}
