import { bitsNamespace, type CimOperations, type CimValue, createDispatcher, createProxy } from '@carmine/cim';
import {
  jobEventsSuite,
  jobProviderSuite,
  MemoryJobs,
  MemoryUrlGroups,
  urlGroupProviderSuite,
} from '@carmine/compliance';
import { CarmineError } from '@carmine/errors';
import { describe, expect, it } from 'vitest';
import { admin, inMemoryClient, testServer, user } from './support.ts';

jobProviderSuite('through WS-Management, in memory', async () => {
  const jobs = new MemoryJobs();
  const { server } = testServer({ dispatcher: createDispatcher({ providers: { jobs, jobExtensions: jobs } }) });
  return {
    provider: createProxy(inMemoryClient(server)).jobs,
    remoteUrl: 'http://origin.example/file',
    localFile: (name) => `/inbox/${name}`,
    close: async () => server.close(),
  };
});

jobEventsSuite('through WS-Management, in memory', async () => {
  const { server, clock } = testServer();
  return {
    provider: createProxy(inMemoryClient(server)).jobs,
    remoteUrl: 'http://origin.example/file',
    localFile: (name) => `/inbox/${name}`,
    pass: () => clock.advance(2_000),
    close: async () => server.close(),
  };
});

urlGroupProviderSuite('through WS-Management, in memory', async () => {
  const urlGroups = new MemoryUrlGroups();
  const providers = { urlGroups, urlGroupExtensions: urlGroups };
  const { server } = testServer({ dispatcher: createDispatcher({ providers }) });
  return {
    provider: createProxy(inMemoryClient(server)).urlGroups,
    prefix: 'http://+:8080/suite/',
    sources: ['/srv/a', '/srv/b'] as const,
    certificate: { storeName: 'MY', hash: new Uint8Array(20).fill(7), port: 8443 },
    close: async () => server.close(),
  };
});

describe('a caller cannot tell the client from the dispatcher', () => {
  const job = (keys: Record<string, CimValue>) => ({
    namespace: bitsNamespace,
    className: 'BitsClientJob',
    keys: new Map(Object.entries(keys)),
  });
  const noJob = '{11111111-2222-4333-8444-555555555555}';
  const group = {
    namespace: bitsNamespace,
    className: 'BitsCompactServerUrlGroup',
    keys: new Map([['UrlGroup', 'http://+:1/x/']]),
  };
  const map = (values: Record<string, CimValue>) => new Map(Object.entries(values));
  const all = async (items: AsyncIterable<unknown>) => {
    const found = [];
    for await (const item of items) found.push(item);
    return found;
  };
  const jobPath = job({ JobId: noJob });
  const table: readonly (readonly [string, (cim: CimOperations) => Promise<unknown>])[] = [
    ['Get of an unknown job', (cim) => cim.getInstance(jobPath)],
    ['Get without a key', (cim) => cim.getInstance(job({}))],
    ['Get with a wrong key', (cim) => cim.getInstance(job({ JobId: noJob, Nothing: 'x' }))],
    ['Get of an unknown class', (cim) => cim.getInstance({ ...jobPath, className: 'Nothing' })],
    ['Get in an unknown namespace', (cim) => cim.getInstance({ ...jobPath, namespace: 'root\\nothing' })],
    ['Get of a class that only exists embedded', (cim) => all(cim.enumerateInstances(bitsNamespace, 'BitsClientFile'))],
    ['enumeration of an unknown class', (cim) => all(cim.enumerateInstances(bitsNamespace, 'Nothing'))],
    ['a bad query', (cim) => all(cim.executeQuery(bitsNamespace, 'selekt * from BitsClientJob'))],
    ['a query that matches nothing', (cim) => all(cim.executeQuery(bitsNamespace, 'select * from BitsClientJob'))],
    ['Put to an unknown job', (cim) => cim.modifyInstance(jobPath, map({ Priority: 1 }))],
    ['Put of the wrong type', (cim) => cim.modifyInstance(jobPath, map({ Priority: 'high' }))],
    [
      'Put to a class without writable properties',
      (cim) => cim.modifyInstance(group, map({ UrlGroup: 'http://+:1/x/' })),
    ],
    ['Delete of a job', (cim) => cim.deleteInstance(jobPath)],
    ['Delete of an unknown group', (cim) => cim.deleteInstance(group)],
    ['an unknown method', (cim) => cim.invokeMethod(jobPath, 'Explode', map({}))],
    ['a method on an unknown job', (cim) => cim.invokeMethod(jobPath, 'SetJobState', map({ JobState: 1 }))],
    ['a method without its key', (cim) => cim.invokeMethod(job({}), 'SetJobState', map({ JobState: 1 }))],
    ['a method without a parameter', (cim) => cim.invokeMethod(job({}), 'CreateJob', map({ DisplayName: 'x' }))],
    ['a method with an unknown parameter', (cim) => cim.invokeMethod(job({}), 'CreateJob', map({ Nothing: 'x' }))],
    ['a method with the wrong type', (cim) => cim.invokeMethod(job({}), 'CreateJob', map({ Type: 'x' }))],
    [
      'a method that fails',
      (cim) =>
        cim.invokeMethod(
          job({}),
          'CreateJob',
          map({ DisplayName: 'x', RemoteUrl: 'gopher://x', LocalFile: '/inbox/x' }),
        ),
    ],
  ];
  const outcome = (run: Promise<unknown>) =>
    run.then(
      (value) => ({ value }),
      (error: CarmineError) => ({ code: error.code, hresult: error.hresult, kind: error.kind }),
    );

  it.each(table)('%s', async (_, run) => {
    const { dispatcher, server } = testServer();
    const direct = await outcome(run(dispatcher.session(admin)));
    expect(await outcome(run(inMemoryClient(server)))).toEqual(direct);
  });

  it.each(table)('%s, by somebody who may not', async (_, run) => {
    const { dispatcher, server } = testServer();
    const direct = await outcome(run(dispatcher.session(user)));
    expect(direct).toMatchObject({ code: 'auth/access-denied' });
    expect(await outcome(run(inMemoryClient(server, user)))).toEqual(direct);
  });

  it('gives the same instances', async () => {
    const { dispatcher, server, jobs } = testServer();
    for (let i = 0; i < 10; i++)
      await jobs.createJob({
        displayName: ` \t job\r\n ${i} 😀 ]]> `,
        remoteUrl: `http://o/${i}?a=1&b="2"`,
        localFile: '/x',
      });
    const direct = await all(dispatcher.session(admin).enumerateInstances(bitsNamespace, 'BitsClientJob'));
    const namespace = bitsNamespace;
    const there = await all(inMemoryClient(server).enumerateInstances(bitsNamespace, 'BitsClientJob'));
    const plain = (list: unknown[]) =>
      (list as { className: string; properties: Map<string, CimValue> }[]).map(({ className, properties }) => ({
        className,
        properties: [...properties].map(([name, value]) => [name, name === 'Files' ? files(value) : value]),
      }));
    const files = (value: CimValue | undefined) =>
      (value as unknown as readonly { properties: Map<string, CimValue> }[]).map((file) => [...file.properties]);
    expect(plain(there)).toEqual(plain(direct));
    expect(there).toHaveLength(10);
    const query = 'select DisplayName, State, BytesTotal from BitsClientJob where Priority = 2';
    const projected = await all(inMemoryClient(server).executeQuery(namespace, query));
    const values = (list: unknown[]) =>
      (list as { properties: Map<string, CimValue> }[]).map(({ properties }) =>
        [...properties].sort(([a], [b]) => (a < b ? -1 : 1)),
      );
    expect(values(projected)).toEqual(values(await all(dispatcher.session(admin).executeQuery(namespace, query))));
  });

  it('releases an enumeration that is not read to its end', async () => {
    const { server, jobs } = testServer({ limits: { maxEnumerationsPerUser: 1 } });
    for (let i = 0; i < 10; i++)
      await jobs.createJob({ displayName: `${i}`, remoteUrl: 'http://o/1', localFile: '/x' });
    const client = inMemoryClient(server);
    for (let round = 0; round < 3; round++)
      for await (const instance of client.enumerateInstances(bitsNamespace, 'BitsClientJob')) {
        expect(instance.className).toBe('BitsClientJob');
        break;
      }
  });

  it('stops before it sends when the caller has given up', async () => {
    const { server } = testServer();
    const signal = AbortSignal.abort();
    await expect(inMemoryClient(server).getInstance(jobPath, { signal })).rejects.toThrow(
      new CarmineError('internal/aborted'),
    );
  });

  it('identifies', async () => {
    const { server } = testServer();
    expect(await inMemoryClient(server).identify()).toEqual({
      vendor: 'Carmine',
      version: 'test',
      protocolVersion: 'http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd',
    });
  });
});
