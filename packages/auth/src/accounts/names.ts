import { CarmineError } from '@carmine/errors';
import { wellKnownSids } from '@carmine/security';
import { upperCase } from '../ntlm/keys.ts';

/** Groups that exist without being made. */
export const builtInGroups: readonly { readonly name: string; readonly sid: string }[] = [
  { name: 'Administrators', sid: wellKnownSids.administrators },
  { name: 'Users', sid: wellKnownSids.users },
  { name: 'Guests', sid: wellKnownSids.guests },
];

/** Names are compared without regard to case, as NTLM's do. */
export function sameName(a: string, b: string): boolean {
  return upperCase(a) === upperCase(b);
}

/** Throws `configuration/bad-account` unless this may be the name of an account: at most 20 characters, as on Windows. */
export function checkAccountName(name: string): void {
  checkName(name, 20);
  const reserved = reservedNames.find((other) => sameName(other, name));
  if (reserved !== undefined) throw badAccount(name, 'this name is reserved');
}

/** The same for groups, whose names may have 256 characters. */
export function checkGroupName(name: string): void {
  checkName(name, 256);
  const reserved = reservedNames.find((other) => sameName(other, name));
  if (reserved !== undefined) throw badAccount(name, 'this name is reserved');
}

/** Throws `configuration/bad-account` for passwords that NTLM could not use or that are none. */
export function checkPassword(name: string, password: string): void {
  if (password === '') throw badAccount(name, 'the password is empty');
  if (password.length > 256) throw badAccount(name, 'the password has more than 256 characters');
}

export function badAccount(name: string, reason: string): CarmineError {
  return new CarmineError('configuration/bad-account', { context: { name, reason } });
}

/** Windows' rule for account names, and `@`, which would be taken for `user@host`. */
function checkName(name: string, limit: number): void {
  if (name === '') throw badAccount(name, 'the name is empty');
  if (name.length > limit) throw badAccount(name, `the name has more than ${limit} characters`);
  if (/["/\\[\]:;|=,+*?<>@]/.test(name)) throw badAccount(name, 'none of "/\\[]:;|=,+*?<>@ may be in a name');
  if (/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(name)) throw badAccount(name, 'the name has invisible characters');
  if (/^[. ]+$/.test(name)) throw badAccount(name, 'the name has dots and spaces only');
  if (name !== name.trim() || name.endsWith('.')) throw badAccount(name, 'the name begins or ends with a space or dot');
}

/** Guest, and the names of principals that are not accounts. */
const reservedNames = [
  'Guest',
  'Anonymous',
  'Anonymous Logon',
  'Everyone',
  'Nobody',
  'Network',
  'Interactive',
  'Service',
  'Self',
  'System',
  'LocalSystem',
  'Local Service',
  'LocalService',
  'Network Service',
  'NetworkService',
  'Authenticated Users',
  'Creator Owner',
  'Owner Rights',
  'Builtin',
  'NT Authority',
];
