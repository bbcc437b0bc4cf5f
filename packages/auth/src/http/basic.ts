import type { AccountLookup, AuthenticatedAccount, Environment, PasswordCredentials } from '../context.ts';
import { findAccount, splitUserName } from '../credentials.ts';
import { equalSecrets } from '../crypto/digest.ts';
import { ntOwfV1 } from '../ntlm/keys.ts';
import { decodeBase64, encodeBase64 } from './base64.ts';

/** Basic credentials, RFC 7617. */
export interface BasicCredentials {
  readonly user: string;
  readonly domain: string;
  readonly password: string;
}

/** The Authorization value; the characters are sent as UTF-8. */
export function encodeBasic({ user, password, domain }: PasswordCredentials): string {
  const name = domain === undefined || domain === '' ? user : `${domain}\\${user}`;
  return `Basic ${encodeBase64(new TextEncoder().encode(`${name}:${password}`))}`;
}

/**
 * What stands behind the scheme; undefined when it is not Basic credentials.
 * UNSPECIFIED: the character set is open; UTF-8 is assumed and what is not UTF-8 is read as ISO 8859-1.
 */
export function decodeBasic(text: string): BasicCredentials | undefined {
  const bytes = decodeBase64(text);
  if (bytes === undefined) return undefined;
  const decoded = decodeText(bytes);
  const colon = decoded.indexOf(':');
  if (colon < 1) return undefined;
  const { user, domain } = splitUserName({ user: decoded.slice(0, colon) });
  return { user, domain, password: decoded.slice(colon + 1) };
}

/** The account whose password this is. An unknown account costs the same work. */
export function verifyPassword(
  credentials: BasicCredentials,
  accounts: AccountLookup,
  environment: Environment,
): AuthenticatedAccount | undefined {
  const account = findAccount(accounts, credentials.user, credentials.domain);
  const expected = account?.ntHash ?? environment.randomBytes(16);
  const right = equalSecrets(ntOwfV1(credentials.password), expected);
  return right ? account : undefined;
}

function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return String.fromCharCode(...bytes.subarray(0, 4096));
  }
}
