import { isAdministrator } from '@carmine/security';
import { settle } from '@carmine/testkit';
import { concatBytes } from '@carmine/wire';
import { describe, expect, it } from 'vitest';
import {
  authTypes,
  createEndpointMapper,
  createManagementInterface,
  faultStatus,
  lookUpEndpoints,
  managementSyntax,
  mapEndpoints,
  type RpcCall,
  type RpcInterface,
  rpcFault,
} from '../src/index.ts';
import { echoSyntax, otherSyntax, security, testClient, testServer } from './support.ts';

const echo: RpcInterface = {
  syntax: echoSyntax,
  open: new Set([9]),
  invoke(call) {
    if (call.opnum === 5) throw rpcFault(0x8001_0108);
    return call.stub;
  },
};
const request = (stub: Uint8Array, opnum = 0) => ({ syntax: echoSyntax, opnum, stub });
const kinds = [authTypes.ntlm, authTypes.negotiate].flatMap((type) =>
  (['integrity', 'privacy'] as const).map((level) => [type, level] as const),
);

describe.each(kinds)('type %i at %s', (type, level) => {
  it('carries stubs of any length, in fragments both ways', async () => {
    const client = await testClient(testServer([echo]), { security: security(type, level) });
    for (const length of [0, 1, 15, 16, 5000, 5792, 5793, 300_000]) {
      const stub = Uint8Array.from({ length }, (_, i) => i & 0xff);
      expect((await client.call(request(stub))).stub).toEqual(stub);
    }
  });

  it('tells who calls, and takes further interfaces and contexts on the same connection', async () => {
    const calls: RpcCall[] = [];
    const watched = (syntax: typeof echoSyntax): RpcInterface => ({
      syntax,
      invoke(call) {
        calls.push(call);
        return call.stub;
      },
    });
    const server = testServer([watched(echoSyntax), watched(otherSyntax)]);
    const client = await testClient(server, { security: security(type, level) });
    await client.call(request(new Uint8Array(3)));
    await client.call({ ...request(new Uint8Array(3)), syntax: otherSyntax, object: echoSyntax.uuid });
    await client.secure(security(type, level, 'user'));
    await client.call(request(new Uint8Array(3)));
    expect(calls.map(({ token }) => token.name)).toEqual(['HOST\\admin', 'HOST\\admin', 'HOST\\user']);
    expect(calls[1]).toMatchObject({ object: echoSyntax.uuid, abstractSyntax: otherSyntax });
    expect(calls[0]?.token.protectedChannel).toBe(level === 'privacy');
    expect(client.associationGroup).toBeGreaterThan(0);
  });

  it('refuses a wrong password', async () => {
    const seen: boolean[] = [];
    const server = testServer([echo], { onAuthentication: (_, succeeded) => seen.push(succeeded) });
    const client = await testClient(server, { security: security(type, level, 'admin', 'wrong') });
    await expect(client.call(request(new Uint8Array(1)))).rejects.toMatchObject({ code: 'auth/failed' });
    expect(seen).toEqual([false]);
  });
});

it('lets nobody call anything but what is open', async () => {
  const client = await testClient(testServer([echo]));
  expect((await client.call(request(Uint8Array.of(1), 9))).stub).toEqual(Uint8Array.of(1));
  await expect(client.call(request(Uint8Array.of(1)))).rejects.toMatchObject({ code: 'auth/access-denied' });
});

it('lets nobody call at less than packet privacy where that is asked for', async () => {
  const server = testServer([echo], { minimumLevel: 'privacy' });
  const weak = await testClient(server, { security: security(authTypes.negotiate, 'integrity') });
  await expect(weak.call(request(Uint8Array.of(1)))).rejects.toMatchObject({ kind: 'refused' });
  const strong = await testClient(server, { security: security(authTypes.negotiate, 'privacy') });
  expect((await strong.call(request(Uint8Array.of(1)))).stub).toEqual(Uint8Array.of(1));
});

it('asks whether the caller may call at all, and tells of who may not once', async () => {
  const denied: string[] = [];
  const server = testServer([echo], { mayCall: isAdministrator, onDenied: ({ name }) => denied.push(name) });
  const client = await testClient(server, { security: security(authTypes.negotiate, 'privacy', 'user') });
  for (let i = 0; i < 2; i++)
    await expect(client.call(request(Uint8Array.of(1)))).rejects.toMatchObject({ kind: 'refused' });
  expect(denied).toEqual(['HOST\\user']);
});

it('tells faults apart, and interfaces that it does not have', async () => {
  const client = await testClient(testServer([echo]), { security: security(authTypes.ntlm, 'privacy') });
  await expect(client.call(request(Uint8Array.of(1), 5))).rejects.toMatchObject({
    code: 'rpc/fault',
    hresult: 0x8001_0108,
  });
  const other = { ...request(Uint8Array.of(1)), syntax: otherSyntax };
  await expect(client.call(other)).rejects.toMatchObject({ code: 'rpc/bind-refused' });
  expect((await client.call(request(Uint8Array.of(1)))).stub).toEqual(Uint8Array.of(1));
});

it.each([true, false])('cancels a call, with multiplexing %s', async (multiplexing) => {
  const signals: AbortSignal[] = [];
  const slow: RpcInterface = {
    syntax: echoSyntax,
    invoke(call) {
      if (call.opnum === 1) return call.stub;
      signals.push(call.signal);
      return new Promise((_, reject) =>
        call.signal.addEventListener('abort', () => reject(rpcFault(faultStatus.cancelled)), { once: true }),
      );
    },
  };
  const client = await testClient(testServer([slow]), {
    security: security(authTypes.negotiate, 'privacy'),
    multiplexing,
  });
  const controller = new AbortController();
  const call = client.call({ ...request(Uint8Array.of(1)), signal: controller.signal });
  const after = multiplexing ? client.call(request(Uint8Array.of(2), 1)) : undefined;
  if (after !== undefined) expect((await after).stub).toEqual(Uint8Array.of(2));
  else for (let i = 0; i < 20; i++) await settle();
  expect(signals).toHaveLength(1);
  controller.abort();
  await expect(call).rejects.toMatchObject({ code: 'internal/aborted' });
  expect((await client.call(request(Uint8Array.of(3), 1))).stub).toEqual(Uint8Array.of(3));
  expect(signals[0]?.aborted).toBe(true);
});

it('keeps so many calls waiting, and no more', async () => {
  const release: (() => void)[] = [];
  const slow: RpcInterface = {
    syntax: echoSyntax,
    invoke: (call) => new Promise((resolve) => release.push(() => resolve(call.stub))),
  };
  const server = testServer([slow], { limits: { concurrentCalls: 2, waitingCalls: 3 } });
  const client = await testClient(server, { security: security(authTypes.ntlm, 'privacy') });
  const first = client.call(request(Uint8Array.of(0)));
  for (let i = 0; i < 20; i++) await settle();
  const calls = [first, ...Array.from({ length: 9 }, (_, i) => client.call(request(Uint8Array.of(i + 1))))];
  const outcomes = Promise.allSettled(calls);
  for (let i = 0; i < 40; i++) {
    await settle();
    if (i > 20) for (const each of release.splice(0)) each();
  }
  const results = await outcomes;
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(5);
  expect(results.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { hresult: 0x8007_06bb } });
});

it('ends a connection on which a piece of refused calls goes on without end', async () => {
  // A client without security: everything that it says is kept, and its call said again and again in one piece.
  const server = testServer([echo]);
  const sent: Uint8Array[] = [];
  const connect = server.connect.bind(server);
  const recorded = {
    ...server,
    connect: (...peer: Parameters<typeof connect>) => {
      const connection = connect(...peer);
      const receive = connection.receive.bind(connection);
      connection.receive = (bytes) => {
        sent.push(bytes.slice());
        receive(bytes);
      };
      return connection;
    },
  };
  const client = await testClient(recorded as typeof server);
  await expect(client.call(request(Uint8Array.of(1)))).rejects.toMatchObject({ code: 'auth/access-denied' });
  const [bind, call] = sent;
  const connection = connect({ source: '127.0.0.1', localAddress: '127.0.0.1', localPort: 135 });
  connection.receive(bind!);
  while (connection.poll() !== undefined);
  connection.receive(concatBytes(...Array.from({ length: 500 }, () => call!)));
  const answer = connection.poll();
  // A fault has 32 octets.
  expect(answer).toHaveLength(64 * 32);
  expect(connection.poll()).toBe('close');
  expect(connection.poll()).toBeUndefined();
});

it('maps endpoints and tells of interfaces', async () => {
  const endpoints = Array.from({ length: 5 }, (_, i) => ({
    syntax: { ...otherSyntax, uuid: `${i}${otherSyntax.uuid.slice(1)}` },
    port: 5000 + i,
    annotation: `number ${i}`,
  }));
  const mapper = createEndpointMapper(
    () => endpoints,
    () => '99999999-2222-3333-4444-555555555555',
  );
  const server = testServer([mapper, createManagementInterface(() => [mapper.syntax, managementSyntax])]);
  const client = await testClient(server, { security: security(authTypes.negotiate, 'integrity') });
  expect(await mapEndpoints(client, otherSyntax)).toEqual([5002]);
  expect(await mapEndpoints(client, echoSyntax)).toEqual([]);
  expect(await lookUpEndpoints(client)).toEqual(
    endpoints.map(({ syntax, port, annotation }) => ({ syntax, port, annotation })),
  );
  const { stub } = await client.call({ syntax: managementSyntax, opnum: 0, stub: new Uint8Array(0) });
  expect(stub.length).toBe(4 + 4 + 4 + 8 + 2 * 20 + 4);
});
