import type { RpcConnectionInfo } from '@carmine/dcerpc';
import type { Token } from '@carmine/security';
import { type NdrReader, type NdrWriter, ndrParameters } from '@carmine/wire/ndr';
import type { AnyMethod, InterfaceDefinition, RequestOf, ResponseOf } from '../interface.ts';
import type { SecurityBinding } from '../messages/dual-string-array.ts';

/** One call of a method, as implementations see it. */
export interface OrpcCall {
  readonly token: Token;
  /** See authLevels of @carmine/dcerpc. */
  readonly level: number;
  readonly connection: RpcConnectionInfo;
  /** Ends when the client cancels or is gone. */
  readonly signal: AbortSignal;
  /** The OBJREF by which the caller reaches an object of this process: five references of its interface. */
  readonly marshal: (object: DcomObject, iid: string) => Uint8Array;
}

type OrpcHandler = (reader: NdrReader, call: OrpcCall) => Promise<(writer: NdrWriter) => void>;

/** An interface as an object has it. */
export interface Implementation {
  readonly iid: string;
  /** By opnum. */
  readonly handlers: ReadonlyMap<number, OrpcHandler>;
}

/** What can be exported. IUnknown is every object's. */
export interface DcomObject {
  readonly interfaces: readonly Implementation[];
  /** Nobody refers to it any longer. */
  released?(): void;
}

/** A class that clients may activate. */
export interface DcomClass {
  readonly clsid: string;
  /** Interfaces of its objects that the exporter may be bound to, besides those it was told of. */
  readonly interfaces?: readonly string[] | undefined;
  /** A new object for a caller; throws a CarmineError whose HRESULT is the answer. */
  create(call: OrpcCall): DcomObject;
  /** The class object, where there is one. */
  classObject?(call: OrpcCall): DcomObject;
}

type Handlers<M extends Readonly<Record<string, AnyMethod>>> = {
  readonly [K in keyof M]: (request: RequestOf<M[K]>, call: OrpcCall) => ResponseOf<M[K]> | Promise<ResponseOf<M[K]>>;
};

/** Binds an interface's methods to functions. */
export function implement<M extends Readonly<Record<string, AnyMethod>>>(
  definition: InterfaceDefinition<M>,
  handlers: Handlers<M>,
): Implementation {
  const byOpnum = new Map<number, OrpcHandler>();
  for (const [name, { opnum, request, response }] of Object.entries(definition.methods)) {
    const handler = handlers[name as keyof M] as (input: unknown, call: OrpcCall) => unknown;
    byOpnum.set(opnum, async (reader, call) => {
      const output: unknown = await handler(request.read(reader), call);
      return (writer) => response.write(writer, output);
    });
  }
  return { iid: definition.iid, handlers: byOpnum };
}

/** An interface without methods: IUnknown, or one that only has to be there. */
export function emptyInterface(iid: string): Implementation {
  return { iid, handlers: new Map() };
}

export interface DcomLimits {
  readonly objects: number;
  readonly objectsPerUser: number;
  readonly pingSetsPerUser: number;
  readonly objectsPerPingSet: number;
}

export const defaultDcomLimits: DcomLimits = {
  objects: 20_000,
  objectsPerUser: 5_000,
  pingSetsPerUser: 256,
  objectsPerPingSet: 10_000,
};

export interface DcomServerOptions {
  readonly classes: readonly DcomClass[];
  /** The interfaces that objects here may have, besides IUnknown and IRemUnknown: what the exporter may be bound to. */
  readonly interfaces: readonly string[];
  /** Names and addresses by which a client at this connection reaches this machine, the one that it used first. */
  readonly hosts: (connection: RpcConnectionInfo) => readonly string[];
  /** Of the object exporter, known once it listens. */
  readonly exporterPort: () => number;
  /** Written into resolver bindings where it is not 135, which Windows never does; clients of this package read it. */
  readonly resolverPort?: (() => number) | undefined;
  /** What clients may authenticate with. */
  readonly securities: readonly SecurityBinding[];
  /** The level that clients are told to use: 6, packet privacy, unless told otherwise. */
  readonly authnHint?: number | undefined;
  /** Milliseconds; only differences matter. */
  readonly now: () => number;
  readonly randomBytes: (length: number) => Uint8Array;
  readonly limits?: Partial<DcomLimits> | undefined;
  /** Told of failures that are our own. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** For messages without parameters. */
export const noParameters = ndrParameters('nothing', []);
