import { createHmac, pbkdf2Sync } from 'node:crypto';
import { concatBytes } from '@carmine/wire';
import { AesUse, confounderLength, derivationConstant, derivations } from './aes-profile.ts';
import type { AesProfile } from './profile.ts';

type Hash = 'sha256' | 'sha384';

/** aes128-cts-hmac-sha256-128 and aes256-cts-hmac-sha384-192, RFC 8009. */
export const aes128Sha2 = aesSha2(19, 'aes128-cts-hmac-sha256-128', 16, 16, 'sha256');
export const aes256Sha2 = aesSha2(20, 'aes256-cts-hmac-sha384-192', 32, 24, 'sha384');

function aesSha2(etype: number, name: string, keyLength: number, checksumLength: number, hash: Hash): AesProfile {
  const encoder = new TextEncoder();
  return {
    aes: true,
    etype,
    name,
    keyLength,
    confounderLength,
    checksumType: etype,
    checksumLength,
    defaultIterations: 32768,
    stringToKey(password, salt, iterations) {
      // RFC 8009 section 4: saltp = enctype-name | 0x00 | salt
      const saltp = concatBytes(encoder.encode(name), Uint8Array.of(0), salt);
      const tkey = pbkdf2Sync(encoder.encode(password), saltp, iterations, keyLength, hash);
      return kdfHmacSha2(hash, tkey, encoder.encode('kerberos'), keyLength);
    },
    use: (key, usage) =>
      new AesUse({
        hash,
        checksumLength,
        signs: 'ciphertext',
        derive: (purpose) => {
          // RFC 8009 section 5: Kc and Ki are as long as the checksum, Ke as the key.
          const length = purpose === 'encryption' ? keyLength : checksumLength;
          return kdfHmacSha2(hash, key, derivationConstant(usage, derivations[purpose]), length);
        },
      }),
  };
}

/** RFC 8009 section 3: K1 = HMAC(key, 0x00000001 | label | 0x00 | k), cut to k bits; no context is used here. */
export function kdfHmacSha2(hash: Hash, key: Uint8Array, label: Uint8Array, length: number): Uint8Array {
  const bits = new Uint8Array(4);
  new DataView(bits.buffer).setUint32(0, length * 8);
  const hmac = createHmac(hash, key)
    .update(Uint8Array.of(0, 0, 0, 1))
    .update(label)
    .update(Uint8Array.of(0));
  return new Uint8Array(hmac.update(bits).digest()).slice(0, length);
}
