import { pbkdf2Sync } from 'node:crypto';
import { aesCbcEncrypt } from './aes-cts.ts';
import { AesUse, confounderLength, derivationConstant, derivations } from './aes-profile.ts';
import { nFold } from './n-fold.ts';
import type { AesProfile } from './profile.ts';

/** aes128-cts-hmac-sha1-96 and aes256-cts-hmac-sha1-96, RFC 3962. */
export const aes128Sha1 = aesSha1(17, 'aes128-cts-hmac-sha1-96', 16, 15);
export const aes256Sha1 = aesSha1(18, 'aes256-cts-hmac-sha1-96', 32, 16);

function aesSha1(etype: number, name: string, keyLength: number, checksumType: number): AesProfile {
  return {
    aes: true,
    etype,
    name,
    keyLength,
    confounderLength,
    checksumType,
    checksumLength: 12,
    defaultIterations: 4096,
    stringToKey(password, salt, iterations) {
      // RFC 3962 section 4: tkey = random2key(PBKDF2(passphrase, salt, iter_count, keylength)); key = DK(tkey,
      // "kerberos")
      const tkey = pbkdf2Sync(new TextEncoder().encode(password), salt, iterations, keyLength, 'sha1');
      return deriveKey(tkey, new TextEncoder().encode('kerberos'));
    },
    use: (key, usage) =>
      new AesUse({
        hash: 'sha1',
        checksumLength: 12,
        signs: 'plaintext',
        derive: (purpose) => deriveKey(key, foldedConstant(usage, derivations[purpose])),
      }),
  };
}

/**
 * DK, RFC 3961 section 5.1: the constant, folded to a block, is encrypted again and again, and the ciphertexts make the
 * key, which is what CBC does with the constant and zeros behind it. For AES random-to-key is the identity (RFC 3962
 * section 6).
 */
export function deriveKey(key: Uint8Array, constant: Uint8Array): Uint8Array {
  const text = new Uint8Array(key.length);
  text.set(constant.length === 16 ? constant : nFold(constant, 16));
  return aesCbcEncrypt(key, text);
}

/** Folding takes longer than encrypting, and the usage numbers are few. */
function foldedConstant(usage: number, purpose: number): Uint8Array {
  const number = usage * 256 + purpose;
  const known = foldedConstants.get(number);
  if (known !== undefined) return known;
  const folded = nFold(derivationConstant(usage, purpose), 16);
  foldedConstants.set(number, folded);
  return folded;
}

const foldedConstants = new Map<number, Uint8Array>();
