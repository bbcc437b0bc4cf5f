import { randomBytes } from 'node:crypto';
import type { EngineClock, JobEngineOptions } from '../options.ts';

/** The operating system's clock and randomness, as the engine takes them. */
export const system: Pick<JobEngineOptions, 'clock' | 'randomBytes'> = {
  clock: {
    now: () => Date.now(),
    after(delay, callback) {
      // setTimeout takes 32 bits; whoever is called early sees that nothing is due and waits again.
      const timer = setTimeout(callback, Math.min(delay, 2 ** 31 - 1));
      return () => clearTimeout(timer);
    },
  } satisfies EngineClock,
  randomBytes: (length) => new Uint8Array(randomBytes(length)),
};
