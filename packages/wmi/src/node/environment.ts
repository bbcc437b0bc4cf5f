import { randomBytes } from 'node:crypto';
import type { WmiHostEnvironment } from '../server/host.ts';

/** Time and randomness of the operating system. */
export const systemWmiEnvironment: WmiHostEnvironment = {
  now: () => performance.now(),
  after: (delay, callback) => {
    // Timers have a limit; nobody waits longer than a day.
    const timer = setTimeout(callback, Math.min(delay, 86_400_000));
    return () => clearTimeout(timer);
  },
  randomBytes: (length) => new Uint8Array(randomBytes(length)),
};
