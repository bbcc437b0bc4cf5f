import { createNtlmAcceptor, createNtlmInitiator, ntOwfV1 } from '@carmine/auth';
import { authTypes, createMemoryDialer, createRpcClient, createRpcServer, sameSyntax } from '@carmine/dcerpc';
import { FakeClock, fromHex, SeededRandom, settle } from '@carmine/testkit';
import { nilGuid } from '@carmine/wire';
import { type NdrParameters, NdrReader, NdrWriter, ndrParameters, ndrU32 } from '@carmine/wire/ndr';
import { expect, it } from 'vitest';
import {
  comStatus,
  createDcomClient,
  createDcomServer,
  type DcomObject,
  defineInterface,
  defineMethod,
  emptyInterface,
  hresult,
  iids,
  implement,
  interfaceParameter,
  readObjRef,
} from '../src/index.ts';
import { readActivationRequest, writeActivationRequest } from '../src/messages/activation-properties.ts';
import { orpcThis, readOrpcThat } from '../src/messages/orpc.ts';
import { remUnknown } from '../src/messages/rem-unknown.ts';
import {
  remoteActivationRequest,
  remoteActivationResponse,
  resolveOxid2Response,
  resolveOxidRequest,
  serverAlive2Response,
} from '../src/messages/resolver.ts';

const clsid = '8bc3f05e-d86b-11d0-a075-00c04fb68820';
const counter = defineInterface('ICounter', '11111111-0000-0000-0000-000000000001', {
  Add: defineMethod(
    3,
    ndrParameters('Add', [['by', ndrU32]]),
    ndrParameters('Add', [
      ['sum', ndrU32],
      ['hresult', hresult],
    ]),
  ),
  Another: defineMethod(
    4,
    ndrParameters('Another', []),
    ndrParameters('Another', [
      ['object', interfaceParameter],
      ['hresult', hresult],
    ]),
  ),
});
const other = '11111111-0000-0000-0000-000000000002';

function machine() {
  const random = new SeededRandom(3);
  const clock = new FakeClock();
  const environment = { now: () => 0, randomBytes: (length: number) => random.bytes(length) };
  const accounts = (user: string) => ({
    name: `HOST\\${user}`,
    userSid: `S-1-5-21-1-2-3-${user.length}`,
    groupSids: [],
    ntHash: ntOwfV1('secret'),
  });
  let released = 0;
  const make = (): DcomObject => {
    let sum = 0;
    return {
      interfaces: [
        implement(counter, {
          Add: ({ by }) => {
            sum += by;
            return { sum, hresult: 0 };
          },
          Another: (_, call) => ({ object: call.marshal(make(), counter.iid), hresult: 0 }),
        }),
        emptyInterface(other),
      ],
      released: () => {
        released++;
      },
    };
  };
  const dcom = createDcomServer({
    classes: [{ clsid, create: make }],
    interfaces: [counter.iid, other],
    hosts: () => ['host.example', '192.0.2.7'],
    exporterPort: () => 5001,
    securities: [{ authnService: 9, principal: '' }],
    now: () => clock.now(),
    randomBytes: environment.randomBytes,
    limits: { objectsPerUser: 20 },
  });
  const accept = (type: number) =>
    type === authTypes.ntlm ? createNtlmAcceptor({ accounts, environment, hostName: 'HOST' }) : undefined;
  const resolver = createRpcServer({
    accept,
    firstAssociation: 1,
    find: (syntax) => dcom.resolver.find((each) => sameSyntax(each.syntax, syntax)),
  });
  const exporter = createRpcServer({
    accept,
    firstAssociation: 1,
    find: (syntax) => dcom.exporter(syntax),
    onClose: (connection) => dcom.connectionClosed(connection),
  });
  const dial = createMemoryDialer(
    new Map([
      [135, resolver],
      [5001, exporter],
    ]),
  );
  const security = (user: string) => ({
    type: authTypes.ntlm,
    level: 'privacy' as const,
    context: createNtlmInitiator({ credentials: { user, password: 'secret' }, environment }),
  });
  const client = (user = 'one') =>
    createDcomClient({
      dial,
      host: 'host.example',
      security: async () => security(user),
      randomBytes: environment.randomBytes,
      after: (delay, callback) => clock.after(delay, callback),
    });
  const rpc = async (port: number, user?: string) =>
    createRpcClient(await dial({ host: 'x', port }), user === undefined ? {} : { security: security(user) });
  return { dcom, client, rpc, clock, released: () => released };
}

async function ask<I, O>(
  connection: Awaited<ReturnType<ReturnType<typeof machine>['rpc']>>,
  uuid: string,
  opnum: number,
  request: NdrParameters<I> | undefined,
  input: I,
  response: NdrParameters<O>,
): Promise<O> {
  const writer = new NdrWriter();
  request?.write(writer, input);
  const { stub } = await connection.call({ syntax: { uuid, major: 0, minor: 0 }, opnum, stub: writer.toBytes() });
  return response.read(new NdrReader(stub));
}

it('activates an object, calls it, finds its other interfaces and lets it go', async () => {
  const { dcom, client, released } = machine();
  const dcomClient = client();
  const object = await dcomClient.activate(clsid, counter.iid);
  expect(await object.invoke(counter, 'Add', { by: 2 })).toEqual({ sum: 2, hresult: 0 });
  expect(await object.invoke(counter, 'Add', { by: 3 })).toEqual({ sum: 5, hresult: 0 });
  const second = await object.query(other);
  await expect(object.query('99999999-0000-0000-0000-000000000000')).rejects.toMatchObject({
    code: 'dcom/no-interface',
  });
  const { object: objref } = await object.invoke(counter, 'Another', {});
  const another = await dcomClient.unmarshal(objref!);
  expect(await another.invoke(counter, 'Add', { by: 1 })).toMatchObject({ sum: 1 });
  expect(dcom.objects).toBe(2);
  await object.release();
  expect(dcom.objects).toBe(2);
  await second.release();
  await another.release();
  expect([dcom.objects, released()]).toEqual([0, 2]);
  await expect(object.invoke(counter, 'Add', { by: 1 })).rejects.toMatchObject({ code: 'dcom/object-gone' });
});

it('refuses classes and interfaces that it does not have', async () => {
  const { dcom, client } = machine();
  await expect(client().activate(other, counter.iid)).rejects.toMatchObject({ code: 'dcom/class-not-registered' });
  await expect(client().activate(clsid, iids.classFactory)).rejects.toMatchObject({ code: 'dcom/no-interface' });
  expect(dcom.objects).toBe(0);
});

it("lets nobody use another's object, even with its IPID", async () => {
  const { client, rpc } = machine();
  const object = await client('one').activate(clsid, counter.iid);
  const { object: objref } = await object.invoke(counter, 'Another', {});
  const reference = readObjRef(objref!);
  const ipid = reference.kind === 'standard' ? reference.reference.ipid : '';
  const writer = new NdrWriter();
  const header = { version: { major: 5, minor: 7 }, flags: 0, reserved: 0, cid: nilGuid, extensions: null };
  orpcThis.write(writer, { header });
  counter.methods.Add.request.write(writer, { by: 1 });
  const call = { syntax: { uuid: counter.iid, major: 0, minor: 0 }, opnum: 3, stub: writer.toBytes(), object: ipid };
  await expect((await rpc(5001, 'three')).call(call)).rejects.toMatchObject({ kind: 'refused' });
  const { stub } = await (await rpc(5001, 'one')).call(call);
  const reader = new NdrReader(stub);
  readOrpcThat(reader);
  expect(counter.methods.Add.response.read(reader)).toEqual({ sum: 1, hresult: 0 });
});

it('tells faults as the document has them', async () => {
  const { client, rpc } = machine();
  const object = await client().activate(clsid, counter.iid);
  const { object: objref } = await object.invoke(counter, 'Another', {});
  const reference = readObjRef(objref!);
  const ipid = reference.kind === 'standard' ? reference.reference.ipid : '';
  const connection = await rpc(5001, 'one');
  const call = (changes: { minor?: number; flags?: number; ipid?: string; opnum?: number; stub?: Uint8Array }) => {
    const writer = new NdrWriter();
    const version = { major: 5, minor: changes.minor ?? 7 };
    orpcThis.write(writer, {
      header: { version, flags: changes.flags ?? 0, reserved: 0, cid: nilGuid, extensions: null },
    });
    writer.u32(1);
    return connection.call({
      syntax: { uuid: counter.iid, major: 0, minor: 0 },
      opnum: changes.opnum ?? 3,
      stub: changes.stub ?? writer.toBytes(),
      object: changes.ipid ?? ipid,
    });
  };
  await expect(call({ minor: 8 })).rejects.toMatchObject({ hresult: comStatus.versionMismatch });
  await expect(call({ flags: 1 })).rejects.toMatchObject({ hresult: comStatus.invalidHeader });
  await expect(call({ ipid: nilGuid })).rejects.toMatchObject({ hresult: comStatus.disconnected });
  await expect(call({ opnum: 77 })).rejects.toMatchObject({ hresult: 0x8007_06d1 });
  await expect(call({ stub: new Uint8Array(5) })).rejects.toMatchObject({ hresult: 0x8007_06f7 });
  expect((await call({ minor: 1 })).stub.length).toBe(16);
});

it('keeps what is pinged, and reclaims what is not', async () => {
  const { dcom, client, clock } = machine();
  const pinging = client('one');
  const kept = await pinging.activate(clsid, counter.iid);
  await kept.invoke(counter, 'Add', { by: 1 });
  const silent = client('three');
  const left = await silent.activate(clsid, counter.iid);
  await left.invoke(counter, 'Add', { by: 1 });
  silent.close();
  for (let minute = 0; minute < 10; minute++) {
    await clock.advance(60_000);
    for (let turn = 0; turn < 10; turn++) await settle();
    dcom.sweep();
    if (minute === 0) expect(dcom.objects).toBe(2);
  }
  expect(dcom.objects).toBe(1);
  expect(await kept.invoke(counter, 'Add', { by: 1 })).toMatchObject({ sum: 2 });
  pinging.close();
  for (let minute = 0; minute < 8; minute++) {
    await clock.advance(60_000);
    dcom.sweep();
  }
  expect(dcom.objects).toBe(0);
});

it('limits the objects of one user', async () => {
  const { client } = machine();
  const one = client('one');
  for (let i = 0; i < 20; i++) await one.activate(clsid, counter.iid);
  await expect(one.activate(clsid, counter.iid)).rejects.toMatchObject({ hresult: comStatus.outOfMemory });
  await client('three').activate(clsid, counter.iid);
});

it('tells anybody that it is alive, and nothing else', async () => {
  const { rpc } = machine();
  const nobody = await rpc(135);
  const alive = await ask(nobody, iids.objectExporter, 5, undefined, {}, serverAlive2Response);
  expect(alive).toMatchObject({ version: { major: 5, minor: 7 }, status: 0 });
  expect(alive.bindings?.strings.map(({ address }) => address)).toEqual(['host.example', '192.0.2.7']);
  const oxid = { oxid: 1n, protseqs: [7] };
  await expect(
    ask(nobody, iids.objectExporter, 4, resolveOxidRequest, oxid, resolveOxid2Response),
  ).rejects.toMatchObject({ kind: 'refused' });
  const somebody = await rpc(135, 'one');
  const answer = await ask(somebody, iids.objectExporter, 4, resolveOxidRequest, oxid, resolveOxid2Response);
  expect(answer).toMatchObject({ status: comStatus.invalidOxid, bindings: null });
});

it('activates by IActivation, with a result for each interface', async () => {
  const { rpc } = machine();
  const writer = new NdrWriter();
  const version = { major: 5, minor: 4 };
  orpcThis.write(writer, { header: { version, flags: 1, reserved: 0, cid: nilGuid, extensions: null } });
  const asked = [counter.iid, iids.classFactory, iids.unknown];
  remoteActivationRequest.write(writer, {
    clsid,
    objectName: null,
    storage: null,
    clientImpLevel: 2,
    mode: 0,
    iids: asked,
    protseqs: [7, 15, 16],
  });
  const syntax = { uuid: iids.activation, major: 0, minor: 0 };
  const { stub } = await (await rpc(135, 'one')).call({ syntax, opnum: 0, stub: writer.toBytes() });
  const reader = new NdrReader(stub);
  readOrpcThat(reader);
  const answer = remoteActivationResponse.read(reader);
  expect(answer).toMatchObject({ version, hresult: 0, results: [0, comStatus.noInterface, 0], status: 0 });
  expect(answer.bindings?.strings[0]).toEqual({ towerId: 7, address: 'host.example[5001]' });
  expect(answer.pointers.map((each) => (each === null ? null : readObjRef(each).iid))).toEqual([
    counter.iid,
    null,
    iids.unknown,
  ]);
});

it('reads the activation request of impacket, whose sizes are no multiples of eight', () => {
  const base = '0000000000000000c000000000000046';
  const id = (first: string) => first + base.slice(8);
  const hex = `4d454f5704000000${id('a2010000')}${id('38030000')}0000000000000000 7801000068010000
    0110 0800cccccccc 88000000cccccccc 68010000 98000000 00000000 02000000 04000000 ${'00'.repeat(16)} da2e0000 d6c60000 00000000
    04000000 ${id('ab010000')}${id('a5010000')}${id('a4010000')}${id('aa010000')} 04000000 58000000 28000000 20000000 30000000
    01100800cccccccc 44000000cccccccc 5ef0c38b6bd8d011a07500c04fb68820 00000000 00000000 00000000 01000000
    00000000 e26f0000 00000000 05000700 01000000 18ad09f36ad8d011a07500c04fb68820 fafafafa
    01100800cccccccc 18000000cccccccc ${'00'.repeat(24)} 01100800cccccccc 10000000cccccccc ${'00'.repeat(16)}
    01100800cccccccc 1a000000cccccccc 00000000 6bcd0000 00000000 0100aaaa 8ca10000 01000000 0700 fafafafafafa`;
  expect(readActivationRequest(fromHex(hex))).toEqual({ clsid, iids: ['f309ad18-d86a-11d0-a075-00c04fb68820'] });
  const own = { clsid, iids: [counter.iid, other] };
  expect(readActivationRequest(writeActivationRequest(own))).toEqual(own);
});

it('reads and writes the OBJREF and the query result that a Windows server sent', () => {
  const objref = `4d454f570100000099dc56958c82cf11a37e00aa003240c700000000050000006736217f507337050a73470f6a8c0f2a
    1b40010030050000032412059210a489`;
  expect(() => readObjRef(fromHex(objref))).toThrow(expect.objectContaining({ code: 'dcom/invalid-objref' }));
  const { response } = remUnknown.methods.RemQueryInterface;
  const stub = fromHex(`0000020001000000 0000000000000000 0000000005000000 6736217f50733705 1aa7cc5064dbe3f6
    34160100300500d75678286df5d5d9aa 00000000`);
  const value = response.read(new NdrReader(stub));
  expect(value).toMatchObject({ hresult: 0, results: [{ hresult: 0, reference: { flags: 0, publicRefs: 5 } }] });
  const writer = new NdrWriter();
  response.write(writer, value);
  expect(writer.toBytes()).toEqual(stub);
});
