import type { RpcSecurityContext } from '@carmine/auth';
import { bitsNamespace, createDispatcher } from '@carmine/cim';
import type { JobProvider } from '@carmine/core';
import { createMemoryDialer, type RpcServer, type RpcServerConnection } from '@carmine/dcerpc';
import { wellKnownSids } from '@carmine/security';
import { SeededRandom } from '@carmine/testkit';
import { createWmiHost, createWmiOperations, type WmiHost } from '@carmine/wmi';
import { createDcomClient } from 'node-dcom-lite';
import { fuzzJobs } from './jobs.ts';

/** PDUs of one connection, in the order in which they were sent. */
export interface RecordedConnection {
  readonly port: number;
  readonly sent: Uint8Array[];
  readonly received: Uint8Array[];
}

/**
 * A context that proves and protects nothing, so that what is fuzzed is what stands behind the signatures: nobody who cannot sign gets
 * there.
 */
function openContext(first?: Uint8Array): RpcSecurityContext {
  const token = new Uint8Array(16);
  return {
    mechanism: 'ntlm',
    complete: true,
    step: () => first,
    wrap: (data) => ({ header: token, data }),
    unwrap: ({ data }) => data,
    sign: () => token,
    verify: () => {},
    sessionKey: token,
    peer: { name: 'FILES\\admin', userSid: 'S-1-5-21-1-2-3-1000', groupSids: [wellKnownSids.administrators] },
    pduTokenLength: () => token.length,
    signPdu: () => token,
    verifyPdu: () => {},
    sealPdu: ({ body }) => ({ body, token }),
    openPdu: ({ body }) => body,
  };
}

/** The same host every time: the same calls give the same identifiers. */
export function newHost(): WmiHost {
  const random = new SeededRandom(20);
  const jobs: JobProvider = fuzzJobs();
  return createWmiHost({
    dispatcher: createDispatcher({ providers: { jobs } }),
    environment: { now: () => 0, after: () => () => {}, randomBytes: (length) => random.bytes(length) },
    machine: 'FILES',
    hosts: () => ['127.0.0.1', 'files.example'],
    resolverPort: () => 135,
    exporterPort: () => 5001,
    accept: () => openContext(),
  });
}

/** A client's whole session: activation, login, every kind of call. */
export async function recordSession(): Promise<readonly RecordedConnection[]> {
  const host = newHost();
  const connections: RecordedConnection[] = [];
  const record = (server: RpcServer, port: number): RpcServer => ({
    connect(peer) {
      const connection = server.connect(peer);
      const recorded: RecordedConnection = { port, sent: [], received: [] };
      connections.push(recorded);
      return recording(connection, recorded);
    },
  });
  const dial = createMemoryDialer(
    new Map([
      [135, record(host.resolver, 135)],
      [5001, record(host.exporter, 5001)],
    ]),
  );
  const random = new SeededRandom(21);
  const dcom = createDcomClient({
    dial,
    host: '127.0.0.1',
    security: async () => ({ type: 10, level: 'privacy', context: openContext(Uint8Array.of(1, 2, 3, 4)) }),
    randomBytes: (length) => random.bytes(length),
    after: () => () => {},
  });
  const client = createWmiOperations({ dcom });
  const className = 'BitsClientJob';
  const keys = new Map([['JobId', '{00000000-0000-4000-8000-000000000001}']]);
  const path = { namespace: bitsNamespace, className, keys };
  for await (const _ of client.enumerateInstances(bitsNamespace, className)) {
    // All of them.
  }
  for await (const _ of client.executeQuery(bitsNamespace, `select JobId, State from ${className} where State = 4`)) {
    // All of them.
  }
  await client.getInstance(path);
  await client.modifyInstance(path, new Map([['Priority', 1]]));
  await client.invokeMethod(path, 'SetJobState', new Map([['JobState', 3]]));
  await client.deleteInstance(path).catch(() => {});
  return connections;
}

function recording(connection: RpcServerConnection, recorded: RecordedConnection): RpcServerConnection {
  return {
    receive(bytes) {
      recorded.sent.push(bytes);
      connection.receive(bytes);
    },
    poll() {
      const output = connection.poll();
      if (output instanceof Uint8Array) recorded.received.push(output);
      return output;
    },
    close: () => connection.close(),
    get onOutput() {
      return connection.onOutput;
    },
    set onOutput(callback) {
      connection.onOutput = callback;
    },
    get authenticated() {
      return connection.authenticated;
    },
    get congested() {
      return connection.congested;
    },
    get busy() {
      return connection.busy;
    },
    get info() {
      return connection.info;
    },
  };
}
