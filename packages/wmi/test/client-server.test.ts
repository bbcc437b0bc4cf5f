import { bitsNamespace, type CimOperations, type CimValue, createProxy } from '@carmine/cim';
import { jobEventsSuite, jobProviderSuite, urlGroupProviderSuite } from '@carmine/compliance';
import { CarmineError } from '@carmine/errors';
import { describe, expect, it } from 'vitest';
import { clientOf, testHost, tokenOf } from './support.ts';

jobProviderSuite('through DCOM, in memory', async () => {
  const host = testHost();
  return {
    provider: createProxy(clientOf(host)).jobs,
    remoteUrl: 'http://origin.example/file',
    localFile: (name) => `/inbox/${name}`,
    close: async () => host.host.close(),
  };
});

jobEventsSuite('through DCOM, in memory', async () => {
  const host = testHost();
  return {
    provider: createProxy(clientOf(host)).jobs,
    remoteUrl: 'http://origin.example/file',
    localFile: (name) => `/inbox/${name}`,
    pass: () => host.clock.advance(2000),
    close: async () => host.host.close(),
  };
});

urlGroupProviderSuite('through DCOM, in memory', async () => {
  const host = testHost();
  return {
    provider: createProxy(clientOf(host)).urlGroups,
    prefix: 'http://+:8080/images/',
    sources: ['/images/a', '/images/b'],
    certificate: { storeName: 'MY', hash: Uint8Array.from({ length: 20 }, (_, i) => i * 13), port: 8443 },
    close: async () => host.host.close(),
  };
});

describe('a caller cannot tell DCOM from the dispatcher itself', () => {
  const namespace = bitsNamespace;
  const map = (values: Record<string, CimValue>) => new Map(Object.entries(values));
  const job = (keys: Record<string, CimValue>) => ({ namespace, className: 'BitsClientJob', keys: map(keys) });
  const jobPath = job({ JobId: '{00000000-0000-4000-8000-0000000000FF}' });
  const group = {
    namespace,
    className: 'BitsCompactServerUrlGroup',
    keys: map({ UrlGroup: 'http://+:80/none/' }),
  };
  const all = async (items: AsyncIterable<unknown>) => {
    const list: unknown[] = [];
    for await (const item of items) list.push(item);
    return list;
  };
  const table: [string, (cim: CimOperations) => Promise<unknown>][] = [
    ['Get of an unknown job', (cim) => cim.getInstance(jobPath)],
    ['Get of an unknown group', (cim) => cim.getInstance(group)],
    ['Enumerate of an unknown class', (cim) => all(cim.enumerateInstances(namespace, 'Nothing'))],
    ['Enumerate in an unknown namespace', (cim) => all(cim.enumerateInstances('root\\nothing', 'BitsClientJob'))],
    ['a query for an unknown class', (cim) => all(cim.executeQuery(namespace, 'select * from Nothing'))],
    ['a query for an unknown property', (cim) => all(cim.executeQuery(namespace, 'select Foo from BitsClientJob'))],
    ['a query that is none', (cim) => all(cim.executeQuery(namespace, 'drop table BitsClientJob'))],
    ['Put to an unknown job', (cim) => cim.modifyInstance(jobPath, map({ Priority: 1 }))],
    ['Delete of a job', (cim) => cim.deleteInstance(jobPath)],
    ['Delete of an unknown group', (cim) => cim.deleteInstance(group)],
    ['an unknown method', (cim) => cim.invokeMethod(jobPath, 'Explode', map({}))],
    ['a method on an unknown job', (cim) => cim.invokeMethod(jobPath, 'SetJobState', map({ JobState: 1 }))],
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
    const host = testHost();
    const direct = await outcome(run(host.dispatcher.session(tokenOf('admin'))));
    expect(await outcome(run(clientOf(host)))).toEqual(direct);
  });

  it.each(table)('%s, by somebody who may not', async (_, run) => {
    const host = testHost();
    expect(await outcome(run(clientOf(host, 'user')))).toMatchObject({ kind: 'refused' });
  });

  it('gives the same instances, in batches', async () => {
    const host = testHost();
    for (let i = 0; i < 50; i++)
      await host.jobs.createJob({
        displayName: ` \t job\r\n ${i} 😀 ]]> `,
        remoteUrl: `http://o/${i}?a=1&b="2"`,
        localFile: '/x',
      });
    const session = host.dispatcher.session(tokenOf('admin'));
    const client = clientOf(host);
    const plain = (list: unknown[]) =>
      (list as { className: string; properties: Map<string, CimValue> }[]).map(({ className, properties }) => ({
        className,
        properties: [...properties].map(([name, value]) => [name, name === 'Files' ? files(value) : value]),
      }));
    const files = (value: CimValue | undefined) =>
      (value as unknown as readonly { properties: Map<string, CimValue> }[]).map((file) => [...file.properties]);
    const there = await all(client.enumerateInstances(namespace, 'BitsClientJob'));
    expect(plain(there)).toEqual(plain(await all(session.enumerateInstances(namespace, 'BitsClientJob'))));
    expect(there).toHaveLength(50);
    const query = 'select DisplayName, State, BytesTotal from BitsClientJob where Priority = 2';
    const values = (list: unknown[]) =>
      (list as { properties: Map<string, CimValue> }[]).map(({ properties }) =>
        [...properties].sort(([a], [b]) => (a < b ? -1 : 1)),
      );
    expect(values(await all(client.executeQuery(namespace, query)))).toEqual(
      values(await all(session.executeQuery(namespace, query))),
    );
  });

  it('lets go of what it held', async () => {
    const host = testHost();
    for (let i = 0; i < 50; i++)
      await host.jobs.createJob({ displayName: `${i}`, remoteUrl: 'http://o/1', localFile: '/x' });
    const client = clientOf(host);
    for (let round = 0; round < 3; round++)
      for await (const instance of client.enumerateInstances(namespace, 'BitsClientJob')) {
        expect(instance.className).toBe('BitsClientJob');
        break;
      }
    await host.clock.advance(0);
    // The namespace's object.
    expect(host.host.objects).toBe(1);
  });

  it('stops before it sends when the caller has given up', async () => {
    const signal = AbortSignal.abort();
    await expect(clientOf(testHost()).getInstance(jobPath, { signal })).rejects.toThrow(
      new CarmineError('internal/aborted'),
    );
  });
});
