import { formatSid, sidInDomain } from '@carmine/security';
import { ByteReader, decodeUtf16 } from '@carmine/wire';

/** What KERB_VALIDATION_INFO says of who logged on. */
export interface ValidationInfo {
  /** sAMAccountName; may be empty. */
  readonly effectiveName: string;
  /** NetBIOS name of the account's domain. */
  readonly logonDomainName: string;
  readonly userSid: string;
  /** Groups that count for access: those of the domain, of other domains and of the resource's domain. */
  readonly groupSids: readonly string[];
}

/**
 * KERB_VALIDATION_INFO, [MS-PAC] 2.5, as NDR with type serialization version 1 ([MS-RPCE] 2.2.6): a header of 16
 * octets, a pointer, the structure, then what its pointers stand for, in their order. Only what tells who it is comes
 * out. Every count is checked against what remains before it is used. Throws `wire/*`.
 */
export function decodeValidationInfo(bytes: Uint8Array): ValidationInfo {
  const outer = new ByteReader(bytes, { what: 'KERB_VALIDATION_INFO' });
  // Version 1, little-endian, header of 8 octets; the length of the object; filler.
  if (outer.u8() !== 1 || outer.u8() !== 0x10 || outer.u16() !== 8) throw outer.invalid('serialization header');
  outer.skip(4);
  const length = outer.u32();
  outer.skip(4);
  const reader = new Ndr(outer.sub(length));
  if (reader.u32() === 0) throw outer.invalid('a null pointer');

  reader.skip(6 * 8); // FILETIMEs, LogonTime to PasswordMustChange
  const effectiveName = reader.string();
  const otherNames = Array.from({ length: 5 }, () => reader.string());
  reader.skip(4); // LogonCount, BadPasswordCount
  const [userId, primaryGroupId] = [reader.u32(), reader.u32()];
  const groups = { count: reader.u32(), there: reader.u32() !== 0 };
  const userFlags = reader.u32();
  reader.skip(16); // UserSessionKey
  const [logonServer, logonDomainName] = [reader.string(), reader.string()];
  const domainIdThere = reader.u32() !== 0;
  reader.skip(2 * 4 + 4 + 4 + 2 * 8 + 4 + 4); // Reserved1 to Reserved3
  const extra = { count: reader.u32(), there: reader.u32() !== 0 };
  const resourceDomainThere = reader.u32() !== 0;
  const resource = { count: reader.u32(), there: reader.u32() !== 0 };

  const name = reader.text(effectiveName);
  for (const other of otherNames) reader.text(other);
  const groupIds = reader.memberships(groups);
  reader.text(logonServer);
  const domainName = reader.text(logonDomainName);
  const domainSid = domainIdThere ? reader.sid() : undefined;
  const extraSids = reader.sidsAndAttributes(extra);
  const resourceDomain = resourceDomainThere ? reader.sid() : undefined;
  const resourceIds = reader.memberships(resource);

  if (domainSid === undefined) throw outer.invalid('LogonDomainId is missing');
  if (resourceDomain === undefined && resourceIds.length > 0) throw outer.invalid('ResourceGroupDomainSid is missing');
  // "If the UserId member equals 0x00000000, the first group SID in this member is the SID for this account."
  const userSid = userId === 0 ? extraSids[0]?.sid : sidInDomain(domainSid, userId);
  if (userSid === undefined) throw outer.invalid('no user');
  const extraCount = (userFlags & userFlagBits.extraSids) === 0 ? 0 : extraSids.length;
  const resourceCount = (userFlags & userFlagBits.resourceGroups) === 0 ? 0 : resourceIds.length;
  const enabled = [
    ...groupIds.filter(isEnabled).map(({ id }) => sidInDomain(domainSid, id)),
    ...extraSids
      .slice(userId === 0 ? 1 : 0, extraCount)
      .filter(isEnabled)
      .map(({ sid }) => sid),
    ...resourceIds
      .slice(0, resourceCount)
      .filter(isEnabled)
      .map(({ id }) => sidInDomain(resourceDomain!, id)),
  ];
  const primary = primaryGroupId === 0 ? [] : [sidInDomain(domainSid, primaryGroupId)];
  return {
    effectiveName: name,
    logonDomainName: domainName,
    userSid,
    groupSids: [...new Set([...primary, ...enabled])],
  };
}

interface StringHeader {
  readonly length: number;
  readonly there: boolean;
}

interface ArrayHeader {
  readonly count: number;
  readonly there: boolean;
}

/** The few shapes of NDR that the structure has; everything is aligned to four octets. */
class Ndr {
  readonly #reader: ByteReader;

  constructor(reader: ByteReader) {
    this.#reader = reader;
  }

  u32(): number {
    return this.#reader.u32();
  }

  skip(length: number): void {
    this.#reader.skip(length);
  }

  /** RPC_UNICODE_STRING, [MS-DTYP] 2.3.10: u16 octets | u16 room | pointer. */
  string(): StringHeader {
    const length = this.#reader.u16();
    this.#reader.skip(2);
    return { length, there: this.u32() !== 0 };
  }

  /** What the pointer of a string stands for: u32 room | u32 offset 0 | u32 characters | characters. */
  text({ length, there }: StringHeader): string {
    if (!there) {
      if (length !== 0) throw this.#reader.invalid('a string is missing');
      return '';
    }
    const room = this.u32();
    const offset = this.u32();
    const count = this.u32();
    if (offset !== 0 || count > room || count * 2 !== length) throw this.#reader.invalid('the length of a string');
    const text = decodeUtf16(this.#reader.take(length));
    this.#align();
    return text;
  }

  /** GROUP_MEMBERSHIP, [MS-PAC] 2.2.2. */
  memberships(header: ArrayHeader): readonly { readonly id: number; readonly attributes: number }[] {
    return this.#array(header, 8, () => ({ id: this.u32(), attributes: this.u32() }));
  }

  /** KERB_SID_AND_ATTRIBUTES, [MS-PAC] 2.2.1: the pointers first, then the SIDs. */
  sidsAndAttributes(header: ArrayHeader): readonly { readonly sid: string; readonly attributes: number }[] {
    const headers = this.#array(header, 8, () => ({ there: this.u32() !== 0, attributes: this.u32() }));
    return headers.map(({ there, attributes }) => {
      if (!there) throw this.#reader.invalid('a SID is missing');
      return { sid: this.sid(), attributes };
    });
  }

  /** RPC_SID, [MS-DTYP] 2.4.2.3: u32 count | u8 revision | u8 count | 6 octets, big-endian | count × u32. */
  sid(): string {
    const conformance = this.u32();
    const [revision, count] = [this.#reader.u8(), this.#reader.u8()];
    if (revision !== 1 || count !== conformance || count === 0 || count > 15) throw this.#reader.invalid('a SID');
    const authority = new ByteReader(this.#reader.take(6), { littleEndian: false });
    const identifierAuthority = authority.u16() * 0x1_0000_0000 + authority.u32();
    const words = this.#reader.sub(4 * count);
    return formatSid({ identifierAuthority, subAuthorities: Array.from({ length: count }, () => words.u32()) });
  }

  #array<T>({ count, there }: ArrayHeader, size: number, read: () => T): readonly T[] {
    if (!there) {
      if (count !== 0) throw this.#reader.invalid('an array is missing');
      return [];
    }
    if (this.u32() !== count || count > this.#reader.remaining / size) {
      throw this.#reader.invalid(`an array of ${count}`);
    }
    return Array.from({ length: count }, read);
  }

  #align(): void {
    const rest = this.#reader.position % 4;
    if (rest !== 0) this.#reader.skip(4 - rest);
  }
}

/** [MS-PAC] 2.2.1: SE_GROUP_ENABLED; a group that is only there to deny gives nothing. */
function isEnabled({ attributes }: { readonly attributes: number }): boolean {
  return (attributes & 0x4) !== 0 && (attributes & 0x10) === 0;
}

/** UserFlags, [MS-PAC] 2.5: whether ExtraSids and ResourceGroupIds are "populated and valid". */
const userFlagBits = { extraSids: 0x20, resourceGroups: 0x200 } as const;
