import type { EncryptionKey } from '../crypto/profile.ts';
import { findProfile } from '../crypto/profiles.ts';
import { kerberosPolicy } from '../errors.ts';
import type { KeytabEntry } from '../files/keytab.ts';
import type { EtypeInfo2 } from '../messages/pa-data.ts';
import { type Principal, sameName } from '../messages/principal.ts';

/** What a client proves who it is with. */
export type ClientSecret = { readonly password: string } | { readonly keytab: readonly KeytabEntry[] };

/**
 * Types for which there can be a key, of those that are allowed: all with a password, those in the file with a key
 * table.
 */
export function usableEtypes(secret: ClientSecret, client: Principal, allowed: readonly number[]): readonly number[] {
  if ('password' in secret) return allowed;
  return allowed.filter((etype) => newestKey(secret.keytab, client, etype) !== undefined);
}

/**
 * The client's key of one type. The KDC's ETYPE-INFO2 says which salt and how many rounds; without an entry for the
 * type they are the default ones. Undefined when there is no such key.
 */
export function clientKey(
  secret: ClientSecret,
  client: Principal,
  etype: number,
  info: EtypeInfo2,
): EncryptionKey | undefined {
  if (!('password' in secret)) return newestKey(secret.keytab, client, etype);
  const profile = findProfile(etype);
  if (profile === undefined) return undefined;
  const entry = info.find((candidate) => candidate.etype === etype);
  const salt = entry?.salt ?? defaultSalt(client);
  const iterations = readIterations(entry?.s2kparams, profile.defaultIterations);
  return { etype, value: profile.stringToKey(secret.password, salt, iterations) };
}

/**
 * RFC 4120 section 4: "the concatenation of the principal's realm and name components, in order, with no separators".
 */
function defaultSalt({ realm, name }: Principal): Uint8Array {
  return new TextEncoder().encode(realm + name.nameString.join(''));
}

/**
 * RFC 3962 section 4: four octets, big-endian. Nothing protects this parameter: too few rounds would help who guesses
 * the password, too many would keep us busy (section 8). UNSPECIFIED: the bounds.
 */
function readIterations(params: Uint8Array | undefined, standard: number): number {
  if (params === undefined || standard === 0) return standard;
  const iterations = params.length === 4 ? new DataView(params.buffer, params.byteOffset).getUint32(0) : 0;
  if (iterations < 4096 || iterations > 1_000_000) throw kerberosPolicy(`${iterations} rounds of PBKDF2 are asked for`);
  return iterations;
}

function newestKey(keytab: readonly KeytabEntry[], client: Principal, etype: number): EncryptionKey | undefined {
  return keytab
    .filter(({ principal, key }) => {
      return key.etype === etype && principal.realm === client.realm && sameName(principal.name, client.name);
    })
    .sort((a, b) => b.kvno - a.kvno)[0]?.key;
}
