import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { RpcServer } from '../server/server.ts';
import { octetsOf } from './octets.ts';

export interface RpcListenerOptions {
  readonly server: RpcServer;
  /** Connections at once; 300 unless given. */
  readonly maxConnections?: number | undefined;
  /** Of one address; two thirds of all unless given. */
  readonly maxConnectionsPerAddress?: number | undefined;
  /** Milliseconds that a connection on which nobody has authenticated may last; 30 s unless given. */
  readonly authenticationTimeout?: number | undefined;
  /** Milliseconds without any octet; 30 min unless given. Clients hold connections while they hold objects. */
  readonly idleTimeout?: number | undefined;
  readonly onError?: ((error: unknown) => void) | undefined;
}

export interface RpcListener {
  /** Port 0 takes a free one; returns where it listens. */
  listen(host: string, port: number): Promise<{ readonly host: string; readonly port: number }>;
  /** Stops accepting and ends all connections; calls that run get their signal. */
  close(): Promise<void>;
}

/** TCP around an RPC server. */
export function createRpcListener(options: RpcListenerOptions): RpcListener {
  const { maxConnections = 300, authenticationTimeout = 30_000, idleTimeout = 1_800_000 } = options;
  const { maxConnectionsPerAddress = Math.ceil((maxConnections * 2) / 3) } = options;
  const sockets = new Set<Socket>();
  const perAddress = new Map<string, number>();
  const server = createServer({ noDelay: true, keepAlive: true }, (socket) => {
    const source = socket.remoteAddress ?? '';
    const count = perAddress.get(source) ?? 0;
    if (sockets.size >= maxConnections || count >= maxConnectionsPerAddress) {
      socket.destroy();
      return;
    }
    perAddress.set(source, count + 1);
    sockets.add(socket);
    serve(socket, source, () => {
      sockets.delete(socket);
      const left = (perAddress.get(source) ?? 1) - 1;
      if (left > 0) perAddress.set(source, left);
      else perAddress.delete(source);
    });
  });

  function serve(socket: Socket, source: string, ended: () => void): void {
    const connection = options.server.connect({
      source: plain(source),
      localAddress: plain(socket.localAddress ?? ''),
      localPort: socket.localPort ?? 0,
    });
    const deadline = setTimeout(() => {
      if (!connection.authenticated) socket.destroy();
    }, authenticationTimeout);
    deadline.unref();
    socket.setTimeout(idleTimeout, () => {
      if (!connection.busy) socket.destroy();
    });
    const drain = (): void => {
      for (let output = connection.poll(); output !== undefined; output = connection.poll()) {
        if (output === 'close') {
          socket.end();
          // Who does not close his side is cut.
          setTimeout(() => socket.destroy(), lingering).unref();
          return;
        }
        socket.write(output);
      }
      flow();
    };
    /** Reads no more while answers are not read or calls wait. */
    const flow = (): void => {
      if (socket.destroyed) return;
      if (connection.congested || socket.writableNeedDrain) socket.pause();
      else socket.resume();
    };
    connection.onOutput = drain;
    socket.on('data', (chunk: Buffer) => {
      try {
        connection.receive(octetsOf(chunk));
        drain();
      } catch (error) {
        options.onError?.(error);
        socket.destroy();
      }
    });
    socket.on('drain', flow);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      clearTimeout(deadline);
      connection.close();
      ended();
    });
  }

  return {
    listen: (host, port) =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, host, () => {
          server.off('error', reject);
          server.on('error', (error) => options.onError?.(error));
          const address = server.address() as AddressInfo;
          resolve({ host: address.address, port: address.port });
        });
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** IPv4 as IPv4, also on a socket of IPv6. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '');
}

/** Milliseconds. */
const lingering = 2_000;
