import { CarmineError } from '@carmine/errors';
import type { Ace } from './ace.ts';
import {
  aceFlagLetters,
  aceTypeLetters,
  aclFlagLetters,
  compoundRights,
  labelRights,
  noAccessControl,
  sidAliases,
  singleRights,
} from './sddl-tables.ts';
import type { Acl, SecurityDescriptor } from './security-descriptor.ts';
import { canonicalSid } from './sid.ts';

/**
 * Writes what parseSddl reads, with letters wherever there are some. Fails with `wire/unencodable` on what has no text: ACEs
 * of unknown type, ACEs in the wrong list, flags without letters. Control bits without letters are left out.
 */
export function formatSddl(descriptor: SecurityDescriptor): string {
  const { owner, group, dacl, sacl, control } = descriptor;
  return [
    owner === undefined ? '' : `O:${formatSidString(owner)}`,
    group === undefined ? '' : `G:${formatSidString(group)}`,
    dacl === undefined ? '' : `D:${formatAcl(dacl, 'D', control)}`,
    sacl === undefined ? '' : `S:${formatAcl(sacl, 'S', control)}`,
  ].join('');
}

function formatAcl(acl: Acl | 'null', list: 'D' | 'S', control: number): string {
  const flags = [...aclFlagLetters[list]].filter(([, flag]) => (control & flag) !== 0).map(([letters]) => letters);
  const aces = acl === 'null' ? [noAccessControl] : acl.aces.map((ace) => formatAce(ace, list));
  return [...flags, ...aces].join('');
}

function formatAce(ace: Ace, list: 'D' | 'S'): string {
  if (ace.form === 'unknown') throw unencodable(`type 0x${ace.type.toString(16)} has no letters`);
  const type = aceTypeLetters.find(({ form, kind }) => form === ace.form && kind === ace.kind);
  if (type?.list !== list) throw unencodable(`${ace.kind} does not belong into ${list}:`);
  const [objectType = '', inheritedObjectType = ''] =
    ace.form === 'object' ? [ace.objectType, ace.inheritedObjectType] : [];
  const rights = formatRights(ace.mask, ace.kind === 'mandatory-label' ? labelRights : undefined);
  const fields = [
    type.letters,
    formatFlags(ace.flags),
    rights,
    objectType,
    inheritedObjectType,
    formatSidString(ace.sid),
  ];
  return `(${fields.join(';')})`;
}

function formatFlags(flags: number): string {
  const letters = lettersFor(flags, aceFlagLetters);
  if (letters === undefined) throw unencodable(`flags 0x${flags.toString(16)} have no letters`);
  return letters;
}

function formatRights(mask: number, own: ReadonlyMap<string, number> | undefined): string {
  const compound = own === undefined ? [...compoundRights].find(([, bits]) => bits === mask)?.[0] : undefined;
  return compound ?? lettersFor(mask, own ?? singleRights) ?? `0x${(mask >>> 0).toString(16)}`;
}

/** The letters whose bits make up the value exactly; undefined when a bit has none. */
function lettersFor(value: number, table: ReadonlyMap<string, number>): string | undefined {
  let text = '';
  let left = value;
  for (const [letters, bits] of table) {
    if ((left & bits) === 0) continue;
    text += letters;
    left &= ~bits;
  }
  return left === 0 ? text : undefined;
}

function formatSidString(sid: string): string {
  const canonical = canonicalSid(sid);
  return aliasOfSid.get(canonical) ?? canonical;
}

function unencodable(reason: string): CarmineError {
  return new CarmineError('wire/unencodable', { context: { what: 'SDDL', reason } });
}

const aliasOfSid = new Map([...sidAliases].map(([alias, sid]) => [sid, alias]));
