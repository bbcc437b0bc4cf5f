import {
  type UrlGroupProperty,
  type UrlGroupProvider,
  type UrlGroupScheme,
  urlGroupProperties,
  urlGroupSchemes,
} from '@carmine/core';
import { CarmineError } from '@carmine/errors';
import {
  bytes,
  type ClassBinding,
  integer,
  optionalInteger,
  optionalText,
  result,
  text,
  type Values,
} from './binding.ts';
import { bitsCompactServerUrlGroupClass } from './bits-classes.ts';

/** Serves BitsCompactServerUrlGroup with a UrlGroupProvider. */
export function bindUrlGroups(groups: UrlGroupProvider): ClassBinding {
  const prefix = (keys: Values) => text(keys, 'UrlGroup');
  const watch = groups.watch?.bind(groups);
  return {
    ...(watch === undefined ? {} : { watch }),
    cls: bitsCompactServerUrlGroupClass,
    async get(keys, options) {
      return new Map([['UrlGroup', await groups.getUrlGroup(prefix(keys), options)]]);
    },
    async *enumerate(options) {
      for await (const group of groups.listUrlGroups(options)) yield new Map([['UrlGroup', group]]);
    },
    // The sample's Delete() "cleans up the URL and the URL group"; unlike DeleteUrlGroup it needs one that exists.
    async delete(keys, options) {
      await groups.getUrlGroup(prefix(keys), options);
      await groups.deleteUrlGroup(prefix(keys), options);
    },
    methods: {
      SetSslCertificate: async (_keys, p, options) =>
        result(
          await groups.setSslCertificate(
            port(p),
            { storeName: text(p, 'StoreName'), hash: bytes(p, 'hashBlob') },
            options,
          ),
        ),
      GetSslCertificate: async (_keys, p, options) => {
        const binding = await groups.getSslCertificate(port(p), options);
        return result(0, { StoreName: binding.storeName, hashBlob: binding.hash });
      },
      RemoveSslCertificate: async (_keys, p, options) => result(await groups.removeSslCertificate(port(p), options)),
      CreateUrlGroup: async (_keys, p, options) => result(await groups.createUrlGroup(text(p, 'UrlGroup'), options)),
      DeleteUrlGroup: async (_keys, p, options) => result(await groups.deleteUrlGroup(text(p, 'UrlGroup'), options)),
      CreateUrl: async (keys, p, options) =>
        result(
          await groups.createUrl(
            prefix(keys),
            {
              urlSuffix: text(p, 'UrlSuffix'),
              sourceFilePath: text(p, 'SourceFilePath'),
              sddlAuth: optionalText(p, 'SDDLAuth') ?? '',
              certificateHashAccessCheck: (p.get('CertificateHashAccessCheck') as Uint8Array | null) ?? null,
            },
            options,
          ),
        ),
      CheckUrl: async (keys, p, options) =>
        result(0, { UrlExists: await groups.checkUrl(prefix(keys), text(p, 'UrlSuffix'), options) }),
      DeleteUrl: async (keys, p, options) =>
        result(await groups.deleteUrl(prefix(keys), text(p, 'UrlSuffix'), options)),
      SetUrlGroupAuthentication: async (keys, p, options) => {
        checkReserved(p);
        return result(
          await groups.setUrlGroupAuthentication(prefix(keys), scheme(p), p.get('Enable') as boolean, options),
        );
      },
      GetUrlGroupAuthentication: async (keys, p, options) => {
        const enable = await groups.getUrlGroupAuthentication(prefix(keys), scheme(p), options);
        return result(0, { Enable: enable, Flag: 0, DomainName: null, Realm: null });
      },
      SetProperty: async (keys, p, options) =>
        result(await groups.setProperty(prefix(keys), property(p), integer(p, 'Value'), options)),
      GetProperty: async (keys, p, options) =>
        result(0, { Value: await groups.getProperty(prefix(keys), property(p), options) }),
    },
  };
}

function port(p: Values): number {
  const value = integer(p, 'Port');
  if (value === 0) throw invalid('Port', '1 to 65535 are allowed');
  return value;
}

function scheme(p: Values): UrlGroupScheme {
  const found = urlGroupSchemes[integer(p, 'Scheme')];
  if (found === undefined) throw invalid('Scheme', '0 (Negotiate) and 1 (NTLM) are allowed');
  return found;
}

function property(p: Values): UrlGroupProperty {
  const wanted = text(p, 'Property').toLowerCase();
  const found = urlGroupProperties.find((name) => name.toLowerCase() === wanted);
  if (found === undefined) throw invalid('Property', 'ConnectionLimit and BandwidthLimit are allowed');
  return found;
}

/** SetUrlGroupAuthentication: Flag must be 0, DomainName and Realm must be NULL. UNSPECIFIED: an empty string counts as NULL. */
function checkReserved(p: Values): void {
  if ((optionalInteger(p, 'Flag') ?? 0) !== 0) throw invalid('Flag', 'must be 0');
  for (const name of ['DomainName', 'Realm']) {
    if ((optionalText(p, name) ?? '') !== '') throw invalid(name, 'must be NULL');
  }
}

function invalid(name: string, reason: string): CarmineError {
  return new CarmineError('url-group/invalid-argument', { context: { name, reason } });
}
