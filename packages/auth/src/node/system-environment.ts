import { randomBytes } from 'node:crypto';
import type { Environment } from '../context.ts';

/** The operating system's clock and random numbers. */
export const systemEnvironment: Environment = {
  now: () => Date.now(),
  randomBytes: (length) => new Uint8Array(randomBytes(length)),
};
