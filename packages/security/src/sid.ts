import { CarmineError } from '@carmine/errors';
import { ByteReader, ByteWriter, type Codec, decode, encode } from '@carmine/wire';

/** A security identifier taken apart, [MS-DTYP] 2.4.2. */
export interface SidParts {
  /** 48 bits. */
  readonly identifierAuthority: number;
  /** 1 to 15 numbers of 32 bits. */
  readonly subAuthorities: readonly number[];
}

/**
 * Reads the text form, [MS-DTYP] 2.4.2.1; throws `security/invalid-sid`:
 *
 *     SID                    = "S-1-" IdentifierAuthority 1*SubAuthority
 *     IdentifierAuthorityDec = 1*10DIGIT
 *     IdentifierAuthorityHex = "0x" 12HEXDIG
 *     SubAuthority           = "-" 1*10DIGIT
 */
export function parseSid(text: string): SidParts {
  const match = /^S-1-(?:0x([0-9a-f]{12})|(\d{1,10}))((?:-\d{1,10})+)$/i.exec(text);
  if (match === null) throw invalidSid('the form is S-1-authority-number…');
  const [, hex, decimal, rest] = match;
  const identifierAuthority = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
  const subAuthorities = (rest ?? '').slice(1).split('-').map(Number);
  if (hex === undefined && identifierAuthority > 0xffff_ffff) throw invalidSid('the authority is out of range');
  if (subAuthorities.length > maxSubAuthorities) throw invalidSid('too many sub-authorities');
  if (subAuthorities.some((value) => value > 0xffff_ffff)) throw invalidSid('a sub-authority is out of range');
  return { identifierAuthority, subAuthorities };
}

/** The one text form of a SID: decimal without leading zeros, hexadecimal for authorities from 2^32. */
export function formatSid({ identifierAuthority, subAuthorities }: SidParts): string {
  const authority =
    identifierAuthority > 0xffff_ffff
      ? `0x${identifierAuthority.toString(16).padStart(12, '0')}`
      : String(identifierAuthority);
  return ['S-1', authority, ...subAuthorities].join('-');
}

/** The text in its one form, so that equal SIDs are equal strings; throws `security/invalid-sid`. */
export function canonicalSid(text: string): string {
  return formatSid(parseSid(text));
}

/** The SID of an account or group in a domain (or machine): its SID and one more number. */
export function sidInDomain(domainSid: string, relativeId: number): string {
  const { identifierAuthority, subAuthorities } = parseSid(domainSid);
  return canonicalSid(formatSid({ identifierAuthority, subAuthorities: [...subAuthorities, relativeId] }));
}

/**
 * Text form to octets and back, [MS-DTYP] 2.4.2.2: revision, count, 6 octets of authority (big-endian), sub-authorities.
 * UNSPECIFIED: whether a SID may have no sub-authority; it may not.
 */
export const sidCodec: Codec<string> = {
  name: 'SID',
  alignment: 1,
  size: undefined,
  write(writer, value) {
    const { identifierAuthority, subAuthorities } = parseSid(value);
    const authority = new ByteWriter({ littleEndian: false })
      .u16(Math.floor(identifierAuthority / 0x1_0000_0000))
      .u32(identifierAuthority % 0x1_0000_0000);
    writer.u8(1).u8(subAuthorities.length).bytes(authority.toBytes());
    for (const subAuthority of subAuthorities) writer.u32(subAuthority);
  },
  read(reader) {
    const revision = reader.u8();
    if (revision !== 1) throw invalidSid(`revision ${revision}`);
    const count = reader.u8();
    if (count === 0 || count > maxSubAuthorities) throw invalidSid(`${count} sub-authorities`);
    const authority = new ByteReader(reader.take(6), { what: 'SID', littleEndian: false });
    const identifierAuthority = authority.u16() * 0x1_0000_0000 + authority.u32();
    const words = reader.sub(4 * count, 'SID');
    return formatSid({ identifierAuthority, subAuthorities: Array.from({ length: count }, () => words.u32()) });
  },
};

export function encodeSid(text: string): Uint8Array {
  return encode(sidCodec, text);
}

/** Exactly one SID; throws `security/invalid-sid` or `wire/*`. */
export function decodeSid(bytes: Uint8Array): string {
  return decode(sidCodec, bytes);
}

function invalidSid(reason: string): CarmineError {
  return new CarmineError('security/invalid-sid', { context: { reason } });
}

const maxSubAuthorities = 15;
