import { type Account, type AccountLookup, type Environment, ntOwfV1 } from '@carmine/auth';

/** One account for the parsers of authentication, and an environment without chance: what was valid once stays valid. */
export const fuzzUser = 'admin';
export const fuzzPassword = 'Pässw0rd';

const admin: Account = {
  name: 'FILES\\admin',
  userSid: 'S-1-5-21-1-2-3-1001',
  groupSids: ['S-1-5-32-544'],
  ntHash: ntOwfV1(fuzzPassword),
};

export const fuzzAccounts: AccountLookup = (user) => (user.toLowerCase() === fuzzUser ? admin : undefined);

export const fuzzEnvironment: Environment = {
  now: () => Date.UTC(2026, 0, 1),
  randomBytes: (length) => Uint8Array.from({ length }, (_, index) => (index * 37 + 11) & 0xff),
};
