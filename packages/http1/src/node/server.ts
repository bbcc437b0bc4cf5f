import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import {
  createServer as createTlsServer,
  type SecureContextOptions,
  type TlsOptions,
  type Server as TlsServer,
} from 'node:tls';
import { unpaceLocal } from './congestion.ts';
import { Connection } from './connection.ts';
import type { Exchange } from './exchange.ts';
import { defaultHttp1Limits, type Http1Limits } from './limits.ts';

export interface Http1ServerOptions {
  /** Answers one request; what it throws ends the connection. */
  readonly handle: (exchange: Exchange) => void;
  /** With it the server speaks https. */
  readonly tls?: TlsOptions | undefined;
  readonly limits?: Partial<Http1Limits> | undefined;
  /** Connections that are open, where several servers share a limit. */
  readonly shared?: { open: number; readonly limit: number } | undefined;
  /** Told of failures that are our own; they never reach a peer. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

export interface Http1Server {
  /** Port 0 takes a free one; returns where it listens. With `exclusive` no other process shares the port. */
  listen(host: string, port: number, exclusive?: boolean): Promise<{ readonly host: string; readonly port: number }>;
  /** For new connections; those that are open go on. */
  setSecureContext(context: SecureContextOptions): void;
  /** New connections are refused; those that are open go on. */
  stopListening(): void;
  /** Stops listening, lets answers that are being given end for so long, milliseconds, then cuts. */
  close(drain: number): Promise<void>;
}

/** HTTP/1.1 or HTTPS: sockets, time-outs, limits of connections, and nothing of what is asked. */
export function createHttp1Server(options: Http1ServerOptions): Http1Server {
  const limits: Http1Limits = { ...defaultHttp1Limits, ...options.limits };
  const { shared = { open: 0, limit: Number.POSITIVE_INFINITY } } = options;
  const onError = options.onError ?? (() => {});
  const sockets = new Set<Socket>();
  const connections = new Set<Connection>();
  const perAddress = new Map<string, number>();
  let sweeper: NodeJS.Timeout | undefined;
  let closing = false;
  /** Of the listening socket's connections, see there. */
  let pace: ReturnType<typeof unpaceLocal>;

  const server: Server =
    options.tls === undefined
      ? createServer({ allowHalfOpen: true })
      : createTlsServer({
          ALPNProtocols: ['http/1.1'],
          ...options.tls,
          allowHalfOpen: true,
          handshakeTimeout: limits.headersTimeout,
        } as TlsOptions);

  server.on('connection', (socket: Socket) => {
    const source = socket.remoteAddress ?? '';
    const count = perAddress.get(source) ?? 0;
    if (
      closing ||
      shared.open >= shared.limit ||
      sockets.size >= limits.maxConnections ||
      count >= limits.maxConnectionsPerAddress
    ) {
      socket.destroy();
      return;
    }
    perAddress.set(source, count + 1);
    shared.open++;
    sockets.add(socket);
    sweeper ??= setInterval(sweep, sweepInterval(limits)).unref();
    pace?.(socket);
    socket.on('error', () => {});
    socket.once('close', () => {
      shared.open--;
      sockets.delete(socket);
      const left = (perAddress.get(source) ?? 1) - 1;
      if (left === 0) perAddress.delete(source);
      else perAddress.set(source, left);
    });
    if (options.tls === undefined) serve(socket);
  });
  server.on('secureConnection', (socket: Socket) => {
    if (closing) socket.destroy();
    else serve(socket);
  });
  server.on('tlsClientError', () => {});

  function serve(socket: Socket): void {
    const connection = new Connection(socket, { limits, handle: options.handle, onError });
    connections.add(connection);
    socket.once('close', () => connections.delete(connection));
  }

  function sweep(): void {
    const now = performance.now();
    for (const connection of connections) connection.check(now);
  }

  function stopListening(): void {
    if (server.listening) server.close();
  }

  return {
    listen: (host, port, exclusive = false) =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen({ host, port, exclusive }, () => {
          server.off('error', reject);
          server.on('error', onError);
          pace = unpaceLocal(server);
          const address = server.address() as AddressInfo;
          resolve({ host: address.address, port: address.port });
        });
      }),
    setSecureContext: (context) => (server as TlsServer).setSecureContext(context),
    stopListening,
    async close(drain) {
      closing = true;
      stopListening();
      const gone = Promise.all([...sockets].map(closed));
      const answered = Promise.all([...connections].map(({ socket }) => closed(socket)));
      for (const connection of connections) connection.close();
      let cut: NodeJS.Timeout | undefined;
      const over = new Promise<void>((resolve) => {
        cut = setTimeout(resolve, drain);
      });
      await Promise.race([answered, over]);
      clearTimeout(cut);
      // Also those that have not got as far as a request: they have nothing to wait for.
      for (const { socket } of connections) socket.destroy();
      for (const socket of sockets) socket.destroy();
      await gone;
      clearInterval(sweeper);
      sweeper = undefined;
    },
  };
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

/** Often enough that a time-out is not late by more than a quarter, or a second. */
function sweepInterval({ headersTimeout, requestTimeout, keepAliveTimeout }: Http1Limits): number {
  return Math.max(10, Math.min(1000, Math.min(headersTimeout, requestTimeout, keepAliveTimeout) / 4));
}
