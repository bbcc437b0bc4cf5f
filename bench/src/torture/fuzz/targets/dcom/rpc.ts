import { createRpcClient, type RpcServerConnection, type RpcStream } from '@carmine/dcerpc';
import { concatBytes } from '@carmine/wire';
import { BrokenPromise, type FuzzSeed, type FuzzTarget, remoteOrRefused } from '../../target.ts';
import { newHost, type RecordedConnection, recordSession } from './session.ts';

const request = 0;
const objectUuid = 0x80;

/** Whole PDUs of a session, at a server that has all objects of it; and a server's answers at a client. */
export async function rpcPduTarget(): Promise<FuzzTarget> {
  const connections = await recordSession();
  return {
    seeds: [...serverSeeds(connections, 'PDU', (_, input) => input), ...clientSeeds(connections)],
    dictionary: ['\x05\0\x0b\x03', '\x05\0\0\x83', '\x10\0\0\0'],
    maximum: 65_535,
    documented: remoteOrRefused,
  };
}

/** The NDR stubs alone: the PDU around is right, whatever the stub. */
export async function rpcStubTarget(): Promise<FuzzTarget> {
  const connections = await recordSession();
  const seeds = serverSeeds(connections, 'stub', rebuild).map((seed) => ({ ...seed, input: stubOf(seed.input) }));
  return { seeds, dictionary: ['\0\0\x02\0', 'MEOW', '\xff\xff\xff\xff'], maximum: 5700, documented: remoteOrRefused };
}

function serverSeeds(
  connections: readonly RecordedConnection[],
  what: string,
  toPdu: (seed: Uint8Array, input: Uint8Array) => Uint8Array,
): FuzzSeed[] {
  let [host, used] = [newHost(), reuse];
  /** What is bound before anything is called; and what made the objects. */
  const open = (port: number, calls: boolean): RpcServerConnection => {
    const server = port === 135 ? host.resolver : host.exporter;
    const connection = server.connect({ source: '127.0.0.1', localAddress: '127.0.0.1', localPort: port });
    for (const recorded of connections)
      if (recorded.port === port)
        for (const pdu of recorded.sent)
          if (calls ? !isRelease(pdu) : pdu[2] !== request) connection.receive(pdu.slice());
    return connection;
  };
  const fresh = async (): Promise<void> => {
    if (used++ < reuse) return;
    [host, used] = [newHost(), 0];
    for (const port of [135, 5001]) {
      const connection = open(port, true);
      await settled(connection);
    }
  };
  const pdus = connections.flatMap(({ port, sent }) => sent.map((pdu) => ({ port, pdu })));
  return pdus
    .filter(({ pdu }) => what === 'PDU' || pdu[2] === request)
    .map(({ port, pdu }, number) => ({
      name: `rpc ${what} ${number} at ${port}`,
      input: pdu,
      async feed(input) {
        await fresh();
        const connection = open(port, false);
        while (connection.poll() !== undefined);
        connection.receive(toPdu(pdu, input));
        const octets = await settled(connection);
        connection.close();
        if (octets > largestAnswer) throw new BrokenPromise(`an answer of ${octets} octets`);
        return undefined;
      },
    }));
}

/** What a hostile server can say to a client that waits for the answer to a call. */
function clientSeeds(connections: readonly RecordedConnection[]): FuzzSeed[] {
  return connections
    .flatMap(({ received }) => received)
    .slice(0, 12)
    .map((input, number) => ({
      name: `rpc answer ${number} at a client`,
      input,
      async feed(mutated) {
        const stream: RpcStream = { send: () => {}, onData: () => {}, onClose: () => {}, close: () => {} };
        const client = createRpcClient(stream);
        const call = client.call({
          syntax: { uuid: '000001a0-0000-0000-c000-000000000046', major: 0, minor: 0 },
          opnum: 4,
          stub: new Uint8Array(8),
        });
        const ended = call.then(
          () => {},
          () => {},
        );
        stream.onData(mutated);
        client.close();
        await ended;
        return undefined;
      },
    }));
}

/** Lets calls come to their end; the octets of what was answered. */
async function settled(connection: RpcServerConnection): Promise<number> {
  let octets = 0;
  for (let turn = 0; turn < 200; turn++) {
    for (let output = connection.poll(); output !== undefined; output = connection.poll())
      octets += output === 'close' ? 0 : output.length;
    if (!connection.busy) break;
    await Promise.resolve();
  }
  return octets;
}

function isRelease(pdu: Uint8Array): boolean {
  return pdu[2] === request && pdu[22] === 5 && pdu.length < 220;
}

/** Recorded PDUs are single fragments with 24 octets of trailer and token. */
function stubOf(pdu: Uint8Array): Uint8Array {
  return pdu.slice(headOf(pdu), pdu.length - 24 - (pdu[pdu.length - 22] ?? 0));
}

function rebuild(pdu: Uint8Array, stub: Uint8Array): Uint8Array {
  const padding = (16 - (stub.length % 16)) % 16;
  const tail = pdu.slice(pdu.length - 24);
  tail[2] = padding;
  const whole = concatBytes(pdu.slice(0, headOf(pdu)), stub, new Uint8Array(padding), tail);
  new DataView(whole.buffer).setUint16(8, whole.length, true);
  return whole;
}

function headOf(pdu: Uint8Array): number {
  return (pdu[3]! & objectUuid) === 0 ? 24 : 40;
}

/** Inputs that a host serves before it is made anew: objects come and go. */
const reuse = 300;
const largestAnswer = 2_000_000;
