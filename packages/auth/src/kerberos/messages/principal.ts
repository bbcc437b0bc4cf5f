import { CarmineError } from '@carmine/errors';
import { type DerValueOf, derFields, derListOf } from '@carmine/wire/der';
import { int32, kerberosString } from './basic-types.ts';

/** PrincipalName, RFC 4120 section 5.2.2. */
export const principalName = derFields('PrincipalName', [
  ['nameType', 0, int32],
  ['nameString', 1, derListOf(kerberosString, 16)],
]);
export type PrincipalName = DerValueOf<typeof principalName>;

/** RFC 4120 section 6.2; 10 is RFC 6806's enterprise name. */
export const nameTypes = { principal: 1, serviceInstance: 2, serviceHost: 3, enterprise: 10 } as const;

/** A name and the realm it belongs to. */
export interface Principal {
  readonly realm: string;
  readonly name: PrincipalName;
}

/** `HTTP/host` without the realm; `/`, `@` and `\` inside a component are escaped with `\`. */
export function formatName(name: PrincipalName): string {
  return name.nameString.map((part) => part.replace(/[\\/@]/g, '\\$&')).join('/');
}

/** `HTTP/host@REALM`. */
export function formatPrincipal({ name, realm }: Principal): string {
  return `${formatName(name)}@${realm.replace(/[\\/@]/g, '\\$&')}`;
}

/**
 * Reads `user`, `HTTP/host`, `user@REALM`; without a realm it is `defaultRealm`. Throws `usage/invalid`. Two components
 * are a service's name, one is a user's.
 */
export function parsePrincipal(text: string, defaultRealm?: string): Principal {
  const parts = [''];
  let realm: string | undefined;
  for (const piece of text.match(/\\[\s\S]|[\s\S]/gu) ?? []) {
    if (realm === undefined && piece === '/') parts.push('');
    else if (realm === undefined && piece === '@') realm = '';
    else if (piece === '@' || piece === '\\') throw unusable(text);
    else if (realm === undefined) parts[parts.length - 1] += unquoted(piece);
    else realm += unquoted(piece);
  }
  realm ??= defaultRealm;
  if (realm === undefined || realm === '' || parts.some((part) => part === '')) throw unusable(text);
  const nameType = parts.length === 1 ? nameTypes.principal : nameTypes.serviceInstance;
  return { realm, name: { nameType, nameString: parts } };
}

/**
 * The service of a host, `HTTP/host`, as clients ask for it: by this type KDCs know that they may refer to another
 * realm.
 */
export function serviceName(service: string, host: string): PrincipalName {
  return { nameType: nameTypes.serviceHost, nameString: [service, host] };
}

/** The ticket-granting service for a realm. */
export function krbtgtName(realm: string): PrincipalName {
  return { nameType: nameTypes.serviceInstance, nameString: ['krbtgt', realm] };
}

/** Same components; the type of a name does not matter (RFC 4120 section 6.2). */
export function sameName(a: PrincipalName, b: PrincipalName): boolean {
  return a.nameString.length === b.nameString.length && a.nameString.every((part, i) => part === b.nameString[i]);
}

function unquoted(piece: string): string {
  return piece.startsWith('\\') ? piece.slice(1) : piece;
}

function unusable(text: string): CarmineError {
  return new CarmineError('usage/invalid', { context: { reason: `not a Kerberos principal with a realm: ${text}` } });
}
