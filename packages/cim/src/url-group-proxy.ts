import {
  type CallOptions,
  type UrlGroupExtensions,
  type UrlGroupProvider,
  urlGroupSchemes,
  urlGroupStates,
} from '@carmine/core';
import { CarmineError, isCarmineError } from '@carmine/errors';
import { bitsNamespace } from './bits-classes.ts';
import { carmineNamespace } from './carmine-classes.ts';
import {
  asBigint,
  asNullableText,
  asNumber,
  asText,
  type Caller,
  type CallParameters,
  extensionError,
  notFound,
  pathTo,
} from './proxy-calls.ts';

/** URL groups of a machine, by CIM calls. */
export function urlGroupProxy(caller: Caller): UrlGroupProvider & UrlGroupExtensions {
  const { cim } = caller;
  const classPath = pathTo(bitsNamespace, 'BitsCompactServerUrlGroup');
  const groupPath = (prefix: string) => pathTo(bitsNamespace, 'BitsCompactServerUrlGroup', { UrlGroup: prefix });
  const invoke = (prefix: string, method: string, parameters: CallParameters, options?: CallOptions) =>
    notFound(caller.invoke(groupPath(prefix), method, parameters, options), () => noGroup(prefix));
  const act = async (prefix: string, method: string, parameters: CallParameters, options?: CallOptions) =>
    (await invoke(prefix, method, parameters, options)).returnValue;
  return {
    async *listUrlGroups(options) {
      for await (const { properties } of cim.enumerateInstances(bitsNamespace, 'BitsCompactServerUrlGroup', options)) {
        yield asText(properties.get('UrlGroup'));
      }
    },
    async getUrlGroup(prefix, options) {
      const { properties } = await notFound(cim.getInstance(groupPath(prefix), options), () => noGroup(prefix));
      return asText(properties.get('UrlGroup'));
    },
    createUrlGroup: (prefix, options) => caller.act(classPath, 'CreateUrlGroup', { UrlGroup: prefix }, options),
    deleteUrlGroup: (prefix, options) => caller.act(classPath, 'DeleteUrlGroup', { UrlGroup: prefix }, options),
    createUrl: (prefix, p, options) =>
      act(
        prefix,
        'CreateUrl',
        {
          UrlSuffix: p.urlSuffix,
          SourceFilePath: p.sourceFilePath,
          SDDLAuth: p.sddlAuth,
          CertificateHashAccessCheck: p.certificateHashAccessCheck ?? undefined,
        },
        options,
      ),
    async checkUrl(prefix, urlSuffix, options) {
      return (await invoke(prefix, 'CheckUrl', { UrlSuffix: urlSuffix }, options)).out.get('UrlExists') === true;
    },
    deleteUrl: (prefix, urlSuffix, options) => act(prefix, 'DeleteUrl', { UrlSuffix: urlSuffix }, options),
    setUrlGroupAuthentication: (prefix, scheme, enable, options) =>
      act(prefix, 'SetUrlGroupAuthentication', { Scheme: urlGroupSchemes.indexOf(scheme), Enable: enable }, options),
    async getUrlGroupAuthentication(prefix, scheme, options) {
      const parameters = { Scheme: urlGroupSchemes.indexOf(scheme) };
      return (await invoke(prefix, 'GetUrlGroupAuthentication', parameters, options)).out.get('Enable') === true;
    },
    setProperty: (prefix, property, value, options) =>
      act(prefix, 'SetProperty', { Property: property, Value: value }, options),
    async getProperty(prefix, property, options) {
      return asNumber((await invoke(prefix, 'GetProperty', { Property: property }, options)).out.get('Value'));
    },
    setSslCertificate: (port, binding, options) =>
      caller.act(
        classPath,
        'SetSslCertificate',
        { Port: port, StoreName: binding.storeName, hashBlob: binding.hash },
        options,
      ),
    async getSslCertificate(port, options) {
      const { out } = await caller.invoke(classPath, 'GetSslCertificate', { Port: port }, options);
      const hash = out.get('hashBlob');
      return { storeName: asText(out.get('StoreName')), hash: hash instanceof Uint8Array ? hash : new Uint8Array() };
    },
    removeSslCertificate: (port, options) => caller.act(classPath, 'RemoveSslCertificate', { Port: port }, options),
    async *listTransfers(options) {
      try {
        for await (const { properties: p } of cim.enumerateInstances(carmineNamespace, 'CarmineTransfer', options)) {
          yield {
            transferId: asNumber(p.get('TransferId')),
            urlGroup: asText(p.get('UrlGroup')),
            urlSuffix: asText(p.get('UrlSuffix')),
            identity: asText(p.get('Identity')),
            source: asText(p.get('Source')),
            range: asNullableText(p.get('Range')),
            length: asBigint(p.get('Length')),
            bytesSent: asBigint(p.get('BytesSent')),
            startTime: asBigint(p.get('StartTime')),
          };
        }
      } catch (error) {
        throw extensionError(error, 'tell its transfers');
      }
    },
    async getUrlGroupDetails(prefix, options) {
      try {
        const path = pathTo(carmineNamespace, 'CarmineUrlGroup', { UrlGroup: prefix });
        const { properties: p } = await cim.getInstance(path, options);
        return {
          urlGroup: asText(p.get('UrlGroup')),
          // A state that a later version may know is no reason to think the worst.
          state: urlGroupStates.find((state) => state === p.get('State')) ?? 'listening',
          urlCount: asNumber(p.get('UrlCount')),
        };
      } catch (error) {
        throw isCarmineError(error, 'cim/not-found')
          ? noGroup(prefix)
          : extensionError(error, 'tell details of URL groups');
      }
    },
    async getUrlDetails(prefix, urlSuffix, options) {
      try {
        const path = pathTo(carmineNamespace, 'CarmineUrl', { UrlGroup: prefix, UrlSuffix: urlSuffix });
        const { properties: p } = await cim.getInstance(path, options);
        return {
          urlGroup: asText(p.get('UrlGroup')),
          urlSuffix: asText(p.get('UrlSuffix')),
          length: asBigint(p.get('Length')),
          sha256: asNullableText(p.get('Sha256')),
        };
      } catch (error) {
        if (isCarmineError(error, 'cim/not-found'))
          throw new CarmineError('url/not-found', { context: { suffix: urlSuffix } });
        throw extensionError(error, 'tell details of URLs');
      }
    },
  };
}

function noGroup(prefix: string): CarmineError {
  return new CarmineError('url-group/not-found', { context: { prefix } });
}
