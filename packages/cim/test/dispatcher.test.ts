import { CarmineError } from '@carmine/errors';
import { describe, expect, it } from 'vitest';
import { bitsNamespace, type CimValue, carmineNamespace, createDispatcher, type ObjectPath } from '../src/index.ts';
import { account, administrator, collect, endedJob, fileDetails, job, jobId, open, recorder, stub } from './support.ts';

const path = (className: string, keys: Record<string, CimValue> = {}, namespace = bitsNamespace): ObjectPath => ({
  namespace,
  className,
  keys: new Map(Object.entries(keys)),
});
const jobPath = path('BitsClientJob', { JobId: jobId });
const groupPath = path('BitsCompactServerUrlGroup', { UrlGroup: 'http://+:80/a' });
const params = (values: Record<string, CimValue> = {}) => new Map(Object.entries(values));
const notFound = new CarmineError('job/not-found', { context: { jobId } });

describe('GetInstance', () => {
  it('gives every property of the schema in its order and type', async () => {
    const { cim, dispatcher, events } = open(
      recorder({
        getJob: job,
        listEndedJobs: [endedJob],
        getFileDetails: fileDetails,
        getUrlGroup: 'http://+:80/a/',
        getUrlDetails: { urlGroup: 'http://+:80/a/', urlSuffix: 's', length: 5n, sha256: null },
        listTransfers: [
          {
            transferId: 1,
            urlGroup: 'http://+:80/a/',
            urlSuffix: 's',
            identity: '',
            source: '192.0.2.7',
            range: null,
            length: 5n,
            bytesSent: 0n,
            startTime: 1n,
          },
        ],
        lookUpAccount: account,
      }).provider,
    );
    const instances = [
      await cim.getInstance(jobPath),
      await cim.getInstance(path('CarmineEndedJob', { JobId: jobId.toLowerCase() }, carmineNamespace)),
      await cim.getInstance(path('CarmineJobFile', { JobId: jobId, FileIndex: '0' }, carmineNamespace)),
      await cim.getInstance(groupPath),
      await cim.getInstance(path('CarmineUrl', { UrlGroup: 'http://+:80/a', UrlSuffix: 's' }, carmineNamespace)),
      await cim.getInstance(path('CarmineTransfer', { TransferId: '1' }, carmineNamespace)),
      await cim.getInstance(path('Win32_UserAccount', { Domain: 'HOST', Name: 'admin' }, 'root/CIMV2')),
    ];
    await expect(cim.getInstance(path('CarmineTransfer', { TransferId: '2' }, carmineNamespace))).rejects.toMatchObject(
      { code: 'cim/not-found' },
    );
    for (const instance of instances) {
      const cls = dispatcher.schema.findClass(instance.namespace, instance.className)!;
      expect([...instance.properties.keys()]).toEqual(cls.properties.map(({ name }) => name));
    }
    expect(Object.fromEntries(instances[0]!.properties)).toMatchObject({
      JobId: jobId,
      Priority: 3,
      State: 5,
      BytesTotal: 0xffff_ffff_ffff_ffffn,
      JobCompletionTime: 0n,
    });
    const [file] = instances[0]!.properties.get('Files') as unknown as [
      { className: string; properties: Map<string, CimValue> },
    ];
    expect(file.className).toBe('BitsClientFile');
    expect(Object.fromEntries(file.properties)).toEqual({
      RemoteUrl: 'http://h/f',
      LocalFile: '/inbox/f',
      BytesTotal: 0xffff_ffff_ffff_ffffn,
      BytesTransferred: 7n,
      Completed: false,
    });
    expect(instances[1]!.properties.get('State')).toBe(8);
    expect(events).toHaveLength(8);
    expect(events[2]).toMatchObject({ action: 'GetInstance', outcome: 'allowed', result: 0 });
    expect(events[2]?.object).toBe(`CarmineJobFile.JobId="${jobId}",FileIndex="0"`);
  });

  it.each<[string, ObjectPath, number]>([
    ['cim/invalid-namespace', path('BitsClientJob', { JobId: jobId }, 'root\\none'), 0x8004_100e],
    ['cim/invalid-class', path('BitsLightweightServerUrlGroup'), 0x8004_1010],
    ['cim/invalid-class', path('CarmineUrl'), 0x8004_1010],
    ['cim/missing-keys', path('BitsClientJob'), 0x8004_103a],
    ['cim/missing-keys', path('BitsClientJob', { JobId: null }), 0x8004_103a],
    ['cim/unexpected-keys', path('BitsClientJob', { Id: jobId }), 0x8004_103a],
    ['cim/type-mismatch', path('BitsClientJob', { JobId: 1 }), 0x8004_1005],
    ['cim/not-supported', path('BitsClientFile'), 0x8004_100c],
  ])('%s', async (code, target, hresult) => {
    const { cim, events } = open(stub());
    await expect(cim.getInstance(target)).rejects.toMatchObject({ code, hresult });
    expect(events).toMatchObject([{ action: 'GetInstance', outcome: 'failed', result: hresult }]);
  });

  it.each([
    ['an unknown job', notFound, 'cim/not-found', 0x8004_1002],
    ['an unknown group', new CarmineError('url-group/not-found'), 'cim/not-found', 0x8004_1002],
    ['an engine failure', new CarmineError('file/io'), 'file/io', 0x8007_045d],
    ['an agent that stops', new CarmineError('internal/shutting-down'), 'internal/shutting-down', 0x8004_1033],
    ['a bug', new TypeError('secret /path'), 'cim/failed', 0x8004_1001],
    ['a damage of its own', new CarmineError('job/store-key', { message: 'secret /path' }), 'cim/failed', 0x8004_1001],
  ])('%s is told as a CIM error, without inner details', async (_what, thrown, code, hresult) => {
    const { cim, events } = open(recorder({ getJob: thrown }).provider);
    const error = await cim.getInstance(jobPath).catch((caught: unknown) => CarmineError.from(caught));
    expect(error).toMatchObject({ code, hresult });
    expect((error as CarmineError).message).not.toContain('secret');
    expect(events).toMatchObject([{ outcome: 'failed', result: hresult }]);
  });

  it('has no class whose provider is absent', async () => {
    const cim = createDispatcher({ providers: { jobs: stub() } }).session(administrator);
    await expect(cim.getInstance(groupPath)).rejects.toMatchObject({ code: 'cim/invalid-class' });
    await expect(cim.getInstance(path('CarmineUrl', {}, carmineNamespace))).rejects.toMatchObject({
      code: 'cim/invalid-namespace',
    });
    expect(createDispatcher({ providers: {} }).schema.classes).toEqual([]);
  });
});

describe('EnumerateInstances and ExecuteQuery', () => {
  const second = {
    ...job,
    jobId: '{00000000-0000-0000-0000-000000000002}',
    displayName: 'other',
    state: 'queued' as const,
  };
  const jobs = { listJobs: [job, second], getJob: job };

  it('lists all, those that match, and the selected properties of those', async () => {
    const { cim, events } = open(recorder(jobs).provider);
    expect(await collect(cim.enumerateInstances('ROOT/microsoft/BITS', 'bitsclientjob'))).toHaveLength(2);
    const query = "SELECT JobId, State FROM BitsClientJob WHERE State = 0 OR DisplayName LIKE 'x%'";
    const found = await collect(cim.executeQuery(bitsNamespace, query));
    expect(found.map(({ properties }) => Object.fromEntries(properties))).toEqual([{ JobId: second.jobId, State: 0 }]);
    expect(events).toMatchObject([
      { action: 'EnumerateInstances', object: 'bitsclientjob', outcome: 'allowed' },
      { action: 'ExecuteQuery', object: query, outcome: 'allowed' },
    ]);
  });

  it('asks for the one instance whose key the query names, in any spelling that the provider knows', async () => {
    const { provider, calls } = recorder({ getUrlGroup: 'http://+:80/a/' });
    const found = await collect(
      open(provider).cim.executeQuery(
        bitsNamespace,
        "SELECT * FROM BitsCompactServerUrlGroup WHERE UrlGroup='HTTP://+:80/A'",
      ),
    );
    expect(found.map(({ properties }) => properties.get('UrlGroup'))).toEqual(['http://+:80/a/']);
    expect(calls).toEqual([['getUrlGroup', 'HTTP://+:80/A']]);
  });

  it.each([
    ['no such job', "SELECT * FROM BitsClientJob WHERE JobId='x'", { getJob: notFound }],
    [
      'a key that no group can have',
      "SELECT * FROM BitsCompactServerUrlGroup WHERE UrlGroup='x'",
      { getUrlGroup: new CarmineError('url-group/invalid-prefix') },
    ],
  ])('finds nothing for %s', async (_what, query, results) => {
    const { cim, events } = open(recorder(results).provider);
    expect(await collect(cim.executeQuery(bitsNamespace, query))).toEqual([]);
    expect(events).toMatchObject([{ outcome: 'allowed' }]);
  });

  it.each<[string, string, string]>([
    ['cim/invalid-namespace', 'root\\none', 'SELECT * FROM BitsClientJob'],
    ['cim/invalid-query', bitsNamespace, 'SELECT'],
    ['cim/invalid-class', bitsNamespace, 'SELECT * FROM Nothing'],
    ['cim/invalid-query', bitsNamespace, 'SELECT Nothing FROM BitsClientJob'],
    ['cim/invalid-query', bitsNamespace, 'SELECT * FROM BitsClientJob WHERE Nothing = 1'],
    ['cim/invalid-query', bitsNamespace, "SELECT * FROM BitsClientJob WHERE State = 'abc'"],
    ['cim/not-supported', bitsNamespace, 'SELECT * FROM BitsClientFile'],
    ['cim/not-supported', carmineNamespace, 'SELECT * FROM CarmineJobFile'],
  ])('%s in %s: %s', async (code, namespace, query) => {
    const { cim, events } = open(stub());
    await expect(collect(cim.executeQuery(namespace, query))).rejects.toMatchObject({ code });
    expect(events).toMatchObject([{ action: 'ExecuteQuery', outcome: 'failed' }]);
  });

  it.each([
    ['cim/invalid-namespace', 'root\\none', 'BitsClientJob'],
    ['cim/invalid-class', bitsNamespace, 'Nothing'],
    ['cim/not-supported', bitsNamespace, 'BitsClientFile'],
    ['cim/not-supported', carmineNamespace, 'CarmineJobFile'],
    ['cim/not-supported', carmineNamespace, 'CarmineUrl'],
  ])('%s: enumeration in %s of %s', async (code, namespace, className) => {
    await expect(collect(open(stub()).cim.enumerateInstances(namespace, className))).rejects.toMatchObject({ code });
  });

  it.each([
    ['a bug', new TypeError('secret'), 'cim/failed', 0x8004_1001],
    // An incomplete list that looks complete would make jobs vanish.
    ['an object lost on the way', notFound, 'cim/not-found', 0x8004_1002],
  ])('tells and records %s in the middle instead of ending early', async (_what, thrown, code, result) => {
    for (const read of [
      (cim: ReturnType<typeof open>['cim']) => cim.enumerateInstances(bitsNamespace, 'BitsClientJob'),
      (cim: ReturnType<typeof open>['cim']) => cim.executeQuery(bitsNamespace, 'SELECT * FROM BitsClientJob'),
    ]) {
      const { cim, events } = open(recorder({ listJobs: [job, thrown] }).provider);
      await expect(collect(read(cim))).rejects.toMatchObject({ code });
      expect(events).toMatchObject([{ outcome: 'allowed' }, { outcome: 'failed', result }]);
    }
  });

  it('stops reading when the caller does', async () => {
    const { cim } = open(recorder({ listJobs: [job, new Error('must not be read')] }).provider);
    for await (const instance of cim.enumerateInstances(bitsNamespace, 'BitsClientJob')) {
      expect(instance.properties.get('JobId')).toBe(jobId);
      break;
    }
  });
});

describe('ModifyInstance', () => {
  it('passes on what is writable and changed, ignores the rest of a whole instance, and gives the instance back', async () => {
    const { provider, calls } = recorder({ getJob: job });
    const { cim, events } = open(provider);
    const whole = new Map((await cim.getInstance(jobPath)).properties);
    whole.set('priority', 0);
    whole.delete('Priority');
    whole.set('State', 'not even a number');
    const after = await cim.modifyInstance(jobPath, whole);
    expect(after.properties.get('JobId')).toBe(jobId);
    const sent = {
      displayName: 'a job',
      description: 'about it',
      priority: 'foreground',
      minimumRetryDelay: 600,
      noProgressTimeout: 1_209_600,
    };
    expect(calls.slice(1)).toEqual([
      ['modifyJob', jobId, sent],
      ['getJob', jobId],
    ]);
    expect(events[1]).toMatchObject({ action: 'ModifyInstance', outcome: 'allowed' });
  });

  it('leaves alone what is not given, and what is given as NULL', async () => {
    const { provider, calls } = recorder({ getJob: job });
    await open(provider).cim.modifyInstance(jobPath, params({ Description: '', Priority: null }));
    expect(calls[0]).toEqual(['modifyJob', jobId, { description: '' }]);
  });

  it('accepts the key as it is, in any case, and NULL for it', async () => {
    const { cim } = open(recorder({ getJob: job }).provider);
    await cim.modifyInstance(jobPath, params({ JobId: jobId.toLowerCase() }));
    await cim.modifyInstance(jobPath, params({ JobId: null }));
  });

  it.each<[string, Record<string, CimValue>]>([
    ['cim/key-changed', { JobId: '{other}' }],
    ['cim/invalid-parameter', { Nothing: 1 }],
    ['cim/type-mismatch', { DisplayName: 1 }],
    ['cim/type-mismatch', { Priority: -1 }],
    ['cim/type-mismatch', { MinimumRetryDelay: 'x' }],
    ['job/invalid-argument', { Priority: 4 }],
  ])('%s: %o changes nothing', async (code, changes) => {
    const { cim, events } = open(stub());
    await expect(cim.modifyInstance(jobPath, params({ Description: 'x', ...changes }))).rejects.toMatchObject({ code });
    expect(events).toMatchObject([{ action: 'ModifyInstance', outcome: 'failed' }]);
  });

  it('sets and takes back the digest of a file', async () => {
    const { provider, calls } = recorder({ getFileDetails: fileDetails });
    const { cim } = open(provider);
    const file = path('CarmineJobFile', { JobId: jobId, FileIndex: 0 }, carmineNamespace);
    await cim.modifyInstance(file, params({ ExpectedSha256: 'ab', ComputeSha256: true, FileIndex: 0n }));
    await cim.modifyInstance(file, params({ ExpectedSha256: null }));
    await cim.modifyInstance(file, params({ ComputeSha256: false }));
    expect(calls.filter(([name]) => name === 'modifyFileDetails')).toEqual([
      ['modifyFileDetails', jobId, 0, { expectedSha256: 'ab', computeSha256: true }],
      ['modifyFileDetails', jobId, 0, { expectedSha256: null }],
      ['modifyFileDetails', jobId, 0, { computeSha256: false }],
    ]);
  });

  it.each([
    ['BitsCompactServerUrlGroup', { UrlGroup: 'x' }, bitsNamespace],
    ['CarmineEndedJob', { JobId: 'x' }, carmineNamespace],
    ['CarmineUrl', { UrlGroup: 'x', UrlSuffix: 'x' }, carmineNamespace],
    ['Win32_UserAccount', { Domain: 'x', Name: 'x' }, 'root\\cimv2'],
  ])('%s cannot be changed', async (className, keys, namespace) => {
    await expect(open(stub()).cim.modifyInstance(path(className, keys, namespace), new Map())).rejects.toMatchObject({
      code: 'cim/not-supported',
      hresult: 0x8004_100c,
    });
  });
});

describe('DeleteInstance', () => {
  it('deletes a group that exists', async () => {
    const { provider, calls } = recorder({ getUrlGroup: 'http://+:80/a/', deleteUrlGroup: 0 });
    await open(provider).cim.deleteInstance(groupPath);
    expect(calls).toEqual([
      ['getUrlGroup', 'http://+:80/a'],
      ['deleteUrlGroup', 'http://+:80/a'],
    ]);
  });

  it('needs one, unlike DeleteUrlGroup', async () => {
    const { provider, calls } = recorder({ getUrlGroup: new CarmineError('url-group/not-found') });
    await expect(open(provider).cim.deleteInstance(groupPath)).rejects.toMatchObject({ code: 'cim/not-found' });
    expect(calls).toHaveLength(1);
  });

  it('is not supported for jobs', async () => {
    await expect(open(stub()).cim.deleteInstance(jobPath)).rejects.toMatchObject({ code: 'cim/not-supported' });
  });
});

describe('InvokeMethod', () => {
  const invoke = (target: ObjectPath, method: string, values: Record<string, CimValue>, results = {}) => {
    const { provider, calls } = recorder({ getJob: job, getUrlGroup: 'http://+:80/a/', ...results });
    const { cim, events } = open(provider);
    return { done: cim.invokeMethod(target, method, params(values)), calls, events };
  };

  it('runs a static method on the class, and on an instance too', async () => {
    const values = { DisplayName: 'n', RemoteUrl: 'u', LocalFile: 'l' };
    for (const target of [path('BitsClientJob'), jobPath, path('BitsClientJob', { Nonsense: 1 })]) {
      const { done, calls, events } = invoke(target, 'CreateJob', values, { createJob: jobId });
      expect(await done).toEqual({ returnValue: 0, out: new Map([['JobId', jobId]]) });
      expect(calls).toEqual([['createJob', { displayName: 'n', remoteUrl: 'u', localFile: 'l' }]]);
      expect(events).toMatchObject([{ action: 'CreateJob', outcome: 'allowed', result: 0 }]);
    }
  });

  it('needs the keys for an instance method, and the instance to be there', async () => {
    const missing = invoke(path('BitsClientJob'), 'SetJobState', { JobState: 2 });
    await expect(missing.done).rejects.toMatchObject({ code: 'cim/missing-keys' });
    const lost = invoke(jobPath, 'SetJobState', { JobState: 2 }, { getJob: notFound });
    await expect(lost.done).rejects.toMatchObject({ code: 'cim/not-found', hresult: 0x8004_1002 });
    expect(lost.calls).toEqual([['getJob', jobId]]);
    expect(lost.events).toMatchObject([{ action: 'SetJobState', outcome: 'failed', result: 0x8004_1002 }]);
  });

  it('finds methods and parameters in any case', async () => {
    const { done, calls } = invoke(jobPath, 'ADDFILE', { remoteUrl: 'u', localfile: 'l' }, { addFile: 0 });
    expect(await done).toEqual({ returnValue: 0, out: new Map() });
    expect(calls[1]).toEqual(['addFile', jobId, 'u', 'l']);
  });

  it.each<[string, string, Record<string, CimValue>, number]>([
    ['cim/invalid-method', 'Nothing', {}, 0x8004_102e],
    ['cim/invalid-method', 'toString', {}, 0x8004_102e],
    ['cim/invalid-method', 'constructor', {}, 0x8004_102e],
    ['cim/invalid-method-parameters', 'SetJobState', {}, 0x8004_102f],
    ['cim/invalid-method-parameters', 'SetJobState', { JobState: null }, 0x8004_102f],
    ['cim/invalid-method-parameters', 'SetJobState', { JobState: 2, Other: 1 }, 0x8004_102f],
    ['cim/invalid-method-parameters', 'SetJobState', { JobState: 2, jobstate: 0 }, 0x8004_102f],
    ['cim/invalid-method-parameters', 'GetError', { LanguageId: 0, ErrorCode: 1 }, 0x8004_102f],
    ['cim/type-mismatch', 'SetJobState', { JobState: '2' }, 0x8004_1005],
    ['cim/type-mismatch', 'SetJobState', { JobState: 65_536 }, 0x8004_1005],
    ['cim/type-mismatch', 'SetClientCertificateById', { CertHash: 'AQI=' }, 0x8004_1005],
  ])('%s: %s %o', async (code, method, values, hresult) => {
    const { done, calls, events } = invoke(jobPath, method, values);
    await expect(done).rejects.toMatchObject({ code, hresult });
    expect(calls.filter(([name]) => name !== 'getJob')).toEqual([]);
    expect(events).toMatchObject([{ action: method, outcome: 'failed', result: hresult }]);
  });

  it('answers an engine failure with its HRESULT and NULL out-parameters', async () => {
    const thrown = new CarmineError('job/no-error-information');
    const { done, events } = invoke(jobPath, 'GetError', { LanguageId: 0 }, { getError: thrown });
    expect(await done).toEqual({
      returnValue: 0x8020_000f,
      out: new Map([
        ['ErrorContext', null],
        ['ErrorCode', null],
        ['ContextDescription', null],
        ['ErrorDescription', null],
      ]),
    });
    expect(events).toMatchObject([{ action: 'GetError', outcome: 'failed', result: 0x8020_000f }]);
  });

  it('answers success with information as it is', async () => {
    const { done, events } = invoke(jobPath, 'SetJobState', { JobState: 1 }, { setJobState: 0x0020_0017 });
    expect(await done).toEqual({ returnValue: 0x0020_0017, out: new Map() });
    expect(events).toMatchObject([{ outcome: 'allowed', result: 0x0020_0017 }]);
  });

  it.each([
    ['a bug', new TypeError('secret /path'), 'cim/failed'],
    ['a damage of its own', new CarmineError('job/store-key', { message: 'secret /path' }), 'cim/failed'],
    ['an abort', new CarmineError('internal/aborted'), 'internal/aborted'],
    ['a job lost in between', notFound, 'cim/not-found'],
  ])('answers %s with a fault', async (_what, thrown, code) => {
    const { done, events } = invoke(jobPath, 'SetJobState', { JobState: 1 }, { setJobState: thrown });
    const error = await done.then(
      () => undefined,
      (caught: unknown) => CarmineError.from(caught),
    );
    expect(error).toMatchObject({ code });
    expect(error?.message).not.toContain('secret');
    expect(error?.hresult).toBeDefined();
    expect(events).toMatchObject([{ outcome: 'failed', result: error?.hresult }]);
  });

  it('hands the signal on', async () => {
    const { signal } = new AbortController();
    let seen: unknown;
    const provider = stub({
      async createUrlGroup(_prefix, options) {
        seen = options?.signal;
        return 0;
      },
    });
    await open(provider).cim.invokeMethod(
      path('BitsCompactServerUrlGroup'),
      'CreateUrlGroup',
      params({ UrlGroup: 'x' }),
      {
        signal,
      },
    );
    expect(seen).toBe(signal);
  });
});
