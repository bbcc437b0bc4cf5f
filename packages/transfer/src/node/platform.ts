import type { TransferPlatform } from '../file-transfer.ts';
import { RateLimit, type RateTable } from '../rate-limit.ts';
import { thisRun } from './boot.ts';
import { blockDigests, startDigest } from './digest.ts';
import { nodeDisk } from './node-disk.ts';

/** The operating system's files and clock. */
export function nodePlatform(overrides: Partial<TransferPlatform> = {}): TransferPlatform {
  return {
    disk: nodeDisk,
    clock: systemClock,
    digest: startDigest,
    blockDigests,
    // As any program creates files. UNSPECIFIED: on Windows a finished file has the ACL of its directory.
    finalMode: 0o666 & ~process.umask(),
    boot: thisRun,
    ...overrides,
  };
}

/** A limit by this machine's clock and time zone. */
export function createRateLimit(table: RateTable): RateLimit {
  return new RateLimit(table, (now) => {
    const date = new Date(now);
    return { day: date.getDay(), minute: date.getHours() * 60 + date.getMinutes() };
  });
}

const systemClock: TransferPlatform['clock'] = {
  now: () => Date.now(),
  after(delay, callback) {
    const timer = setTimeout(callback, Math.min(delay, longestTimeout));
    return () => clearTimeout(timer);
  },
};

/** setTimeout takes 32 bits; who waits longer asks again when called too early. */
const longestTimeout = 2 ** 31 - 1;
