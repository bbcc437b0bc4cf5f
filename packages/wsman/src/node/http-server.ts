import { X509Certificate } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { tlsServerEndPoint } from '@carmine/auth';
import { verifiedClientCertificate } from '@carmine/auth/node';
import { CarmineError } from '@carmine/errors';
import {
  createWsmanConnection,
  type HttpHead,
  type HttpReply,
  type WsmanAcceptor,
  type WsmanConnection,
} from '../server/connection.ts';
import type { WsmanServer } from '../server/server.ts';
import { readBody } from './read-body.ts';

/** What an acceptor for a new connection is made from. */
export interface ConnectionInfo {
  readonly source: string;
  readonly secureTransport: boolean;
  /** What `tlsServerEndPoint` gives for this listener's certificate; undefined on http. */
  readonly channelBinding: Uint8Array | undefined;
  /** DER of the client's certificate, which chains to the listener's `clientAuthorities`; undefined when it gave none or another one. */
  readonly clientCertificate: Uint8Array | undefined;
}

/** Limits of the HTTP side. Times in milliseconds. */
export interface WsmanHttpLimits {
  /** [MS-WSMV] 2.2.4.36 MaxConnections. */
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  /** Requests that may wait on one connection behind the one being served. */
  readonly maxPipelined: number;
  readonly maxHeaderSize: number;
  /** Time for a request's head, and for all of it. */
  readonly headersTimeout: number;
  readonly requestTimeout: number;
  /** How long an idle connection is kept; clients' authentication lives as long. */
  readonly keepAliveTimeout: number;
  /** A connection on which nothing moves at all, for instance because its peer does not read. */
  readonly idleTimeout: number;
  /** How long `close` waits for requests that are being served. */
  readonly drainTimeout: number;
}

export const defaultWsmanHttpLimits: WsmanHttpLimits = {
  maxConnections: 300,
  maxConnectionsPerAddress: 200,
  maxPipelined: 16,
  maxHeaderSize: 65_536,
  headersTimeout: 15_000,
  requestTimeout: 60_000,
  keepAliveTimeout: 120_000,
  idleTimeout: 180_000,
  drainTimeout: 10_000,
};

export interface WsmanHttpServerOptions {
  readonly core: WsmanServer;
  /** Authentication for one new connection. */
  readonly accept: (connection: ConnectionInfo) => WsmanAcceptor;
  /** PEM; with it the server speaks https. */
  readonly tls?:
    | {
        readonly cert: string;
        readonly key: string;
        /**
         * PEM, one certificate each. With it clients are asked for a certificate; those that have none, or one of another
         * issuer, are let in without. Throws `usage/invalid` when it is empty.
         */
        readonly clientAuthorities?: readonly string[] | undefined;
      }
    | undefined;
  /** Answer `WSMANIDENTIFY: unauthenticated`; off unless said otherwise. */
  readonly anonymousIdentify?: boolean | undefined;
  readonly limits?: Partial<WsmanHttpLimits> | undefined;
  /** Told of failures that are our own; they never reach a peer. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

export interface WsmanHttpServer {
  /** Port 0 takes a free one; returns where it listens. */
  listen(host: string, port: number): Promise<{ readonly host: string; readonly port: number }>;
  /** Stops accepting, lets running requests end for a while, then cuts. The core stays open: listeners may share it. */
  close(): Promise<void>;
}

/** HTTP or HTTPS around the service: sockets, bodies, time-outs and nothing else. */
export function createWsmanHttpServer(options: WsmanHttpServerOptions): WsmanHttpServer {
  const limits: WsmanHttpLimits = { ...defaultWsmanHttpLimits, ...options.limits };
  const secureTransport = options.tls !== undefined;
  const channelBinding =
    options.tls === undefined ? undefined : tlsServerEndPoint(new X509Certificate(options.tls.cert).raw);
  const states = new WeakMap<Socket, SocketState>();
  const perAddress = new Map<string, number>();
  let closing = false;

  const server = createHttpServer(options, limits, (request, response) => {
    let state: SocketState;
    try {
      state = stateOf(request.socket);
    } catch (error) {
      fail(request.socket, error);
      return;
    }
    if (++state.waiting > limits.maxPipelined) {
      request.socket.destroy();
      return;
    }
    // Seals have an order, so requests of one connection are served one after the other.
    state.tail = state.tail
      .then(() => serve(state.connection, request, response))
      .catch((error: unknown) => fail(request.socket, error))
      .finally(() => {
        state.waiting -= 1;
      });
  });
  server.maxConnections = limits.maxConnections;
  server.on('connection', (socket: Socket) => {
    socket.setNoDelay(true);
    const source = socket.remoteAddress ?? '';
    const count = (perAddress.get(source) ?? 0) + 1;
    perAddress.set(source, count);
    socket.once('close', () => {
      const left = (perAddress.get(source) ?? 1) - 1;
      if (left === 0) perAddress.delete(source);
      else perAddress.set(source, left);
    });
    if (count > limits.maxConnectionsPerAddress) socket.destroy();
  });
  server.timeout = limits.idleTimeout;
  const sweeper = setInterval(() => options.core.sweep(), sweepInterval);
  sweeper.unref();

  /** Our own bug: the peer sees a connection that ends, nothing else. */
  function fail(socket: Socket, error: unknown): void {
    options.onError?.(error);
    socket.destroy();
  }

  function stateOf(socket: Socket): SocketState {
    let state = states.get(socket);
    if (state === undefined) {
      const source = socket.remoteAddress ?? '';
      const clientCertificate = verifiedClientCertificate(socket);
      const acceptor = options.accept({ source, secureTransport, channelBinding, clientCertificate });
      const anonymousIdentify = options.anonymousIdentify === true;
      const connection = createWsmanConnection({ server: options.core, acceptor, secureTransport, anonymousIdentify });
      state = { connection, tail: Promise.resolve(), waiting: 0 };
      states.set(socket, state);
    }
    return state;
  }

  async function serve(connection: WsmanConnection, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const decision = connection.begin(headOf(request));
    if (decision.kind === 'reply' && decision.reply.close) return respond(response, decision.reply);
    const body = await readBody(request, connection.bodyLimit, decision.kind === 'body');
    if (body === 'aborted') return;
    if (body === 'too-large') return respond(response, tooLarge);
    if (decision.kind === 'reply') return respond(response, decision.reply);
    const gone = new AbortController();
    const onClose = (): void => gone.abort();
    response.once('close', onClose);
    const reply = await decision.finish(body, gone.signal);
    response.off('close', onClose);
    respond(response, reply);
  }

  function respond(response: ServerResponse, reply: HttpReply): void {
    if (response.destroyed) return;
    const headers: Record<string, string | number | string[]> = { 'Content-Length': reply.body.length };
    if (reply.contentType !== undefined) headers['Content-Type'] = reply.contentType;
    if (reply.wwwAuthenticate.length > 0) headers['WWW-Authenticate'] = [...reply.wwwAuthenticate];
    if (reply.status === 405) headers['Allow'] = 'POST';
    if (reply.close || closing) headers['Connection'] = 'close';
    // Head and body leave together: `end` corks the socket.
    response.writeHead(reply.status, headers);
    response.end(reply.body);
  }

  return {
    listen: (host, port) => listen(server, host, port),
    close: async () => {
      closing = true;
      clearInterval(sweeper);
      await drain(server, limits.drainTimeout);
    },
  };
}

interface SocketState {
  readonly connection: WsmanConnection;
  /** Ends when everything that was asked on this connection has been answered. */
  tail: Promise<void>;
  waiting: number;
}

function createHttpServer(
  options: WsmanHttpServerOptions,
  limits: WsmanHttpLimits,
  listener: (request: IncomingMessage, response: ServerResponse) => void,
): Server {
  const { maxHeaderSize, headersTimeout, requestTimeout, keepAliveTimeout } = limits;
  const common: ServerOptions = {
    maxHeaderSize,
    headersTimeout,
    requestTimeout,
    keepAliveTimeout,
    connectionsCheckingInterval: Math.min(5_000, headersTimeout),
  };
  if (options.tls === undefined) return createServer(common, listener);
  const { cert, key, clientAuthorities } = options.tls;
  // Without a list of our own the system's authorities would be trusted with who may manage.
  if (clientAuthorities?.length === 0)
    throw new CarmineError('usage/invalid', { context: { reason: 'there is no authority for client certificates' } });
  const client =
    clientAuthorities === undefined ? {} : { requestCert: true, rejectUnauthorized: false, ca: [...clientAuthorities] };
  return createTlsServer(
    {
      ...common,
      ...client,
      cert,
      key,
      minVersion: 'TLSv1.2',
      handshakeTimeout: headersTimeout,
      ALPNProtocols: ['http/1.1'],
    },
    listener,
  );
}

function headOf(request: IncomingMessage): HttpHead {
  const { headers } = request;
  const length = headers['content-length'];
  const chunked = headers['transfer-encoding'] !== undefined;
  return {
    method: request.method ?? '',
    url: request.url ?? '',
    authorization: headers.authorization,
    contentType: headers['content-type'],
    // Neither of the two headers means no body (RFC 9112 section 6.3).
    contentLength: length !== undefined ? Number(length) : chunked ? undefined : 0,
    soapAction: single(headers['soapaction']),
    identify: single(headers['wsmanidentify']),
  };
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(',') : value;
}

function listen(server: Server, host: string, port: number): Promise<{ host: string; port: number }> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      const address = server.address() as AddressInfo;
      resolve({ host: address.address, port: address.port });
    });
  });
}

function drain(server: Server, timeout: number): Promise<void> {
  if (!server.listening) return Promise.resolve();
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), timeout);
    server.close(() => {
      clearTimeout(cut);
      resolve();
    });
    server.closeIdleConnections();
  });
}

const sweepInterval = 30_000;
const tooLarge: HttpReply = {
  status: 413,
  contentType: undefined,
  body: new Uint8Array(0),
  wwwAuthenticate: [],
  close: true,
};
