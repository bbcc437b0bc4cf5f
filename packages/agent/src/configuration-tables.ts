import { type Role, roles } from '@carmine/cim';

/** Tables whose keys are free names with text values; the keys may have dots when they are quoted. */
export const freeTables = ['client.accounts', 'management.roles'] as const;
export type FreeTable = (typeof freeTables)[number];

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

/** Group to role. */
export function readRoles(entries: Entries, refuse: Refuse): ReadonlyMap<string, Role> {
  return readTable(entries, refuse, 'management.roles', (group, value, no) => {
    if (group.toLowerCase() === 'administrators') return no('Administrators may do everything and need no role');
    const role = roles.find((candidate) => candidate === value);
    return role ?? no(`expected one of ${roles.map((name) => `"${name}"`).join(', ')}`);
  });
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
