import { ByteReader, ByteWriter } from '@carmine/wire';
import { channelBindingHash } from '../../channel-binding.ts';

/** Context flags, RFC 4121 section 4.1.1.1; those above 0x800 are [MS-KILE] 3.2.1.1's. */
export const gssFlags = {
  delegation: 0x01,
  mutual: 0x02,
  replay: 0x04,
  sequence: 0x08,
  confidentiality: 0x10,
  integrity: 0x20,
  dceStyle: 0x1000,
  identify: 0x2000,
  extendedError: 0x4000,
} as const;

/** Checksum type of an authenticator that carries GSS data in place of a checksum. */
export const gssChecksumType = 0x8003;

export interface GssChecksum {
  /** MD5 of the channel bindings; undefined when the peer states none (zeros). */
  readonly channelBinding: Uint8Array | undefined;
  readonly flags: number;
}

/** RFC 4121 section 4.1.1: u32 16 | Bnd | u32 flags, little-endian; no delegation. */
export function encodeGssChecksum(flags: number, channelBinding: Uint8Array | undefined): Uint8Array {
  const hash = channelBinding === undefined ? new Uint8Array(16) : channelBindingHash(channelBinding);
  return new ByteWriter().u32(16).bytes(hash).u32(flags).toBytes();
}

/** What follows the flags (delegated credentials, extensions) is not looked at. */
export function decodeGssChecksum(value: Uint8Array): GssChecksum {
  const reader = new ByteReader(value, { what: 'authenticator checksum' });
  if (reader.u32() !== 16) throw reader.invalid('the length of the channel bindings');
  const hash = reader.take(16).slice();
  return { channelBinding: hash.every((octet) => octet === 0) ? undefined : hash, flags: reader.u32() };
}
