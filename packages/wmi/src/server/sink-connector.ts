import type { RpcDialer } from '@carmine/dcerpc';
import {
  createDcomClient,
  type OrpcCall,
  portOf,
  type RemoteObject,
  readObjRef,
  type SecurityProvider,
} from 'node-dcom-lite';
import type { WmiEnvironment } from './types.ts';

export interface SinkConnectorOptions {
  readonly dial: RpcDialer;
  readonly environment: WmiEnvironment;
  /** How this machine proves to a client's host who it is; packet privacy. */
  readonly security: (host: string) => SecurityProvider;
}

/**
 * Reaches the sinks of asynchronous calls. Whatever addresses a client names, only the one that it called from is connected to: a
 * caller must not send this machine, and its credentials, elsewhere.
 */
export function createSinkConnector(options: SinkConnectorOptions) {
  const { dial, environment, security } = options;
  return async (objref: Uint8Array, call: OrpcCall): Promise<RemoteObject> => {
    const read = readObjRef(objref);
    const { source } = call.connection;
    const port =
      read.kind === 'standard' ? read.bindings.strings.map(portOf).find((each) => each !== undefined) : undefined;
    const dcom = createDcomClient({
      dial,
      host: source,
      resolverPort: port,
      security: security(source),
      randomBytes: environment.randomBytes,
      after: environment.after,
      callTimeout: sinkTimeout,
    });
    try {
      const sink = await dcom.unmarshal(objref, { signal: call.signal });
      return {
        iid: sink.iid,
        get lost() {
          return sink.lost;
        },
        get concurrent() {
          return sink.concurrent;
        },
        invoke: sink.invoke,
        query: sink.query,
        async release() {
          await sink.release();
          dcom.close();
        },
      };
    } catch (error) {
      dcom.close();
      throw error;
    }
  };
}

/** Milliseconds: a client that takes longer with its results gets no more. */
const sinkTimeout = 30_000;
