import { CarmineError } from '@carmine/errors';
import { allowedEtypes, findProfile } from '../kerberos/crypto/profiles.ts';
import type { KeytabEntry } from '../kerberos/files/keytab.ts';
import { isStandardService } from '../kerberos/gss/service.ts';
import { formatPrincipal, type Principal } from '../kerberos/messages/principal.ts';
import type { AccountModel } from './model.ts';

/** A key as it may be shown: everything but the key. */
export interface ServiceKeySummary {
  /** `HTTP/host@REALM`. */
  readonly principal: string;
  readonly kvno: number;
  /** Name of the encryption type. */
  readonly type: string;
}

/** What became of a key table: `refused` says of each key that was left out why. */
export interface ImportedKeys {
  readonly imported: readonly ServiceKeySummary[];
  readonly refused: readonly (ServiceKeySummary & { readonly reason: string })[];
}

/**
 * Adds the keys of a key table; one of the same principal, version and type takes the place of the one that is there.
 * Keys that no ticket is accepted with are left out.
 */
export function importServiceKeys(
  model: AccountModel,
  entries: readonly KeytabEntry[],
  allowRc4 = false,
): { readonly model: AccountModel } & ImportedKeys {
  const keys = new Map(model.serviceKeys.map((entry) => [identity(entry), entry]));
  const imported = new Map<string, ServiceKeySummary>();
  const refused: (ServiceKeySummary & { readonly reason: string })[] = [];
  for (const entry of entries) {
    const reason = whyRefused(entry, allowRc4);
    if (reason !== undefined) refused.push({ ...keySummary(entry), reason });
    else {
      keys.set(identity(entry), entry);
      imported.set(identity(entry), keySummary(entry));
    }
  }
  return { model: { ...model, serviceKeys: [...keys.values()] }, imported: [...imported.values()], refused };
}

/** All keys of one principal, `HTTP/host@REALM`; throws `configuration/no-keys` when there are none. */
export function removeServiceKeys(model: AccountModel, principal: Principal): AccountModel {
  const name = formatPrincipal(principal);
  const serviceKeys = model.serviceKeys.filter((entry) => formatPrincipal(entry.principal) !== name);
  if (serviceKeys.length === model.serviceKeys.length) {
    throw new CarmineError('configuration/no-keys', { context: { name } });
  }
  return { ...model, serviceKeys };
}

/** Those of a key table that tickets for the usual services are opened with, as they may be shown. */
export function answeredKeys(entries: readonly KeytabEntry[], allowRc4 = false): readonly ServiceKeySummary[] {
  return entries
    .filter((entry) => whyRefused(entry, allowRc4) === undefined && isStandardService(entry.principal.name))
    .map(keySummary);
}

export function keySummary({ principal, kvno, key }: KeytabEntry): ServiceKeySummary {
  const type = findProfile(key.etype)?.name ?? olderTypes.get(key.etype) ?? `type ${key.etype}`;
  return { principal: formatPrincipal(principal), kvno, type };
}

function whyRefused({ principal, key }: KeytabEntry, allowRc4: boolean): string | undefined {
  if (!allowedEtypes(allowRc4).includes(key.etype)) return 'no ticket of this type is accepted';
  if (key.value.length !== findProfile(key.etype)?.keyLength) return 'the key has a wrong length';
  const parts = [principal.realm, ...principal.name.nameString];
  return parts.length < 2 || parts.includes('') ? 'a part of the name is empty' : undefined;
}

function identity({ principal, kvno, key }: KeytabEntry): string {
  return JSON.stringify([principal.realm, principal.name.nameString, kvno, key.etype]);
}

/** RFC 3961 section 8 and IANA: those that old key tables have, and that nobody should use any more. */
const olderTypes = new Map([
  [1, 'des-cbc-crc'],
  [2, 'des-cbc-md4'],
  [3, 'des-cbc-md5'],
  [16, 'des3-cbc-sha1'],
  [24, 'rc4-hmac-exp'],
]);
