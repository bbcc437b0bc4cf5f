import {
  faultStatus,
  type RpcCall,
  type RpcConnectionInfo,
  type RpcInterface,
  rpcFault,
  type SyntaxId,
} from '@carmine/dcerpc';
import { CarmineError } from '@carmine/errors';
import { guidOf } from '@carmine/wire';
import { NdrReader, NdrWriter } from '@carmine/wire/ndr';
import { comVersion, iids } from '../identifiers.ts';
import type { ActivatedInterface, ActivationRequest, ScmReply } from '../messages/activation-properties.ts';
import { type DualStringArray, tcpTower } from '../messages/dual-string-array.ts';
import { writeObjRef } from '../messages/objref.ts';
import { writeOrpcThat } from '../messages/orpc.ts';
import { comStatus } from '../status.ts';
import { createActivation, createScmActivator, defaultAuthnHint } from './activation.ts';
import { createObjectExporter } from './object-exporter.ts';
import { type ExportedInterface, ObjectTable } from './object-table.ts';
import { checkOrpcThis } from './orpc-header.ts';
import { PingSets } from './ping-sets.ts';
import { createRemUnknown } from './rem-unknown.ts';
import { type DcomObject, type DcomServerOptions, defaultDcomLimits, type OrpcCall } from './types.ts';

/** The object layer of a server, to be put on two RPC servers: resolver (135) and exporter. */
export interface DcomServer {
  /** What the resolver has: IObjectExporter, IRemoteSCMActivator, IActivation. */
  readonly resolver: readonly RpcInterface[];
  /** What the exporter has: every interface that objects may have; the IPID decides which object is called. */
  exporter(syntax: SyntaxId): RpcInterface | undefined;
  /** Objects that are exported now. */
  readonly objects: number;
  /** To be told by the exporter of connections that ended. */
  connectionClosed(connection: RpcConnectionInfo): void;
  /** Reclaims what nobody holds any longer; the shell calls it now and then. */
  sweep(): void;
  /** Exports an object to whoever calls back, for one user; its OBJREF. */
  marshal(object: DcomObject, iid: string, call: Pick<RpcCall, 'token' | 'connection'>): Uint8Array;
  /** Takes everything back. */
  close(): void;
}

/**
 * DCOM as a server ([MS-DCOM] 3.1): activation, object references, dispatch by IPID, pinging. Objects belong to the user who got them;
 * others' calls are refused.
 */
export function createDcomServer(options: DcomServerOptions): DcomServer {
  const { now, randomBytes, authnHint = defaultAuthnHint } = options;
  const limits = { ...defaultDcomLimits, ...options.limits };
  const table = new ObjectTable({ now, randomBytes, limits });
  const pings = new PingSets({
    now,
    newId: () => new DataView(randomBytes(8).slice().buffer).getBigUint64(0) || 1n,
    perUser: limits.pingSetsPerUser,
    objects: limits.objectsPerPingSet,
  });
  const ipidRemUnknown = guidOf(randomBytes(16));
  const remUnknown = createRemUnknown(table, ({ connection }) => resolverBindings(connection));
  const byIid = new Map(remUnknown.interfaces.map((each) => [each.iid, each]));

  function bindings(connection: RpcConnectionInfo, suffix: string): DualStringArray {
    const strings = options.hosts(connection).map((host) => ({ towerId: tcpTower, address: `${host}${suffix}` }));
    return { strings, securities: options.securities };
  }

  function resolverBindings(connection: RpcConnectionInfo): DualStringArray {
    const port = options.resolverPort?.() ?? standardPort;
    return bindings(connection, port === standardPort ? '' : `[${port}]`);
  }

  function exporterReply({ connection }: Pick<RpcCall, 'connection'>): ScmReply {
    return {
      oxid: table.oxid,
      bindings: bindings(connection, `[${options.exporterPort()}]`),
      ipidRemUnknown,
      authnHint,
      serverVersion: comVersion,
    };
  }

  function marshal(object: DcomObject, iid: string, { token, connection }: Pick<RpcCall, 'token' | 'connection'>) {
    const reference = table.reference(table.export(object, token), iid, referencesGiven);
    if (reference === undefined) throw new CarmineError('dcom/no-interface', { context: { iid } });
    return writeObjRef({ kind: 'standard', iid, reference, bindings: resolverBindings(connection) });
  }

  function orpcCall(call: RpcCall): OrpcCall {
    const { token, level, connection, signal } = call;
    return { token, level, connection, signal, marshal: (object, iid) => marshal(object, iid, call) };
  }

  function activate({ clsid, iids: asked }: ActivationRequest, classObject: boolean, call: RpcCall) {
    const found = options.classes.find((each) => each.clsid === clsid);
    if (found === undefined) throw new CarmineError('dcom/class-not-registered', { context: { clsid } });
    const make = classObject ? found.classObject?.bind(found) : found.create.bind(found);
    if (make === undefined) throw new CarmineError('dcom/class-not-registered', { context: { clsid } });
    const object = make(orpcCall(call));
    const exported = table.export(object, call.token);
    const interfaces = asked.map((iid): ActivatedInterface => {
      const reference = table.reference(exported, iid, referencesGiven);
      if (reference === undefined) return { iid, hresult: comStatus.noInterface, objref: null };
      const objref = writeObjRef({ kind: 'standard', iid, reference, bindings: resolverBindings(call.connection) });
      return { iid, hresult: 0, objref };
    });
    if (interfaces.every(({ objref }) => objref === null)) {
      table.remove(exported);
      throw new CarmineError('dcom/no-interface', { context: { iid: asked[0] ?? '' } });
    }
    return interfaces;
  }

  async function invoke(call: RpcCall): Promise<Uint8Array> {
    const reader = new NdrReader(call.stub, { what: 'ORPC call', littleEndian: call.littleEndian });
    checkOrpcThis(reader, 'call');
    const ipid = call.object;
    if (ipid === undefined) throw rpcFault(comStatus.disconnected);
    if (ipid === ipidRemUnknown) {
      // Both have the same first three methods; clients bind either, or neither.
      const target = byIid.get(call.opnum === 6 ? iids.remUnknown2 : iids.remUnknown);
      return await run(target?.handlers.get(call.opnum), reader, call);
    }
    const found = table.findInterface(ipid);
    if (found === undefined) throw rpcFault(comStatus.disconnected);
    if (found.owner.owner !== call.token.userSid) throw rpcFault(faultStatus.accessDenied);
    return await runOn(found, reader, call);
  }

  async function runOn(found: ExportedInterface, reader: NdrReader, call: RpcCall): Promise<Uint8Array> {
    const { owner } = found;
    owner.connections.add(call.connection.id);
    owner.orphaned = false;
    owner.running++;
    try {
      return await run(found.implementation.handlers.get(call.opnum), reader, call);
    } finally {
      owner.running--;
      owner.used = now();
    }
  }

  async function run(
    handler: ((reader: NdrReader, call: OrpcCall) => Promise<(writer: NdrWriter) => void>) | undefined,
    reader: NdrReader,
    call: RpcCall,
  ): Promise<Uint8Array> {
    if (handler === undefined) throw rpcFault(faultStatus.opnumRange);
    const write = await handler(reader, orpcCall(call));
    const writer = new NdrWriter();
    writeOrpcThat(writer);
    write(writer);
    return writer.toBytes();
  }

  const activator = { activate, exporter: exporterReply };
  const services = new Map(
    [iids.unknown, iids.remUnknown, iids.remUnknown2, ...options.interfaces].map((uuid) => [
      uuid,
      { syntax: { uuid, major: 0, minor: 0 }, invoke },
    ]),
  );
  return {
    resolver: [
      createObjectExporter({
        oxid: table.oxid,
        pings,
        exporter: exporterReply,
        resolverBindings: ({ connection }) => resolverBindings(connection),
      }),
      createScmActivator(activator),
      createActivation(activator),
    ],
    exporter: ({ uuid, major, minor }) => (major === 0 && minor === 0 ? services.get(uuid) : undefined),
    get objects() {
      return table.size;
    },
    connectionClosed({ id }) {
      for (const exported of table.objects) {
        if (!exported.connections.delete(id) || exported.connections.size > 0) continue;
        exported.orphaned = true;
        exported.used = now();
      }
    },
    sweep() {
      const pinged = pings.sweep(pingPeriod * periods);
      for (const exported of table.objects) {
        if (exported.running > 0) continue;
        const last = Math.max(exported.used, pinged.get(exported.oid) ?? exported.used);
        // Losing the connection is no release: who comes back within a period finds his objects.
        const patience = exported.orphaned && !pinged.has(exported.oid) ? pingPeriod : pingPeriod * periods;
        if (now() - last >= patience) table.remove(exported);
      }
    },
    marshal,
    close() {
      for (const exported of table.objects) table.remove(exported);
    },
  };
}

/** [MS-DCOM] 3.1.2.2: a set is kept for three periods of two minutes. */
const pingPeriod = 120_000;
const periods = 3;
/** References that every OBJREF carries, as Windows' do. */
const referencesGiven = 5;
const standardPort = 135;
