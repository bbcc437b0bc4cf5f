import { CarmineError } from '@carmine/errors';

/** A key and its encryption type, RFC 4120 section 5.2.9. */
export interface EncryptionKey {
  readonly etype: number;
  readonly value: Uint8Array;
}

/** One piece of a message that is protected as a whole; what is not encrypted is only covered by the checksum. */
export interface ProtectedPart {
  readonly bytes: Uint8Array;
  readonly encrypt: boolean;
}

/** A message whose parts keep their places and lengths. */
export interface ProtectedParts {
  readonly confounder: Uint8Array;
  /** As given; those marked `encrypt` are encrypted. */
  readonly parts: readonly Uint8Array[];
  readonly checksum: Uint8Array;
}

/** A key with the usage number of RFC 4120 section 7.5.1 mixed in: what encrypts and signs. */
export interface KeyInUse {
  /** `confounder` is random, as long as the profile says. */
  encrypt(plaintext: Uint8Array, confounder: Uint8Array): Uint8Array;
  /** Throws `auth/bad-signature` when the integrity check fails, the key is wrong or the text too short. */
  decrypt(ciphertext: Uint8Array): Uint8Array;
  checksum(...data: readonly Uint8Array[]): Uint8Array;
}

/** AES profiles can also protect parts in place ([MS-KILE] 3.4.5.4.1). */
export interface AesKeyInUse extends KeyInUse {
  seal(parts: readonly ProtectedPart[], confounder: Uint8Array): ProtectedParts;
  /** Returns the parts decrypted; throws `auth/bad-signature`. */
  open(sealed: ProtectedParts, encrypted: readonly boolean[]): readonly Uint8Array[];
}

/** An encryption type with its associated checksum type, RFC 3961 section 3. */
export interface EncryptionProfile<Use extends KeyInUse = KeyInUse> {
  readonly etype: number;
  readonly name: string;
  /** Octets. */
  readonly keyLength: number;
  readonly confounderLength: number;
  readonly checksumType: number;
  readonly checksumLength: number;
  /** PBKDF2 rounds when the KDC names none; 0 where there is no such parameter. */
  readonly defaultIterations: number;
  stringToKey(password: string, salt: Uint8Array, iterations: number): Uint8Array;
  /** `key` must have `keyLength` octets. */
  use(key: Uint8Array, usage: number): Use;
}

export interface AesProfile extends EncryptionProfile<AesKeyInUse> {
  readonly aes: true;
}

export function badIntegrity(): CarmineError {
  return new CarmineError('auth/bad-signature', { message: 'Kerberos: the integrity check failed' });
}
