import { type Role, roles } from '@carmine/cim';

/** Tables whose keys are free names with text values; the keys may have dots when they are quoted. */
export const freeTables = [
  'client.accounts',
  'management.roles',
  'management.certificates',
  'server.certificates',
  'kerberos.accounts',
] as const;
type FreeTable = (typeof freeTables)[number];

/** Entries of a configuration: dotted keys, values, lines. */
export type Entries = ReadonlyMap<string, { readonly value: unknown; readonly line: number | undefined }>;
/** Refuses the entry `key`, saying why. */
export type Refuse = (key: string, reason: string) => never;

/** Service account of a job to user of this system. */
export function readAccounts(entries: Entries, refuse: Refuse): ReadonlyMap<string, string> {
  return readTable(entries, refuse, 'client.accounts', (name, value, no) => {
    if (!['LocalSystem', 'LocalService', 'NetworkService'].includes(name))
      return no('the service accounts are LocalSystem, LocalService and NetworkService');
    return typeof value === 'string' && value !== '' ? value : no('expected the name of a user');
  });
}

/** Kerberos principal, in lower case, to account. */
export function readPrincipals(entries: Entries, refuse: Refuse): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  readTable(entries, refuse, 'kerberos.accounts', (principal, value, no) => {
    if (!/^[^\s@]+@[^\s@]+$/.test(principal)) return no('expected a principal, "user@REALM"');
    if (typeof value !== 'string' || value === '') return no('expected the name of an account');
    if (found.has(principal.toLowerCase())) return no('the same principal is listed twice');
    return found.set(principal.toLowerCase(), value);
  });
  return found;
}

/** Group to role. */
export function readRoles(entries: Entries, refuse: Refuse): ReadonlyMap<string, Role> {
  return readTable(entries, refuse, 'management.roles', (group, value, no) => {
    if (group.toLowerCase() === 'administrators') return no('Administrators may do everything and need no role');
    const role = roles.find((candidate) => candidate === value);
    return role ?? no(`expected one of ${roles.map((name) => `"${name}"`).join(', ')}`);
  });
}

/**
 * Client certificate to account. Keys become thumbprints in lower-case hexadecimal, SHA-1 or SHA-256, and `upn:` or `dns:` with the
 * name in lower case.
 */
export function readCertificates(
  entries: Entries,
  refuse: Refuse,
  table: 'management.certificates' | 'server.certificates',
): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  readTable(entries, refuse, table, (text, value, no) => {
    const key = certificateKey(text);
    if (key === undefined) return no('expected a SHA-1 or SHA-256 thumbprint, "upn:user@host" or "dns:name"');
    if (found.has(key)) return no('the same certificate is listed twice');
    if (typeof value !== 'string' || value === '') return no('expected the name of an account');
    return found.set(key, value);
  });
  return found;
}

function certificateKey(text: string): string | undefined {
  const hex = text.replace(/[: ]/g, '').toLowerCase();
  if (/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(hex)) return hex;
  return /^(upn:[^\s@]+@[^\s@]+|dns:[a-z0-9_][a-z0-9_.-]*)$/i.test(text) ? text.toLowerCase() : undefined;
}

function readTable<T>(
  entries: Entries,
  refuse: Refuse,
  table: FreeTable,
  read: (name: string, value: unknown, no: (reason: string) => never) => T,
): ReadonlyMap<string, T> {
  const found = new Map<string, T>();
  for (const [key, { value }] of entries) {
    if (!key.startsWith(`${table}.`)) continue;
    const name = key.slice(table.length + 1);
    found.set(
      name,
      read(name, value, (reason) => refuse(key, reason)),
    );
  }
  return found;
}
