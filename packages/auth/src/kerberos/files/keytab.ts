import { ByteReader, ByteWriter } from '@carmine/wire';
import type { EncryptionKey } from '../crypto/profile.ts';
import { nameTypes, type Principal } from '../messages/principal.ts';

export interface KeytabEntry {
  readonly principal: Principal;
  /** Seconds since 1970 when the entry was made. */
  readonly timestamp: number;
  readonly kvno: number;
  readonly key: EncryptionKey;
}

/**
 * Key table file of MIT Kerberos, version 0x502 (krb5 documentation, "Keytab file format"): big-endian,
 *
 *     0502 | { int32 size | entry }*      a negative size is a hole
 *     entry = u16 components | realm | component* | u32 name-type | u32 time | u8 kvno | u16 etype | key [ | u32 kvno ]
 *
 * where names and keys have a u16 length in front. Throws `wire/*`.
 */
export function decodeKeytab(bytes: Uint8Array): readonly KeytabEntry[] {
  const reader = new ByteReader(bytes, { what: 'keytab', littleEndian: false });
  const version = reader.u16();
  if (version !== 0x502) throw reader.invalid(`version 0x${version.toString(16)}`);
  const entries: KeytabEntry[] = [];
  while (reader.remaining >= 4) {
    const size = reader.u32() | 0;
    // Files may end with zeros, and deleted entries are holes.
    if (size === 0) break;
    if (size < 0) reader.skip(-size);
    else entries.push(decodeEntry(reader.sub(size, 'keytab entry')));
  }
  return entries;
}

export function encodeKeytab(entries: readonly KeytabEntry[]): Uint8Array {
  const writer = new ByteWriter({ littleEndian: false }).u16(0x502);
  for (const entry of entries) {
    const body = encodeEntry(entry);
    writer.u32(body.length).bytes(body);
  }
  return writer.toBytes();
}

function decodeEntry(reader: ByteReader): KeytabEntry {
  const count = reader.u16();
  const realm = text(reader);
  const nameString = Array.from({ length: count }, () => text(reader));
  const nameType = reader.u32() | 0;
  const timestamp = reader.u32();
  const shortKvno = reader.u8();
  const etype = reader.u16();
  const value = reader.take(reader.u16()).slice();
  // The longer number is there in newer files, and counts unless it is 0.
  const longKvno = reader.remaining >= 4 ? reader.u32() : 0;
  const kvno = longKvno === 0 ? shortKvno : longKvno;
  return { principal: { realm, name: { nameType, nameString } }, timestamp, kvno, key: { etype, value } };
}

function encodeEntry({ principal, timestamp, kvno, key }: KeytabEntry): Uint8Array {
  const writer = new ByteWriter({ littleEndian: false });
  const counted = (octets: Uint8Array) => void writer.u16(octets.length).bytes(octets);
  const encoder = new TextEncoder();
  writer.u16(principal.name.nameString.length);
  counted(encoder.encode(principal.realm));
  for (const part of principal.name.nameString) counted(encoder.encode(part));
  writer.u32((principal.name.nameType || nameTypes.principal) >>> 0).u32(timestamp);
  writer.u8(kvno & 0xff).u16(key.etype);
  counted(key.value);
  return writer.u32(kvno).toBytes();
}

function text(reader: ByteReader): string {
  const octets = reader.take(reader.u16());
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(octets);
  } catch {
    throw reader.invalid('a name is not UTF-8');
  }
}
