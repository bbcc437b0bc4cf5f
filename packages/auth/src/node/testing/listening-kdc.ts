import { createSocket } from 'node:dgram';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { TestKdc } from '../../testing/kdc.ts';

/** A KDC on loopback, UDP and TCP on the same port. */
export interface ListeningKdc {
  readonly address: string;
  readonly log: string[];
  close(): Promise<void>;
}

/** What it answers instead; undefined: nothing. */
export interface KdcBehaviour {
  readonly udp?: (message: Uint8Array) => Uint8Array | undefined;
  readonly tcp?: (message: Uint8Array, socket: Socket) => Uint8Array | undefined;
}

/** For tests: a KDC on a free port of loopback. */
export async function listenKdc(
  kdc: TestKdc,
  { udp = (m) => kdc.handle(m), tcp = (m) => kdc.handle(m) }: KdcBehaviour = {},
): Promise<ListeningKdc> {
  const log: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    let received = Buffer.alloc(0);
    socket.on('data', (octets: Buffer) => {
      received = Buffer.concat([received, octets]);
      if (received.length < 4 || received.length < 4 + received.readUInt32BE()) return;
      log.push('tcp');
      const reply = tcp(new Uint8Array(received.subarray(4)), socket);
      if (reply === undefined) return;
      const head = Buffer.alloc(4);
      head.writeUInt32BE(reply.length);
      // One octet at a time: a stream has no borders.
      for (const octet of Buffer.concat([head, reply])) socket.write(Uint8Array.of(octet));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const datagrams = createSocket('udp4');
  datagrams.on('message', (message, from) => {
    log.push('udp');
    const reply = udp(new Uint8Array(message));
    if (reply !== undefined) datagrams.send(reply, from.port, from.address);
  });
  await new Promise<void>((resolve) => datagrams.bind(port, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${port}`,
    log,
    async close() {
      for (const socket of sockets) socket.destroy();
      await Promise.all([
        new Promise((resolve) => server.close(resolve)),
        new Promise<void>((resolve) => datagrams.close(resolve)),
      ]);
    },
  };
}
