import { concatBytes, encodeUtf16 } from '@carmine/wire';
import { equalSecrets, hmacMd5, md5 } from '../../crypto/digest.ts';
import { md4 } from '../../crypto/md4.ts';
import { Rc4 } from '../../crypto/rc4.ts';
import { badIntegrity, type EncryptionProfile, type KeyInUse } from './profile.ts';

/** rc4-hmac, RFC 4757. Weak: only where it is configured, and never for the messages of a context. */
export const rc4Hmac: EncryptionProfile = {
  etype: 23,
  name: 'rc4-hmac',
  keyLength: 16,
  confounderLength: 8,
  checksumType: -138,
  checksumLength: 16,
  defaultIterations: 0,
  stringToKey: (password) => md4(encodeUtf16(password)),
  use: (key, usage) => new Rc4Use(key, usage),
};

class Rc4Use implements KeyInUse {
  readonly #key: Uint8Array;
  readonly #usage: Uint8Array;

  constructor(key: Uint8Array, usage: number) {
    this.#key = key;
    this.#usage = new Uint8Array(4);
    new DataView(this.#usage.buffer).setUint32(0, messageType(usage), true);
  }

  /** RFC 4757 section 5, ENCRYPT: checksum | RC4(HMAC(K1, checksum), confounder | data). */
  encrypt(plaintext: Uint8Array, confounder: Uint8Array): Uint8Array {
    const base = hmacMd5(this.#key, this.#usage);
    const checksum = hmacMd5(base, confounder, plaintext);
    return concatBytes(checksum, new Rc4(hmacMd5(base, checksum)).apply(concatBytes(confounder, plaintext)));
  }

  decrypt(ciphertext: Uint8Array): Uint8Array {
    if (ciphertext.length < 24) throw badIntegrity();
    const base = hmacMd5(this.#key, this.#usage);
    const checksum = ciphertext.subarray(0, 16);
    const text = new Rc4(hmacMd5(base, checksum)).apply(ciphertext.subarray(16));
    if (!equalSecrets(hmacMd5(base, text), checksum)) throw badIntegrity();
    return text.slice(8);
  }

  /** RFC 4757 section 4: HMAC(HMAC(K, "signaturekey\0"), MD5(T | data)). */
  checksum(...data: readonly Uint8Array[]): Uint8Array {
    const signing = hmacMd5(this.#key, new TextEncoder().encode('signaturekey\0'));
    return hmacMd5(signing, md5(this.#usage, ...data));
  }
}

/** RFC 4757 section 3: message types are the usage numbers, but for the encrypted part of AS-REP. QUIRK: 9 stays 9. */
function messageType(usage: number): number {
  return usage === 3 ? 8 : usage;
}
