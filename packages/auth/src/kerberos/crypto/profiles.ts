import { CarmineError } from '@carmine/errors';
import { aes128Sha1, aes256Sha1 } from './aes-sha1.ts';
import { aes128Sha2, aes256Sha2 } from './aes-sha2.ts';
import type { AesProfile, EncryptionKey, EncryptionProfile, KeyInUse } from './profile.ts';
import { rc4Hmac } from './rc4-hmac.ts';

/** What is understood, strongest first: the order in which it is asked for. */
const profiles: readonly (AesProfile | EncryptionProfile)[] = [aes256Sha2, aes128Sha2, aes256Sha1, aes128Sha1, rc4Hmac];

/** Encryption types in the order of preference; rc4-hmac only where it is configured. */
export function allowedEtypes(allowRc4 = false): readonly number[] {
  return profiles.map(({ etype }) => etype).filter((etype) => allowRc4 || etype !== rc4Hmac.etype);
}

/** Undefined for types that are not understood. */
export function findProfile(etype: number): EncryptionProfile | undefined {
  return profiles.find((profile) => profile.etype === etype);
}

/** Undefined for types that are not AES: the messages of a context need one that is. */
export function findAesProfile(etype: number): AesProfile | undefined {
  return profiles.find((profile): profile is AesProfile => profile.etype === etype && 'aes' in profile);
}

/** Throws `auth/policy` for a type that is not understood or a key of another length. */
export function profileOf(key: EncryptionKey): EncryptionProfile {
  const profile = findProfile(key.etype);
  if (profile === undefined) throw unusable(`encryption type ${key.etype} is not supported`);
  if (key.value.length !== profile.keyLength) throw unusable(`a key for ${profile.name} has a wrong length`);
  return profile;
}

export function useKey(key: EncryptionKey, usage: number): KeyInUse {
  return profileOf(key).use(key.value, usage);
}

function unusable(reason: string): CarmineError {
  return new CarmineError('auth/policy', { context: { mechanism: 'kerberos', reason } });
}
