import { CarmineError, isCarmineError } from '@carmine/errors';
import { type NdrParameters, NdrReader, NdrWriter } from '@carmine/wire/ndr';
import { iids } from '../identifiers.ts';
import {
  type AnyMethod,
  defineMethod,
  type InterfaceDefinition,
  type RequestOf,
  type ResponseOf,
} from '../interface.ts';
import { readActivationReply, writeActivationRequest } from '../messages/activation-properties.ts';
import { type DualStringArray, portOf, tcpTower } from '../messages/dual-string-array.ts';
import { noPingFlag, readObjRef, type StandardReference } from '../messages/objref.ts';
import { requirePointer } from '../messages/orpc.ts';
import { remUnknown } from '../messages/rem-unknown.ts';
import {
  activatorResponse,
  complexPingRequest,
  complexPingResponse,
  createInstanceRequest,
  resolveOxid2Response,
  resolveOxidRequest,
  simplePingRequest,
  statusResponse,
} from '../messages/resolver.ts';
import { LazyConnection, OrpcChannel, withDeadline } from './exporter.ts';
import type { DcomClientOptions, InvokeOptions } from './types.ts';

/** An interface of an object elsewhere. */
export interface RemoteObject {
  readonly iid: string;
  /** Calls a method; its HRESULT is part of the answer. */
  invoke<M extends Readonly<Record<string, AnyMethod>>, K extends keyof M & string>(
    definition: InterfaceDefinition<M>,
    method: K,
    input: RequestOf<M[K]>,
    options?: InvokeOptions,
  ): Promise<ResponseOf<M[K]>>;
  /** Another interface of the same object; throws `dcom/no-interface`. */
  query(iid: string, options?: InvokeOptions): Promise<RemoteObject>;
  /** Gives the references back; nobody need wait for it, and it does not fail. */
  release(): Promise<void>;
  /** The connection over which it was called is gone, and it with it. */
  readonly lost: boolean;
  /** Whether a call may take its time without holding up others; known after the first one. */
  readonly concurrent: boolean;
}

/** DCOM as a client of one machine. */
export interface DcomClient {
  /** Creates an object there; throws `dcom/class-not-registered`, `dcom/no-interface`, `auth/…`, `rpc/…`. */
  activate(clsid: string, iid: string, options?: InvokeOptions): Promise<RemoteObject>;
  /** What an OBJREF refers to. Throws `dcom/invalid-objref` for one by value. */
  unmarshal(objref: Uint8Array, options?: InvokeOptions): Promise<RemoteObject>;
  /** Forgets connections and objects; the next activation begins anew. */
  reset(): void;
  close(): void;
}

interface Exporter {
  readonly channel: OrpcChannel;
  readonly ipidRemUnknown: string;
  readonly oxid: bigint;
}

export function createDcomClient(options: DcomClientOptions): DcomClient {
  return new Client(options);
}

class Client implements DcomClient {
  readonly #options: DcomClientOptions;
  #resolver: OrpcChannel;
  readonly #exporters = new Map<bigint, Exporter>();
  /** OIDs that are held, with how many interfaces of each. */
  readonly #held = new Map<bigint, number>();
  #pinged = new Set<bigint>();
  #set = 0n;
  #sequence = 0;
  #cancelPing: (() => void) | undefined;
  #closed = false;

  constructor(options: DcomClientOptions) {
    this.#options = options;
    this.#resolver = this.#openResolver();
  }

  async activate(clsid: string, iid: string, options?: InvokeOptions): Promise<RemoteObject> {
    const properties = writeActivationRequest({ clsid, iids: [iid] });
    const answer = await this.#resolver.invoke(
      activatorSyntax,
      createInstance,
      undefined,
      { outer: null, properties },
      options,
    );
    if (answer.hresult !== 0) throw activationError(answer.hresult, clsid, iid);
    const reply = readActivationReply(requirePointer(answer.properties, 'the reply'));
    const [first] = reply.interfaces;
    if (first === undefined || first.hresult !== 0) throw new CarmineError('dcom/no-interface', { context: { iid } });
    const { oxid, bindings, ipidRemUnknown } = reply.scm;
    this.#exporter(oxid, bindings, ipidRemUnknown);
    return await this.unmarshal(requirePointer(first.objref, iid), options);
  }

  async unmarshal(objref: Uint8Array, options: InvokeOptions = {}): Promise<RemoteObject> {
    const read = readObjRef(objref);
    if (read.kind !== 'standard')
      throw new CarmineError('dcom/invalid-objref', { context: { reason: 'an object by value' } });
    const { reference, iid } = read;
    const exporter = this.#exporters.get(reference.oxid) ?? (await this.#resolve(reference.oxid, options));
    return this.#hold(exporter, iid, reference);
  }

  reset(): void {
    this.#resolver.connection.close();
    for (const { channel } of this.#exporters.values()) channel.connection.close();
    this.#exporters.clear();
    this.#held.clear();
    this.#pinged = new Set();
    this.#set = 0n;
    this.#cancelPing?.();
    this.#cancelPing = undefined;
    if (!this.#closed) this.#resolver = this.#openResolver();
  }

  close(): void {
    this.#closed = true;
    this.reset();
  }

  #openResolver(): OrpcChannel {
    const port = this.#options.resolverPort ?? 135;
    return new OrpcChannel(this.#options, new LazyConnection(this.#options, port, 'RPCSS'));
  }

  async #resolve(oxid: bigint, options: InvokeOptions): Promise<Exporter> {
    const answer = await this.#ask(
      4,
      resolveOxidRequest,
      { oxid, protseqs: [tcpTower] },
      resolveOxid2Response,
      options,
    );
    if (answer.status !== 0) throw new CarmineError('dcom/object-gone');
    return this.#exporter(oxid, answer.bindings, answer.ipidRemUnknown);
  }

  #exporter(oxid: bigint, bindings: DualStringArray | null, ipidRemUnknown: string): Exporter {
    const known = this.#exporters.get(oxid);
    if (known !== undefined && !known.channel.connection.lost) return known;
    const port = bindings?.strings
      .filter(({ towerId }) => towerId === tcpTower)
      .map(portOf)
      .find((each) => each !== undefined);
    if (port === undefined)
      throw new CarmineError('dcom/invalid-objref', { context: { reason: 'no TCP port of the exporter' } });
    const channel = new OrpcChannel(this.#options, new LazyConnection(this.#options, port, 'host'));
    const exporter = { channel, ipidRemUnknown, oxid };
    this.#exporters.set(oxid, exporter);
    return exporter;
  }

  #hold(exporter: Exporter, iid: string, reference: StandardReference): RemoteObject {
    const { channel } = exporter;
    const { oid, ipid } = reference;
    const pings = (reference.flags & noPingFlag) === 0;
    let refs = reference.publicRefs;
    if (pings) this.#keep(oid);
    const release = async (): Promise<void> => {
      if (refs === 0) return;
      const publicRefs = refs;
      refs = 0;
      if (pings) this.#letGo(oid);
      if (channel.connection.lost) return;
      const references = [{ ipid, publicRefs, privateRefs: 0 }];
      const done = channel.invoke(
        remUnknownSyntax,
        remUnknown.methods.RemRelease,
        exporter.ipidRemUnknown,
        { references },
        { timeout: releaseTimeout },
      );
      // What cannot be told expires by itself.
      await done.then(
        () => {},
        () => {},
      );
    };
    return {
      iid,
      get lost() {
        return channel.connection.lost;
      },
      get concurrent() {
        return channel.connection.multiplexing;
      },
      invoke: (definition, method, input, options) =>
        channel.invoke({ uuid: definition.iid, major: 0, minor: 0 }, definition.methods[method]!, ipid, input, options),
      query: async (wanted, options) => {
        const request = { ipid, refs: 5, iids: [wanted] };
        const { RemQueryInterface } = remUnknown.methods;
        const { results } = await channel.invoke(
          remUnknownSyntax,
          RemQueryInterface,
          exporter.ipidRemUnknown,
          request,
          options,
        );
        const [found] = results ?? [];
        if (found === undefined || found.hresult !== 0)
          throw new CarmineError('dcom/no-interface', { context: { iid: wanted } });
        return this.#hold(exporter, wanted, found.reference);
      },
      release,
    };
  }

  #keep(oid: bigint): void {
    this.#held.set(oid, (this.#held.get(oid) ?? 0) + 1);
    this.#schedulePing();
  }

  #letGo(oid: bigint): void {
    const left = (this.#held.get(oid) ?? 1) - 1;
    if (left > 0) this.#held.set(oid, left);
    else this.#held.delete(oid);
  }

  #schedulePing(): void {
    if (this.#cancelPing !== undefined || this.#closed) return;
    this.#cancelPing = this.#options.after(this.#options.pingPeriod ?? defaultPingPeriod, () => {
      this.#cancelPing = undefined;
      this.#ping().then(
        () => {
          if (this.#held.size > 0) this.#schedulePing();
        },
        // A ping that got lost is followed by the next one; three have to be.
        () => {
          this.#set = 0n;
          this.#pinged = new Set();
          if (this.#held.size > 0) this.#schedulePing();
        },
      );
    });
  }

  /** [MS-DCOM] 3.2.6.1: ComplexPing when something changed, else SimplePing. */
  async #ping(): Promise<void> {
    const add = [...this.#held.keys()].filter((oid) => !this.#pinged.has(oid));
    const remove = [...this.#pinged].filter((oid) => !this.#held.has(oid));
    if (this.#set === 0n && add.length === 0) return;
    if (add.length === 0 && remove.length === 0) {
      const { status } = await this.#ask(1, simplePingRequest, { setId: this.#set }, statusResponse, {});
      if (status !== 0) throw new CarmineError('dcom/object-gone');
      return;
    }
    const request = { setId: this.#set, sequence: ++this.#sequence, add, remove };
    const { setId, status } = await this.#ask(2, complexPingRequest, request, complexPingResponse, {});
    if (status !== 0) throw new CarmineError('dcom/object-gone');
    this.#set = setId;
    this.#pinged = new Set(this.#held.keys());
  }

  /** An operation of IObjectExporter, which has no ORPCTHIS. */
  #ask<I, O>(
    opnum: number,
    request: NdrParameters<I>,
    input: I,
    response: NdrParameters<O>,
    options: InvokeOptions,
  ): Promise<O> {
    const writer = new NdrWriter();
    request.write(writer, input);
    return withDeadline(this.#options, options, async (signal) => {
      const connection = await this.#resolver.connection.open(signal);
      const { stub, littleEndian } = await connection.call({
        syntax: exporterSyntax,
        opnum,
        stub: writer.toBytes(),
        signal,
      });
      return response.read(new NdrReader(stub, { what: response.name, littleEndian }));
    });
  }
}

function activationError(hresult: number, clsid: string, iid: string): CarmineError {
  switch (hresult) {
    case 0x8004_0154:
      return new CarmineError('dcom/class-not-registered', { context: { clsid } });
    case 0x8000_4002:
      return new CarmineError('dcom/no-interface', { context: { iid } });
    case 0x8007_0005:
    case 5:
      return new CarmineError('auth/access-denied');
    default:
      return new CarmineError('rpc/fault', {
        context: { status: `0x${hresult.toString(16)}`, value: hresult },
        hresult,
      });
  }
}

/** Whether an error says that an object or its process is gone, so that everything has to be got anew. */
export function isGone(error: unknown): boolean {
  return isCarmineError(error, 'rpc/disconnected') || isCarmineError(error, 'dcom/object-gone');
}

const createInstance = defineMethod(4, createInstanceRequest, activatorResponse);
const activatorSyntax = { uuid: iids.remoteScmActivator, major: 0, minor: 0 };
const exporterSyntax = { uuid: iids.objectExporter, major: 0, minor: 0 };
const remUnknownSyntax = { uuid: iids.remUnknown, major: 0, minor: 0 };
/** Milliseconds. */
const defaultPingPeriod = 120_000;
const releaseTimeout = 5_000;
