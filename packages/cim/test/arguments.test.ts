import { describe, expect, it } from 'vitest';
import { bitsNamespace, type CimValue } from '../src/index.ts';
import { job, jobId, open, recorder } from './support.ts';

const hash = new Uint8Array(20).fill(0xab);
const text = (values: Record<string, CimValue>) =>
  JSON.stringify(values, (_key, value) => (value instanceof Uint8Array ? '<bytes>' : value));

/** What a method call becomes; the reference's numbers on the left, the provider's words on the right. */
const jobCalls: readonly [string, Record<string, CimValue>, unknown[]][] = [
  ...['LocalSystem', 'LocalService', 'NetworkService'].map((serviceAccount, value): (typeof jobCalls)[number] => [
    'CreateJob',
    { DisplayName: 'n', RemoteUrl: 'u', LocalFile: 'l', ServiceAccount: value },
    ['createJob', { displayName: 'n', remoteUrl: 'u', localFile: 'l', serviceAccount }],
  ]),
  ...['download', 'upload'].map((type, value): (typeof jobCalls)[number] => [
    'CreateJob',
    { DisplayName: 'n', RemoteUrl: 'u', LocalFile: 'l', Type: value, Suspend: value === 1, Description: 'd' },
    ['createJob', { displayName: 'n', remoteUrl: 'u', localFile: 'l', type, suspend: value === 1, description: 'd' }],
  ]),
  ...['cancel', 'complete', 'resume', 'suspend'].map((action, value): (typeof jobCalls)[number] => [
    'SetJobState',
    { JobState: value },
    ['setJobState', jobId, action],
  ]),
  ...['server', 'proxy'].map((target, value): (typeof jobCalls)[number] => [
    'RemoveCredentials',
    { Target: value, Scheme: 0 },
    ['removeCredentials', jobId, target, 'basic'],
  ]),
  ...['basic', 'digest', 'ntlm', 'negotiate', 'passport'].map((scheme, value): (typeof jobCalls)[number] => [
    'SetCredentials',
    { Target: 0, Scheme: value, UserName: 'u', Password: '' },
    ['setCredentials', jobId, { target: 'server', scheme, userName: 'u', password: '' }],
  ]),
  [
    'SetCredentials',
    { Target: 0, Scheme: 3 },
    ['setCredentials', jobId, { target: 'server', scheme: 'negotiate', userName: null, password: null }],
  ],
  ...[
    'currentUser',
    'localMachine',
    'currentService',
    'services',
    'users',
    'currentUserGroupPolicy',
    'localMachineGroupPolicy',
    'localMachineEnterprise',
  ].flatMap((location, value): (typeof jobCalls)[number][] => [
    [
      'SetClientCertificateByName',
      { CertStoreLocation: value, StoreName: 'MY', SubjectName: 's' },
      ['setClientCertificate', jobId, { by: 'name', location, store: 'MY', subject: 's' }],
    ],
    [
      'SetClientCertificateById',
      { CertStoreLocation: value, StoreName: 'MY', CertHash: hash },
      ['setClientCertificate', jobId, { by: 'hash', location, store: 'MY', hash }],
    ],
  ]),
  ['RemoveClientCertificate', {}, ['removeClientCertificate', jobId]],
  ...['preconfig', 'noProxy', 'override', 'autodetect'].map((usage, value): (typeof jobCalls)[number] => [
    'SetProxySettings',
    { ProxyUsage: value, ProxyList: 'a b', ProxyBypassList: null },
    ['setProxySettings', jobId, { usage, proxyList: 'a b', bypassList: null }],
  ]),
  ['GetError', { LanguageId: 0x409 }, ['getError', jobId, 0x409]],
];

const prefix = 'http://+:80/a';
const groupCalls: readonly [string, Record<string, CimValue>, unknown[]][] = [
  [
    'SetSslCertificate',
    { Port: 443, StoreName: 'MY', hashBlob: hash },
    ['setSslCertificate', 443, { storeName: 'MY', hash }],
  ],
  ['GetSslCertificate', { Port: 65_535 }, ['getSslCertificate', 65_535]],
  ['RemoveSslCertificate', { Port: 1 }, ['removeSslCertificate', 1]],
  ['CreateUrlGroup', { UrlGroup: prefix }, ['createUrlGroup', prefix]],
  ['DeleteUrlGroup', { UrlGroup: prefix }, ['deleteUrlGroup', prefix]],
  [
    'CreateUrl',
    { UrlSuffix: 's', SourceFilePath: '/f', SDDLAuth: 'D:', CertificateHashAccessCheck: hash },
    ['createUrl', prefix, { urlSuffix: 's', sourceFilePath: '/f', sddlAuth: 'D:', certificateHashAccessCheck: hash }],
  ],
  [
    'CreateUrl',
    { UrlSuffix: 's', SourceFilePath: '/f' },
    ['createUrl', prefix, { urlSuffix: 's', sourceFilePath: '/f', sddlAuth: '', certificateHashAccessCheck: null }],
  ],
  ['CheckUrl', { UrlSuffix: 's' }, ['checkUrl', prefix, 's']],
  ['DeleteUrl', { UrlSuffix: 's' }, ['deleteUrl', prefix, 's']],
  ['SetUrlGroupAuthentication', { Scheme: 0, Enable: true }, ['setUrlGroupAuthentication', prefix, 'negotiate', true]],
  [
    'SetUrlGroupAuthentication',
    { Scheme: 1, Enable: false, Flag: 0, DomainName: '', Realm: null },
    ['setUrlGroupAuthentication', prefix, 'ntlm', false],
  ],
  ['GetUrlGroupAuthentication', { Scheme: 1 }, ['getUrlGroupAuthentication', prefix, 'ntlm']],
  ['SetProperty', { Property: 'connectionlimit', Value: 5 }, ['setProperty', prefix, 'ConnectionLimit', 5]],
  [
    'SetProperty',
    { Property: 'BandwidthLimit', Value: 0xffff_ffff },
    ['setProperty', prefix, 'BandwidthLimit', 0xffff_ffff],
  ],
  ['GetProperty', { Property: 'BANDWIDTHLIMIT' }, ['getProperty', prefix, 'BandwidthLimit']],
];

const answers = {
  getJob: job,
  createJob: jobId,
  getError: { context: 'remoteFile', code: 0x8019_0194, contextDescription: 'c', errorDescription: 'e' },
  getUrlGroup: `${prefix}/`,
  getSslCertificate: { storeName: 'MY', hash },
  checkUrl: true,
  getUrlGroupAuthentication: false,
  getProperty: 77,
};

async function call(
  className: string,
  keys: Record<string, CimValue>,
  method: string,
  values: Record<string, CimValue>,
) {
  const { provider, calls } = recorder(answers);
  const target = { namespace: bitsNamespace, className, keys: new Map(Object.entries(keys)) };
  const done = await open(provider).cim.invokeMethod(target, method, new Map(Object.entries(values)));
  return { done, calls: calls.filter(([name]) => name !== 'getJob' && name !== 'getUrlGroup') };
}
const onJob = (method: string, values: Record<string, CimValue>) =>
  call('BitsClientJob', { JobId: jobId }, method, values);
const onGroup = (method: string, values: Record<string, CimValue>) =>
  call('BitsCompactServerUrlGroup', { UrlGroup: prefix }, method, values);

describe('method arguments', () => {
  it.each(jobCalls.map(([method, values, expected]) => [method, text(values), values, expected] as const))(
    'BitsClientJob.%s %s',
    async (method, _text, values, expected) => {
      expect((await onJob(method, values)).calls).toEqual([expected]);
    },
  );

  it.each(groupCalls.map(([method, values, expected]) => [method, text(values), values, expected] as const))(
    'BitsCompactServerUrlGroup.%s %s',
    async (method, _text, values, expected) => {
      expect((await onGroup(method, values)).calls).toEqual([expected]);
    },
  );
});

describe('method results', () => {
  it.each<[string, Record<string, CimValue>, Record<string, CimValue>]>([
    ['GetSslCertificate', { Port: 443 }, { StoreName: 'MY', hashBlob: hash }],
    ['CheckUrl', { UrlSuffix: 's' }, { UrlExists: true }],
    ['GetUrlGroupAuthentication', { Scheme: 0 }, { Enable: false, Flag: 0, DomainName: null, Realm: null }],
    ['GetProperty', { Property: 'ConnectionLimit' }, { Value: 77 }],
  ])('BitsCompactServerUrlGroup.%s', async (method, values, out) => {
    expect((await onGroup(method, values)).done).toEqual({ returnValue: 0, out: new Map(Object.entries(out)) });
  });

  it('BitsClientJob.GetError', async () => {
    const out = { ErrorContext: 5, ErrorCode: 0x8019_0194, ContextDescription: 'c', ErrorDescription: 'e' };
    expect((await onJob('GetError', { LanguageId: 0 })).done.out).toEqual(new Map(Object.entries(out)));
  });
});

describe('values outside their enumeration are the method’s HRESULT, and the provider is not called', () => {
  const job_ = { DisplayName: 'n', RemoteUrl: 'u', LocalFile: 'l' };
  const certificate = { StoreName: 'MY', SubjectName: 's' };

  it.each<[string, Record<string, CimValue>, number]>([
    ['CreateJob', { ...job_, ServiceAccount: 3 }, 0x8007_0057],
    ['CreateJob', { ...job_, Type: 2 }, 0x8007_0057],
    ['SetJobState', { JobState: 4 }, 0x8007_0057],
    ['SetJobState', { JobState: 65_535 }, 0x8007_0057],
    ['SetCredentials', { Target: 2, Scheme: 0, UserName: 'u', Password: 'p' }, 0x8020_0027],
    ['SetCredentials', { Target: 0, Scheme: 5, UserName: 'u', Password: 'p' }, 0x8020_0028],
    ['RemoveCredentials', { Target: 2, Scheme: 0 }, 0x8020_0027],
    ['RemoveCredentials', { Target: 0, Scheme: 5 }, 0x8020_0028],
    ['SetClientCertificateByName', { CertStoreLocation: 8, ...certificate }, 0x8007_0057],
    ['SetClientCertificateById', { CertStoreLocation: 8, StoreName: 'MY', CertHash: hash }, 0x8007_0057],
    ['SetProxySettings', { ProxyUsage: 4 }, 0x8007_0057],
  ])('BitsClientJob.%s %o', async (method, values, returnValue) => {
    const { done, calls } = await onJob(method, values);
    expect(done.returnValue).toBe(returnValue);
    expect([...done.out.values()].every((value) => value === null)).toBe(true);
    expect(calls).toEqual([]);
  });

  it.each<[string, Record<string, CimValue>]>([
    ['SetSslCertificate', { Port: 0, StoreName: 'MY', hashBlob: hash }],
    ['GetSslCertificate', { Port: 0 }],
    ['RemoveSslCertificate', { Port: 0 }],
    ['SetUrlGroupAuthentication', { Scheme: 2, Enable: true }],
    ['SetUrlGroupAuthentication', { Scheme: 0, Enable: true, Flag: 1 }],
    ['SetUrlGroupAuthentication', { Scheme: 0, Enable: true, DomainName: 'd' }],
    ['SetUrlGroupAuthentication', { Scheme: 0, Enable: true, Realm: 'r' }],
    ['GetUrlGroupAuthentication', { Scheme: 2 }],
    ['SetProperty', { Property: 'Other', Value: 1 }],
    ['GetProperty', { Property: '' }],
  ])('BitsCompactServerUrlGroup.%s %o', async (method, values) => {
    const { done, calls } = await onGroup(method, values);
    expect(done.returnValue).toBe(0x8007_0057);
    expect(calls).toEqual([]);
  });
});
