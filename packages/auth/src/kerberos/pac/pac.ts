import { ByteReader } from '@carmine/wire';
import { equalSecrets } from '../../crypto/digest.ts';
import { keyUsages } from '../crypto/key-usages.ts';
import type { EncryptionKey } from '../crypto/profile.ts';
import { profileOf, useKey } from '../crypto/profiles.ts';
import { kerberosPolicy } from '../errors.ts';

/** PAC_INFO_BUFFER types, [MS-PAC] 2.4: those that are read here. */
export const pacTypes = { logonInfo: 1, serverSignature: 6, kdcSignature: 7, clientInfo: 10 } as const;

export interface PacBuffer {
  readonly type: number;
  readonly offset: number;
  readonly data: Uint8Array;
}

/** PACTYPE, [MS-PAC] 2.3: u32 count | u32 version 0 | count × (u32 type | u32 size | u64 offset). Throws `wire/*`. */
export function decodePac(pac: Uint8Array): readonly PacBuffer[] {
  const reader = new ByteReader(pac, { what: 'PAC' });
  const count = reader.u32();
  if (reader.u32() !== 0) throw reader.invalid('version');
  if (count > maxBuffers) throw reader.invalid(`${count} buffers`);
  return Array.from({ length: count }, () => {
    const [type, size, offset] = [reader.u32(), reader.u32(), reader.u64()];
    if (offset > BigInt(pac.length)) throw reader.invalid('a buffer is outside');
    const inside = new ByteReader(pac, { what: 'PAC buffer' });
    inside.seek(Number(offset));
    return { type, offset: Number(offset), data: inside.take(size) };
  });
}

/**
 * The only buffer of a type; undefined when there is none. DEVIATION: [MS-PAC] 2.4 has further ones of a type ignored;
 * here they are refused, as nobody makes them but who wants two readers to disagree.
 */
export function findBuffer(buffers: readonly PacBuffer[], type: number): PacBuffer | undefined {
  const found = buffers.filter((buffer) => buffer.type === type);
  if (found.length > 1) throw kerberosPolicy('the PAC has two buffers of one type');
  return found[0];
}

/**
 * [MS-PAC] 2.8.1: the server signature covers the whole PAC with the signatures of server and KDC set to zero, under
 * the service's key. It is the only one that a service can check: the KDC's is under a key of the KDC's own. Throws
 * `auth/policy`.
 */
export function verifyServerSignature(pac: Uint8Array, buffers: readonly PacBuffer[], key: EncryptionKey): void {
  const zeroed = pac.slice();
  const [server, kdc] = [pacTypes.serverSignature, pacTypes.kdcSignature].map((type) => {
    const buffer = findBuffer(buffers, type);
    if (buffer === undefined) throw kerberosPolicy('the PAC is not signed');
    const signature = readSignature(buffer);
    zeroed.fill(0, buffer.offset + 4, buffer.offset + 4 + signature.value.length);
    return signature;
  });
  const profile = profileOf(key);
  if (server === undefined || kdc === undefined || server.type !== profile.checksumType) {
    throw kerberosPolicy('the PAC is signed with another kind of key');
  }
  if (!equalSecrets(useKey(key, keyUsages.pacSignature).checksum(zeroed), server.value)) {
    throw kerberosPolicy('the PAC has a wrong signature');
  }
}

/** PAC_SIGNATURE_DATA, [MS-PAC] 2.8: s32 type | signature [ | u16 RODC identifier ]. */
function readSignature({ data }: PacBuffer): { readonly type: number; readonly value: Uint8Array } {
  const reader = new ByteReader(data, { what: 'PAC signature' });
  const type = reader.u32() | 0;
  const length = signatureLengths.get(type);
  if (length === undefined) throw kerberosPolicy(`a PAC signature of type ${type} is not supported`);
  return { type, value: reader.take(length) };
}

const signatureLengths = new Map([
  [-138, 16],
  [15, 12],
  [16, 12],
  [19, 16],
  [20, 24],
]);

/** Windows has about ten. */
const maxBuffers = 64;
