import { CarmineError } from '@carmine/errors';
import { describe, expect, it } from 'vitest';
import { type CimInstance, type CimOperations, type CimValue, createProxy, type ObjectPath } from '../src/index.ts';
import { account, collect, endedJob, fileDetails, job, jobId, open, recorder } from './support.ts';

/** A peer that answers as told; what is not told must not be called. */
function peer(answers: Partial<CimOperations>): CimOperations {
  return new Proxy(answers as CimOperations, {
    get(target, name) {
      return (
        Reflect.get(target, name) ??
        (() => {
          throw new Error(`must not be called: ${String(name)}`);
        })
      );
    },
  });
}

const instance = (className: string, values: Record<string, CimValue>): CimInstance => ({
  namespace: 'root\\microsoft\\bits',
  className,
  properties: new Map(Object.entries(values)),
});
const result =
  (returnValue: number, out: Record<string, CimValue> = {}) =>
  async () => ({
    returnValue,
    out: new Map(Object.entries(out)),
  });

const transfer = {
  transferId: 7,
  urlGroup: 'http://+:80/a/',
  urlSuffix: 's',
  identity: 'HOST\\reader',
  source: '192.0.2.7',
  range: null,
  length: 5n,
  bytesSent: 3n,
  startTime: 133_000_000_000_000_000n,
};

describe('through dispatcher and proxy', () => {
  it('nothing is lost', async () => {
    const { provider } = recorder({
      getJob: job,
      listJobs: [job],
      listEndedJobs: [endedJob],
      getFileDetails: fileDetails,
      getUrlDetails: { urlGroup: 'g', urlSuffix: 's', length: 5n, sha256: 'ab' },
      listTransfers: [transfer, { ...transfer, transferId: 8, range: 'bytes=0-1' }],
      listAccounts: [account],
      lookUpAccount: account,
    });
    const { jobs, urlGroups, accounts } = createProxy(open(provider).cim);
    expect(await jobs.getJob(jobId)).toEqual(job);
    expect(await collect(jobs.listJobs())).toEqual([job]);
    expect(await collect(jobs.listEndedJobs())).toEqual([endedJob]);
    expect(await jobs.getFileDetails(jobId, 0)).toEqual(fileDetails);
    expect(await urlGroups.getUrlDetails('g', 's')).toEqual({
      urlGroup: 'g',
      urlSuffix: 's',
      length: 5n,
      sha256: 'ab',
    });
    expect(await collect(urlGroups.listTransfers())).toEqual([
      transfer,
      { ...transfer, transferId: 8, range: 'bytes=0-1' },
    ]);
    expect(await collect(accounts.listAccounts())).toEqual([account]);
  });

  it.each([
    ['job/invalid-state', 0x8020_0002],
    ['job/empty', 0x8020_0003],
    ['job/invalid-auth-target', 0x8020_0027],
  ] as const)('%s arrives as such, with its HRESULT', async (code, hresult) => {
    const { provider } = recorder({ getJob: job, setJobState: new CarmineError(code) });
    await expect(createProxy(open(provider).cim).jobs.setJobState(jobId, 'resume')).rejects.toMatchObject({
      code,
      hresult,
    });
  });
});

describe('accounts', () => {
  it('finds names with and without a domain', async () => {
    const { provider, calls } = recorder({
      listAccounts: [{ ...account, name: 'other' }, account],
      lookUpAccount: account,
    });
    const { accounts } = createProxy(open(provider).cim);
    expect(await accounts.lookUpAccount('ADMIN')).toEqual(account);
    expect(await accounts.lookUpAccount('HOST\\admin')).toEqual(account);
    expect(calls).toEqual([['listAccounts'], ['lookUpAccount', 'HOST\\admin']]);
    await expect(accounts.lookUpAccount('nobody')).rejects.toMatchObject({ code: 'cim/not-found' });
  });

  it('cannot be talked into another query by a name', async () => {
    const { provider } = recorder({ listAccounts: [account, { ...account, name: "o'x" }] });
    const { accounts } = createProxy(open(provider).cim);
    await expect(accounts.lookUpAccount("x' OR Name <> '")).rejects.toMatchObject({ code: 'cim/not-found' });
    await expect(accounts.lookUpAccount('%')).rejects.toMatchObject({ code: 'cim/not-found' });
    expect((await accounts.lookUpAccount("o'x")).name).toBe("o'x");
  });
});

describe('a machine without Carmine’s classes', () => {
  it.each(['cim/invalid-namespace', 'cim/invalid-class'] as const)(
    '%s is controller/extension-missing',
    async (code) => {
      const fail = () => Promise.reject(new CarmineError(code));
      const { jobs, urlGroups } = createProxy(
        peer({
          getInstance: fail,
          modifyInstance: fail,
          async *enumerateInstances() {
            yield* [];
            await fail();
          },
        }),
      );
      const missing = { code: 'controller/extension-missing', kind: 'unsupported' };
      await expect(jobs.getFileDetails(jobId, 0)).rejects.toMatchObject(missing);
      await expect(jobs.modifyFileDetails(jobId, 0, { computeSha256: true })).rejects.toMatchObject(missing);
      await expect(collect(jobs.listEndedJobs())).rejects.toMatchObject(missing);
      await expect(urlGroups.getUrlDetails('g', 's')).rejects.toMatchObject(missing);
      await expect(collect(urlGroups.listTransfers())).rejects.toMatchObject(missing);
      // The classes of Windows are no extension: without them the machine is no BITS machine.
      await expect(jobs.getJob(jobId)).rejects.toMatchObject({ code });
    },
  );
});

describe('what a peer may answer', () => {
  it('a success without what it promises is an unexpected message', async () => {
    const { jobs } = createProxy(peer({ invokeMethod: result(0) }));
    await expect(jobs.createJob({ displayName: 'n', remoteUrl: 'u', localFile: 'l' })).rejects.toMatchObject({
      code: 'wsman/unexpected',
    });
    await expect(jobs.getError(jobId, 0)).rejects.toMatchObject({ code: 'wsman/unexpected' });
  });

  it.each([
    ['State', 9],
    ['State', -1],
    ['Priority', 4],
    ['State', null],
  ])('%s %s is an unexpected message', async (name, value) => {
    const values = { JobId: jobId, State: 0, Priority: 0, [name]: value };
    const { jobs } = createProxy(peer({ getInstance: async () => instance('BitsClientJob', values) }));
    await expect(jobs.getJob(jobId)).rejects.toMatchObject({ code: 'wsman/unexpected' });
  });

  it('NULL and absent properties are empty texts, zeros and no files', async () => {
    const values = { JobId: jobId, State: 3, Priority: 2, DisplayName: null, Files: null };
    const { jobs } = createProxy(peer({ getInstance: async () => instance('BitsClientJob', values) }));
    expect(await jobs.getJob(jobId)).toMatchObject({
      displayName: '',
      files: [],
      bytesTotal: 0n,
      filesTotal: 0,
      owner: '',
    });
  });

  it('an unknown failure keeps its number', async () => {
    const { urlGroups } = createProxy(peer({ invokeMethod: result(0x8123_4567) }));
    await expect(urlGroups.createUrlGroup('http://+:80/a')).rejects.toMatchObject({ hresult: 0x8123_4567 });
    await expect(urlGroups.getSslCertificate(1)).rejects.toMatchObject({ hresult: 0x8123_4567 });
  });

  it('success codes with information come back as they are', async () => {
    const { jobs } = createProxy(peer({ invokeMethod: result(0x0020_0017) }));
    expect(await jobs.setJobState(jobId, 'complete')).toBe(0x0020_0017);
  });
});

describe('what is sent', () => {
  it('leaves out what is not given, and names the parameters of the reference', async () => {
    const sent: [ObjectPath, string, Record<string, CimValue>][] = [];
    const { jobs, urlGroups } = createProxy(
      peer({
        async invokeMethod(path, method, parameters) {
          sent.push([path, method, Object.fromEntries(parameters)]);
          return { returnValue: 0, out: new Map([['JobId', jobId]]) };
        },
      }),
    );
    await jobs.createJob({
      displayName: 'n',
      remoteUrl: 'u',
      localFile: 'l',
      serviceAccount: 'LocalSystem',
      suspend: true,
    });
    await jobs.setProxySettings(jobId, { usage: 'noProxy' });
    await urlGroups.createUrl('p', { urlSuffix: 's', sourceFilePath: '/f', sddlAuth: '' });
    expect(sent.map(([path, method, parameters]) => [Object.fromEntries(path.keys), method, parameters])).toEqual([
      [{}, 'CreateJob', { DisplayName: 'n', RemoteUrl: 'u', LocalFile: 'l', ServiceAccount: 0, Suspend: true }],
      [{ JobId: jobId }, 'SetProxySettings', { ProxyUsage: 1 }],
      [{ UrlGroup: 'p' }, 'CreateUrl', { UrlSuffix: 's', SourceFilePath: '/f', SDDLAuth: '' }],
    ]);
  });
});
