import { readFileSync } from 'node:fs';
import { SeededRandom } from '@carmine/testkit';
import type { Account, AccountLookup, Environment } from '../src/index.ts';
import { ntOwfV1 } from '../src/index.ts';

/** A fixed time and a seeded source of randomness. */
export function testEnvironment(seed = 1, now = Date.UTC(2026, 0, 1)): Environment {
  const random = new SeededRandom(seed);
  return { now: () => now, randomBytes: (length) => random.bytes(length) };
}

export const admin: Account = {
  name: 'FILES\\admin',
  userSid: 'S-1-5-21-1-2-3-1001',
  groupSids: ['S-1-5-32-544', 'S-1-5-32-545'],
  ntHash: ntOwfV1('Pässw0rd'),
};

/** One account, `admin` with the password `Pässw0rd`, on the machine FILES. */
export const oneAccount: AccountLookup = (user) => (user.toLowerCase() === 'admin' ? admin : undefined);

export function golden<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`golden/${name}`, import.meta.url), 'utf8')) as T;
}

export function caught(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}
