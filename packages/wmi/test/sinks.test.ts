import { bitsNamespace } from '@carmine/cim';
import { createMemoryDialer, createRpcServer, type RpcDialer, sameSyntax } from '@carmine/dcerpc';
import { settle } from '@carmine/testkit';
import { createDcomServer, type DcomObject, implement } from 'node-dcom-lite';
import { describe, expect, it } from 'vitest';
import { createSinkConnector, createWmiSecurity } from '../src/index.ts';
import { clsidLevel1Login, wbem } from '../src/protocol/constants.ts';
import {
  callResult,
  enumClassObject,
  level1Login,
  loginClientId,
  objectSink,
  services,
} from '../src/protocol/interfaces.ts';
import { unmarshalObject } from '../src/protocol/marshal.ts';
import { effectiveValue } from '../src/wmio/instance.ts';
import { accept, clientOf, dcomClientOf, environment, testHost, tokenOf } from './support.ts';

/** A client that can be called back: its own resolver and exporter, which take the server as the user `other`. */
function sinkMachine(now: () => number) {
  const seen: { readonly objects: readonly string[]; readonly status?: number }[] = [];
  const sink: DcomObject = {
    interfaces: [
      implement(objectSink, {
        Indicate({ objects }) {
          seen.push({ objects: objects.map((each) => nameOf(each)) });
          return { hresult: 0 };
        },
        SetStatus({ hresult }) {
          seen.push({ objects: [], status: hresult });
          return { hresult: 0 };
        },
      }),
    ],
  };
  const dcom = createDcomServer({
    classes: [],
    interfaces: [objectSink.iid],
    hosts: () => ['127.0.0.1'],
    exporterPort: () => 60_001,
    resolverPort: () => 60_000,
    securities: [],
    now,
    randomBytes: environment.randomBytes,
  });
  const resolver = createRpcServer({
    accept,
    firstAssociation: 1,
    find: (syntax) => dcom.resolver.find((each) => sameSyntax(each.syntax, syntax)),
  });
  const exporter = createRpcServer({ accept, firstAssociation: 1, find: (syntax) => dcom.exporter(syntax) });
  const dial = createMemoryDialer(
    new Map([
      [60_000, resolver],
      [60_001, exporter],
    ]),
  );
  const connection = { id: 0, association: 0, source: '127.0.0.1', localAddress: '127.0.0.1', localPort: 0 };
  return {
    dial,
    seen,
    /** For the one user who may call it. */
    objref: (token: Parameters<typeof dcom.marshal>[2]['token']) =>
      dcom.marshal(sink, objectSink.iid, { token, connection }),
  };
}

function nameOf(objref: Uint8Array | null): string {
  if (objref === null) return '';
  const object = unmarshalObject(objref);
  if (object.kind === 'class') return object.current.name ?? '';
  const name = effectiveValue(object, 'DisplayName');
  return typeof name === 'string' ? name : (object.current.name ?? '');
}

async function turns(count = 60): Promise<void> {
  for (let turn = 0; turn < count; turn++) await settle();
}

/** Until so many calls have told how they ended. */
async function ended(seen: readonly { readonly status?: number }[], count: number): Promise<void> {
  for (let turn = 0; turn < 5000 && seen.filter(({ status }) => status !== undefined).length < count; turn++)
    await settle();
}

async function machine(callbacks = true) {
  let target: RpcDialer = async () => {
    throw new Error('nobody is there');
  };
  const host = testHost({
    connectSink: callbacks
      ? createSinkConnector({
          dial: (address, signal) => target(address, signal),
          environment: { after: () => () => {}, randomBytes: environment.randomBytes },
          security: (name) =>
            createWmiSecurity({ logon: { user: 'other', password: 'secret' }, host: name, environment }),
        })
      : undefined,
  });
  for (let i = 0; i < 3; i++)
    await host.jobs.createJob({ displayName: `job ${i}`, remoteUrl: 'http://o/1', localFile: '/x' });
  const sinks = sinkMachine(() => host.clock.now());
  target = sinks.dial;
  const dcom = dcomClientOf(host);
  const login = await dcom.activate(clsidLevel1Login, level1Login.iid);
  const request = { networkResource: `\\\\HOST\\${bitsNamespace}`, preferredLocale: 'MS_409', flags: 0, context: null };
  const given = await login.invoke(level1Login, 'NTLMLogin', request);
  const remote = await dcom.unmarshal(given.services!);
  /** Each time with references of its own, as a client sends it. */
  const sink = () => sinks.objref(tokenOf('other'));
  return { host, dcom, login, remote, sink, seen: sinks.seen };
}

const query = { language: 'WQL', query: 'select * from BitsClientJob', context: null };

describe('asynchronous calls', () => {
  it('indicate what they find, and then how it ended', async () => {
    const { remote, sink, seen } = await machine();
    expect(await remote.invoke(services, 'ExecQueryAsync', { ...query, flags: 0, sink: sink() })).toEqual({
      hresult: 0,
    });
    await ended(seen, 1);
    expect(seen).toEqual([{ objects: ['job 0', 'job 1', 'job 2'] }, { objects: [], status: 0 }]);
    const bad = { ...query, query: 'select * from Nothing', flags: 0, sink: sink() };
    expect(await remote.invoke(services, 'ExecQueryAsync', bad)).toEqual({ hresult: 0 });
    await ended(seen, 2);
    expect(seen.at(-1)).toEqual({ objects: [], status: wbem.invalidClass });
    const object = { objectPath: 'BitsClientJob', flags: 0, context: null, sink: sink() };
    await remote.invoke(services, 'GetObjectAsync', object);
    await ended(seen, 3);
    expect(seen.slice(-2)).toEqual([{ objects: ['BitsClientJob'] }, { objects: [], status: 0 }]);
    const classes = { superclass: '', flags: 1, context: null, sink: sink() };
    await remote.invoke(services, 'CreateClassEnumAsync', classes);
    await ended(seen, 4);
    expect(seen.at(-2)?.objects).toContain('BitsClientJob');
  });

  it('tell events until they are cancelled', async () => {
    const { host, remote, sink, seen } = await machine();
    const events = "select * from __InstanceCreationEvent within 1 where TargetInstance isa 'BitsClientJob'";
    const request = { ...query, query: events, flags: 0, sink: sink() };
    expect(await remote.invoke(services, 'ExecNotificationQueryAsync', request)).toEqual({ hresult: 0 });
    await turns();
    await host.jobs.createJob({ displayName: 'new', remoteUrl: 'http://o/1', localFile: '/x' });
    await host.clock.advance(3000);
    await turns();
    expect(seen).toEqual([{ objects: ['__InstanceCreationEvent'] }]);
    expect(await remote.invoke(services, 'CancelAsyncCall', { sink: sink() })).toEqual({ hresult: 0 });
    await turns();
    expect(seen.at(-1)).toEqual({ objects: [], status: wbem.callCancelled });
    expect(await remote.invoke(services, 'CancelAsyncCall', { sink: sink() })).toEqual({ hresult: wbem.notFound });
  });

  it('are refused where nobody can be called back safely', async () => {
    const { remote, sink } = await machine(false);
    expect(await remote.invoke(services, 'ExecQueryAsync', { ...query, flags: 0, sink: sink() })).toEqual({
      hresult: wbem.notSupported,
    });
  });
});

describe('semi-synchronous calls and enumerations', () => {
  it('give an IWbemCallResult, which tells the result when it is asked', async () => {
    const { dcom, remote } = await machine();
    const request = { objectPath: 'BitsClientJob', flags: 0x10, context: null, object: null, result: null };
    const answer = await remote.invoke(services, 'GetObject', request);
    expect(answer).toMatchObject({ object: null, hresult: 0 });
    const result = await dcom.unmarshal(answer.result!);
    expect(await result.invoke(callResult, 'GetCallStatus', { timeout: 0xffff_ffff })).toEqual({
      status: 0,
      hresult: 0,
    });
    const object = await result.invoke(callResult, 'GetResultObject', { timeout: 0 });
    expect(nameOf(object.object)).toBe('BitsClientJob');
    expect(await result.invoke(callResult, 'GetResultString', { timeout: 0 })).toMatchObject({
      hresult: wbem.invalidOperation,
    });
    const without = await remote.invoke(services, 'GetObject', { ...request, result: undefined });
    expect(without).toMatchObject({ hresult: wbem.invalidParameter, result: undefined });
    const missing = { class: 'Nothing', flags: 0x10, context: null, result: null };
    const deleted = await remote.invoke(services, 'DeleteClass', missing);
    const late = await dcom.unmarshal(deleted.result!);
    expect(await late.invoke(callResult, 'GetCallStatus', { timeout: 0xffff_ffff })).toEqual({
      status: wbem.notFound,
      hresult: 0,
    });
  });

  it('can be skipped, reset and cloned, unless they go forward only', async () => {
    const { dcom, remote } = await machine();
    const open = async (flags: number) => {
      const given = await remote.invoke(services, 'ExecQuery', { ...query, flags });
      return await dcom.unmarshal(given.enum!);
    };
    const next = async (enumerator: Awaited<ReturnType<typeof open>>, count: number, timeout = 0xffff_ffff) => {
      const { objects, hresult } = await enumerator.invoke(enumClassObject, 'Next', { timeout, count });
      return [objects.items.map(nameOf), hresult] as const;
    };
    const plain = await open(0);
    expect(await next(plain, 2)).toEqual([['job 0', 'job 1'], wbem.ok]);
    const clone = await dcom.unmarshal((await plain.invoke(enumClassObject, 'Clone', {})).enum!);
    expect(await next(clone, 5)).toEqual([['job 2'], wbem.false]);
    expect(await plain.invoke(enumClassObject, 'Reset', {})).toEqual({ hresult: 0 });
    expect(await plain.invoke(enumClassObject, 'Skip', { timeout: 0xffff_ffff, count: 1 })).toEqual({ hresult: 0 });
    expect(await next(plain, 9)).toEqual([['job 1', 'job 2'], wbem.false]);
    expect(await next(plain, 1)).toEqual([[], wbem.false]);
    const forward = await open(0x30);
    expect(await forward.invoke(enumClassObject, 'Reset', {})).toEqual({ hresult: wbem.invalidOperation });
    expect(await forward.invoke(enumClassObject, 'Clone', {})).toEqual({ enum: null, hresult: wbem.invalidOperation });
  });

  it('wait for events as long as they are told, and no longer', async () => {
    const { host, dcom, remote } = await machine();
    const events = "select * from __InstanceDeletionEvent within 1 where TargetInstance isa 'BitsClientJob'";
    const request = { ...query, query: events };
    expect(await remote.invoke(services, 'ExecNotificationQuery', { ...request, flags: 0 })).toMatchObject({
      hresult: wbem.invalidParameter,
    });
    const given = await remote.invoke(services, 'ExecNotificationQuery', { ...request, flags: 0x30 });
    const enumerator = await dcom.unmarshal(given.enum!);
    const waiting = enumerator.invoke(enumClassObject, 'Next', { timeout: 500, count: 1 });
    await turns();
    await host.clock.advance(600);
    await turns();
    expect(await waiting).toMatchObject({ returned: 0, hresult: wbem.timedOut });
  });
});

it('logs in as Windows does, to any spelling of a namespace, and tells what is not there', async () => {
  const { login, dcom } = await machine();
  const id = await login.query(loginClientId.iid);
  expect(
    await id.invoke(loginClientId, 'SetClientInfo', { clientMachine: 'PC', clientProcessId: 4, reserved: 0 }),
  ).toEqual({ hresult: 0 });
  expect(await login.invoke(level1Login, 'RequestChallenge', { reserved1: null, reserved2: null })).toMatchObject({
    hresult: wbem.notSupported,
  });
  expect(await login.invoke(level1Login, 'WBEMLogin', {})).toEqual({ services: null, hresult: wbem.notImplemented });
  const into = async (networkResource: string, flags = 0) => {
    const request = { networkResource, preferredLocale: null, flags, context: null };
    return (await login.invoke(level1Login, 'NTLMLogin', request)).hresult;
  };
  for (const name of ['//./ROOT/microsoft/bits', '\\\\10.0.0.1\\root\\Microsoft\\BITS', 'root', '//HOST/root/cimv2'])
    expect([name, await into(name)]).toEqual([name, name.includes('cimv2') ? wbem.invalidNamespace : 0]);
  expect(await into('//./root/none')).toBe(wbem.invalidNamespace);
  expect(await into('root', 1)).toBe(wbem.invalidParameter);
  const given = await login.invoke(level1Login, 'NTLMLogin', {
    networkResource: 'root',
    preferredLocale: null,
    flags: 0,
    context: null,
  });
  const root = await dcom.unmarshal(given.services!);
  const request = { namespace: 'Microsoft\\BITS', flags: 0, context: null, workingNamespace: null, result: undefined };
  const opened = await root.invoke(services, 'OpenNamespace', request);
  expect(opened).toMatchObject({ hresult: 0, result: undefined });
  expect(opened.workingNamespace).toBeInstanceOf(Uint8Array);
});

it('lists namespaces and providers as instances', async () => {
  const client = clientOf(testHost());
  const names = async (namespace: string, className: string) => {
    const found: unknown[] = [];
    for await (const { properties } of client.enumerateInstances(namespace, className))
      found.push(properties.get('Name'));
    return found;
  };
  expect(await names('root', '__NAMESPACE')).toEqual(['Microsoft', 'Carmine']);
  expect(await names('root\\Microsoft', '__NAMESPACE')).toEqual(['BITS']);
  expect(await names(bitsNamespace, '__Win32Provider')).toEqual(['BitsClientProv', 'BitsCompactServerProv']);
});
