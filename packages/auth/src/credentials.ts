import type { Account, AccountLookup, PasswordCredentials } from './context.ts';

/**
 * User and domain as they are sent: `DOMAIN\user` is taken apart, `user@domain` stays whole with an empty domain, as
 * Windows sends it. A domain given separately wins.
 */
export function splitUserName(credentials: Omit<PasswordCredentials, 'password'>): { user: string; domain: string } {
  const { user, domain } = credentials;
  const backslash = user.indexOf('\\');
  if (backslash >= 0) return { user: user.slice(backslash + 1), domain: domain ?? user.slice(0, backslash) };
  return { user, domain: domain ?? '' };
}

/** The account that a peer named; `user@domain` is understood when there is no other domain. */
export function findAccount(accounts: AccountLookup, user: string, domain: string): Account | undefined {
  const at = user.lastIndexOf('@');
  if (at > 0 && domain === '') return accounts(user.slice(0, at), user.slice(at + 1));
  return accounts(user, domain);
}

/** A name that a peer claimed, fit for audit records: bounded, and without control characters. */
export function claimedNameOf(user: string, domain: string): string {
  const name = domain === '' ? user : `${domain}\\${user}`;
  return name.slice(0, 256).replace(/[\p{Cc}\p{Cs}\u2028\u2029]/gu, '\ufffd');
}
