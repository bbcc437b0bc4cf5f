import { ByteReader, ByteWriter } from '@carmine/wire';
import type { KerberosCredential } from '../client/credential.ts';
import type { Principal } from '../messages/principal.ts';

export interface CredentialCache {
  readonly principal: Principal;
  /** Milliseconds to add to our clock to get the KDC's; 0 when the file does not say. */
  readonly clockOffset: number;
  readonly credentials: readonly KerberosCredential[];
}

/**
 * Credential cache file of MIT Kerberos, versions 3 and 4 (krb5 documentation, "Credential cache file format"):
 * big-endian,
 *
 *     05 vv [ header ] | principal | credential*
 *     header (version 4)  u16 length | { u16 tag | u16 length | value }*      tag 1: clock offset, s32 seconds, s32 µs
 *     credential          client | server | key | 4 × u32 time | u8 is-skey | u32 flags | addresses | authdata
 *                         | ticket | second ticket
 *
 * where octets have a u32 length in front. Entries that are only configuration (realm `X-CACHECONF:`) are left out.
 * Throws `wire/*`.
 */
export function decodeCredentialCache(bytes: Uint8Array): CredentialCache {
  const reader = new ByteReader(bytes, { what: 'credential cache', littleEndian: false });
  const version = reader.u16();
  if (version !== 0x503 && version !== 0x504) throw reader.invalid(`version 0x${version.toString(16)}`);
  const clockOffset = version === 0x504 ? decodeHeader(reader.sub(reader.u16())) : 0;
  const principal = readPrincipal(reader);
  const credentials: KerberosCredential[] = [];
  while (reader.remaining > 0) {
    const credential = readCredential(reader, version);
    if (credential.server.realm !== configurationRealm) credentials.push(credential);
  }
  return { principal, clockOffset, credentials };
}

/** Version 4. */
export function encodeCredentialCache({ principal, clockOffset, credentials }: CredentialCache): Uint8Array {
  const writer = new ByteWriter({ littleEndian: false }).u16(0x504);
  const seconds = Math.floor(clockOffset / 1000);
  const micros = Math.round((clockOffset - seconds * 1000) * 1000);
  writer
    .u16(12)
    .u16(clockOffsetTag)
    .u16(8)
    .u32(seconds >>> 0)
    .u32(micros);
  writePrincipal(writer, principal);
  for (const credential of credentials) writeCredential(writer, credential);
  return writer.toBytes();
}

function decodeHeader(reader: ByteReader): number {
  let offset = 0;
  while (reader.remaining > 0) {
    const tag = reader.u16();
    const value = reader.sub(reader.u16());
    if (tag === clockOffsetTag) offset = (value.u32() | 0) * 1000 + (value.u32() | 0) / 1000;
  }
  return offset;
}

function readPrincipal(reader: ByteReader): Principal {
  const nameType = reader.u32() | 0;
  const count = reader.u32();
  // Each component takes at least its length: what cannot be there is not looked for.
  if (count > reader.remaining / 4) throw reader.invalid(`a name of ${count} components`);
  const realm = text(reader);
  return { realm, name: { nameType, nameString: Array.from({ length: count }, () => text(reader)) } };
}

function readCredential(reader: ByteReader, version: number): KerberosCredential {
  const client = readPrincipal(reader);
  const server = readPrincipal(reader);
  const etype = reader.u16();
  // Version 3 has it twice.
  if (version === 0x503) reader.skip(2);
  const sessionKey = { etype, value: octets(reader).slice() };
  const [authTime, startTime, endTime, renewTill] = [reader.u32(), reader.u32(), reader.u32(), reader.u32()];
  reader.skip(1);
  const flags = reader.u32();
  // Addresses and authorisation data: a type and octets each.
  for (const _ of [0, 1]) {
    const count = reader.u32();
    if (count > reader.remaining / 6) throw reader.invalid(`a list of ${count} entries`);
    for (let i = 0; i < count; i++) {
      reader.skip(2);
      octets(reader);
    }
  }
  const ticket = octets(reader).slice();
  octets(reader);
  return {
    client,
    server,
    sessionKey,
    authTime: authTime * 1000,
    startTime: (startTime === 0 ? authTime : startTime) * 1000,
    endTime: endTime * 1000,
    renewTill: renewTill === 0 ? undefined : renewTill * 1000,
    flags,
    ticket,
  };
}

function writePrincipal(writer: ByteWriter, { realm, name }: Principal): void {
  const encoder = new TextEncoder();
  writer.u32(name.nameType >>> 0).u32(name.nameString.length);
  for (const part of [realm, ...name.nameString]) writeOctets(writer, encoder.encode(part));
}

function writeCredential(writer: ByteWriter, credential: KerberosCredential): void {
  writePrincipal(writer, credential.client);
  writePrincipal(writer, credential.server);
  writer.u16(credential.sessionKey.etype);
  writeOctets(writer, credential.sessionKey.value);
  for (const time of [credential.authTime, credential.startTime, credential.endTime, credential.renewTill ?? 0]) {
    writer.u32(seconds32(time));
  }
  writer.u8(0).u32(credential.flags).u32(0).u32(0);
  writeOctets(writer, credential.ticket);
  writer.u32(0);
}

/** UNSPECIFIED: a time that 32 bits cannot hold becomes the nearest that they can, so that the ticket ends early. */
function seconds32(milliseconds: number): number {
  return Math.min(Math.max(Math.floor(milliseconds / 1000), 0), 0xffff_ffff);
}

function octets(reader: ByteReader): Uint8Array {
  return reader.take(reader.u32());
}

function writeOctets(writer: ByteWriter, value: Uint8Array): void {
  writer.u32(value.length).bytes(value);
}

function text(reader: ByteReader): string {
  const value = octets(reader);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(value);
  } catch {
    throw reader.invalid('a name is not UTF-8');
  }
}

const clockOffsetTag = 1;
const configurationRealm = 'X-CACHECONF:';
