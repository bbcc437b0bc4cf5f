import { CarmineError, isCarmineError } from '@carmine/errors';
import type { Ace, ObjectAce } from './ace.ts';
import {
  aceFlagLetters,
  aceTypeLetters,
  aclFlagLetters,
  compoundRights,
  domainAliases,
  labelRights,
  noAccessControl,
  sidAliases,
  singleRights,
} from './sddl-tables.ts';
import type { Acl, SecurityDescriptor } from './security-descriptor.ts';
import { canonicalSid, sidInDomain } from './sid.ts';

export interface SddlOptions {
  /** SID of the machine (or domain) that aliases such as LA and DA are relative to; without it they are errors. */
  readonly domainSid?: string | undefined;
}

/**
 * Reads a security descriptor string, [MS-DTYP] 2.5.1.1:
 *
 *     sddl         = [owner-string] [group-string] [dacl-string] [sacl-string]
 *     owner-string = "O:" sid-string        group-string = "G:" sid-string
 *     dacl-string  = "D:" [acl-flag-string] [aces]     sacl-string = "S:" [acl-flag-string] [aces]
 *     acl-flag-string = *( "P" / "AR" / "AI" / "NO_ACCESS_CONTROL" )
 *     ace          = "(" type ";" [flags] ";" [rights] ";" [guid] ";" [guid] ";" sid-string ")"
 *     rights       = *text-right / "0x" 1*8HEXDIG
 *
 * Letters may be of either case. Conditional and resource attribute ACEs are refused: nothing evaluates them.
 * Throws `security/invalid-sddl`; its `position` counts characters from 1.
 * UNSPECIFIED: the order of the four parts; any order is read, each at most once.
 */
export function parseSddl(text: string, options: SddlOptions = {}): SecurityDescriptor {
  return new SddlParser(text, options).descriptor();
}

type List = 'D' | 'S';

class SddlParser {
  readonly #text: string;
  readonly #options: SddlOptions;
  #position = 0;

  constructor(text: string, options: SddlOptions) {
    this.#text = text;
    this.#options = options;
    if (text.length > maxLength) throw this.#error('too long');
  }

  descriptor(): SecurityDescriptor {
    let owner: string | undefined;
    let group: string | undefined;
    const lists: { D?: Acl | 'null'; S?: Acl | 'null' } = {};
    let control = 0;
    const seen = new Set<string>();
    while (this.#position < this.#text.length) {
      const start = this.#position;
      const part = this.#match(patterns.part)?.charAt(0).toUpperCase();
      if (part === undefined) throw this.#error('O:, G:, D: or S: is expected');
      if (seen.has(part)) throw this.#error(`${part}: is there twice`, start);
      seen.add(part);
      if (part === 'O') owner = this.#sid();
      else if (part === 'G') group = this.#sid();
      else {
        const list = part === 'D' ? 'D' : 'S';
        const { acl, flags } = this.#acl(list);
        lists[list] = acl;
        control |= flags;
      }
    }
    return { owner, group, dacl: lists.D, sacl: lists.S, control, resourceManagerControl: 0 };
  }

  #acl(list: List): { acl: Acl | 'null'; flags: number } {
    let flags = 0;
    let isNull = false;
    for (;;) {
      const start = this.#position;
      const letters = this.#match(patterns.aclFlag)?.toUpperCase();
      if (letters === undefined) break;
      const flag = aclFlagLetters[list].get(letters) ?? 0;
      if (letters === noAccessControl ? isNull : (flags & flag) !== 0) {
        throw this.#error(`${letters} is there twice`, start);
      }
      if (letters === noAccessControl) isNull = true;
      flags |= flag;
    }
    const aces: Ace[] = [];
    let size = aclHeaderLength;
    while (this.#text[this.#position] === '(') {
      if (isNull) throw this.#error(`${noAccessControl} leaves no room for ACEs`);
      const start = this.#position;
      const ace = this.#ace(list);
      size += aceLength(ace);
      if (size > maxAclLength) throw this.#error(`the ACL has more than ${maxAclLength} octets`, start);
      aces.push(ace);
    }
    if (isNull) return { acl: 'null', flags };
    return { acl: { revision: aces.some(({ form }) => form === 'object') ? 4 : 2, aces }, flags };
  }

  #ace(list: List): Ace {
    this.#expect('(');
    const start = this.#position;
    const letters = this.#match(patterns.word)?.toUpperCase() ?? '';
    const type = aceTypeLetters.find((entry) => entry.letters === letters);
    if (type === undefined) throw this.#error(`ACE type "${letters}" is not supported`, start);
    if (type.list !== list) throw this.#error(`ACE type ${letters} does not belong into ${list}:`, start);
    this.#expect(';');
    const flags = this.#letterPairs(aceFlagLetters, 'flag');
    this.#expect(';');
    const mask = this.#rights(type.kind === 'mandatory-label' ? labelRights : undefined);
    this.#expect(';');
    const objectType = this.#guid(type.form);
    this.#expect(';');
    const inheritedObjectType = this.#guid(type.form);
    this.#expect(';');
    const sid = this.#sid();
    if (this.#text[this.#position] === ';') throw this.#error('conditions and attributes are not supported');
    this.#expect(')');
    if (type.form === 'object') {
      return { form: 'object', kind: type.kind, flags, mask, objectType, inheritedObjectType, sid } satisfies ObjectAce;
    }
    return { form: 'basic', kind: type.kind, flags, mask, sid };
  }

  #rights(own: ReadonlyMap<string, number> | undefined): number {
    const hex = this.#match(patterns.hex);
    if (hex !== undefined) return Number.parseInt(hex.slice(2), 16);
    return this.#letterPairs(own ?? allRights, 'right');
  }

  #letterPairs(table: ReadonlyMap<string, number>, what: string): number {
    let value = 0;
    for (;;) {
      const start = this.#position;
      const pair = this.#match(patterns.pair)?.toUpperCase();
      if (pair === undefined) return value >>> 0;
      const bits = table.get(pair);
      if (bits === undefined) throw this.#error(`unknown ${what} ${pair}`, start);
      value |= bits;
    }
  }

  #guid(form: 'basic' | 'object'): string | undefined {
    const start = this.#position;
    const guid = this.#match(patterns.guid)?.toLowerCase();
    if (guid !== undefined && form === 'basic') throw this.#error('only object ACEs name a type', start);
    return guid;
  }

  #sid(): string {
    const start = this.#position;
    const sid = this.#match(patterns.sid);
    try {
      if (sid !== undefined) return canonicalSid(sid);
      const alias = this.#match(patterns.pair)?.toUpperCase();
      if (alias === undefined) throw this.#error('a SID is expected', start);
      const known = sidAliases.get(alias);
      if (known !== undefined) return known;
      const relativeId = domainAliases.get(alias);
      if (relativeId === undefined) throw this.#error(`unknown SID alias ${alias}`, start);
      if (this.#options.domainSid === undefined) throw this.#error(`${alias} means nothing without a domain`, start);
      return sidInDomain(this.#options.domainSid, relativeId);
    } catch (error) {
      if (isCarmineError(error, 'security/invalid-sid')) throw this.#error(error.message, start);
      throw error;
    }
  }

  /** What stands here, if it has this form. */
  #match(pattern: RegExp): string | undefined {
    const start = this.#position;
    pattern.lastIndex = start;
    if (!pattern.test(this.#text)) return undefined;
    this.#position = pattern.lastIndex;
    return this.#text.slice(start, this.#position);
  }

  #expect(character: string): void {
    if (this.#text[this.#position] !== character) throw this.#error(`"${character}" is expected`);
    this.#position++;
  }

  #error(reason: string, index = this.#position): CarmineError {
    return new CarmineError('security/invalid-sddl', { context: { reason, position: index + 1 } });
  }
}

/** Octets of an ACE, [MS-DTYP] 2.4.4: header, mask, flags and types of an object ACE, SID. */
function aceLength(ace: Ace): number {
  if (ace.form === 'unknown') return 4 + ace.data.length;
  // S-1-5-32-544 has an authority and two sub-authorities.
  const sid = 8 + 4 * (ace.sid.split('-').length - 3);
  if (ace.form === 'basic') return 8 + sid;
  return 12 + (ace.objectType === undefined ? 0 : 16) + (ace.inheritedObjectType === undefined ? 0 : 16) + sid;
}

const patterns = {
  part: /[OGDS]:/iy,
  aclFlag: /NO_ACCESS_CONTROL|AR|AI|P/iy,
  word: /[A-Z]*/iy,
  pair: /[A-Z]{2}/iy,
  hex: /0x[0-9a-f]{1,8}/iy,
  guid: /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/iy,
  sid: /S-1-(?:0x[0-9a-f]+|\d+)(?:-\d+)+/iy,
} as const;

const allRights: ReadonlyMap<string, number> = new Map([...singleRights, ...compoundRights]);

/** AclSize has 16 bits, [MS-DTYP] 2.4.5. */
const maxAclLength = 0xffff;
const aclHeaderLength = 8;
/** No text of two such lists needs to be longer than this. */
const maxLength = 0x4_0000;
