import { randomUUID } from 'node:crypto';
import type { WsmanEnvironment } from '../server/types.ts';
import { after } from './brief-timers.ts';

/** The operating system's monotonic clock, timers and random identifiers. */
export const systemWsmanEnvironment: WsmanEnvironment = {
  now: () => performance.now(),
  date: () => Date.now(),
  uuid: randomUUID,
  after,
};
