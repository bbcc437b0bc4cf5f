import { createHmac } from 'node:crypto';
import { concatBytes } from '@carmine/wire';
import { equalSecrets } from '../../crypto/digest.ts';
import { decryptParts, encryptParts } from './parts.ts';
import { type AesKeyInUse, badIntegrity, type ProtectedPart, type ProtectedParts } from './profile.ts';

/**
 * Last octet of the derivation constants of the three keys that a usage number makes of a base key, RFC 3961 section 5.3 and
 * RFC 8009 section 5.
 */
export const derivations = { checksum: 0x99, encryption: 0xaa, integrity: 0x55 } as const;
export type DerivedKey = keyof typeof derivations;

interface AesUseOptions {
  readonly derive: (key: DerivedKey) => Uint8Array;
  readonly hash: 'sha1' | 'sha256' | 'sha384';
  readonly checksumLength: number;
  /** RFC 3962 signs the plaintext; RFC 8009 section 5 signs the initial vector and the ciphertext. */
  readonly signs: 'plaintext' | 'ciphertext';
}

/** Encryption with a checksum as both AES families do it; each key is derived on first use: most contexts need two. */
export class AesUse implements AesKeyInUse {
  readonly #options: AesUseOptions;
  readonly #keys: Partial<Record<DerivedKey, Uint8Array>> = {};

  constructor(options: AesUseOptions) {
    this.#options = options;
  }

  encrypt(plaintext: Uint8Array, confounder: Uint8Array): Uint8Array {
    const sealed = this.seal([{ bytes: plaintext, encrypt: true }], confounder);
    return concatBytes(sealed.confounder, ...sealed.parts, sealed.checksum);
  }

  decrypt(ciphertext: Uint8Array): Uint8Array {
    const end = ciphertext.length - this.#options.checksumLength;
    if (end < confounderLength) throw badIntegrity();
    const sealed = {
      confounder: ciphertext.subarray(0, confounderLength),
      parts: [ciphertext.subarray(confounderLength, end)],
      checksum: ciphertext.subarray(end),
    };
    return this.open(sealed, [true])[0]!.slice();
  }

  seal(parts: readonly ProtectedPart[], confounder: Uint8Array): ProtectedParts {
    if (confounder.length !== confounderLength) throw new RangeError(`confounder of ${confounder.length} octets`);
    const plain = parts.map(({ bytes }) => bytes);
    const sealed = encryptParts(
      this.#derived('encryption'),
      confounder,
      plain,
      parts.map(({ encrypt }) => encrypt),
    );
    const signed =
      this.#options.signs === 'plaintext' ? [confounder, ...plain] : [zeroIv, sealed.confounder, ...sealed.parts];
    return { ...sealed, checksum: this.#hmac('integrity', signed) };
  }

  open(sealed: ProtectedParts, encrypted: readonly boolean[]): readonly Uint8Array[] {
    if (sealed.confounder.length !== confounderLength) throw badIntegrity();
    const decrypt = () => decryptParts(this.#derived('encryption'), sealed.confounder, sealed.parts, encrypted);
    if (this.#options.signs === 'ciphertext') {
      this.#check([zeroIv, sealed.confounder, ...sealed.parts], sealed.checksum);
      return decrypt().parts;
    }
    const opened = decrypt();
    this.#check([opened.confounder, ...opened.parts], sealed.checksum);
    return opened.parts;
  }

  checksum(...data: readonly Uint8Array[]): Uint8Array {
    return this.#hmac('checksum', data);
  }

  #derived(key: DerivedKey): Uint8Array {
    this.#keys[key] ??= this.#options.derive(key);
    return this.#keys[key];
  }

  #check(data: readonly Uint8Array[], checksum: Uint8Array): void {
    if (!equalSecrets(this.#hmac('integrity', data), checksum)) throw badIntegrity();
  }

  #hmac(key: DerivedKey, data: readonly Uint8Array[]): Uint8Array {
    const hmac = createHmac(this.#options.hash, this.#derived(key));
    for (const part of data) hmac.update(part);
    return new Uint8Array(hmac.digest()).slice(0, this.#options.checksumLength);
  }
}

export const confounderLength = 16;
const zeroIv = new Uint8Array(16);

/** The constant of a derived key: the usage number, big-endian, and what it is for. */
export function derivationConstant(usage: number, purpose: number): Uint8Array {
  const constant = new Uint8Array(5);
  new DataView(constant.buffer).setUint32(0, usage);
  constant[4] = purpose;
  return constant;
}
