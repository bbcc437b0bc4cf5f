import { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import type { TlsOptions } from 'node:tls';
import { tlsServerEndPoint } from '@carmine/auth';
import { verifiedClientCertificate } from '@carmine/auth/node';
import { CarmineError } from '@carmine/errors';
import { defaultHeadLimits, type RequestHead, type ResponseFields } from '@carmine/http1';
import { createHttp1Server, type Exchange } from '@carmine/http1/node';
import {
  createWsmanConnection,
  type HttpHead,
  type HttpReply,
  type WsmanAcceptor,
  type WsmanConnection,
} from '../server/connection.ts';
import type { WsmanServer } from '../server/server.ts';

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
  // Authentication belongs to the connection.
  const states = new WeakMap<Socket, WsmanConnection>();
  const { maxConnections, maxConnectionsPerAddress, headersTimeout, requestTimeout, keepAliveTimeout, idleTimeout } =
    limits;

  const server = createHttp1Server({
    tls: options.tls && tlsOptions(options.tls),
    limits: {
      head: { ...defaultHeadLimits, head: limits.maxHeaderSize },
      maxConnections,
      maxConnectionsPerAddress,
      headersTimeout,
      requestTimeout,
      keepAliveTimeout,
      idleTimeout,
    },
    onError: (error) => options.onError?.(error),
    handle: (exchange) => {
      serve(connectionOf(exchange.socket), exchange).catch((error: unknown) => {
        // Our own bug: the peer sees a connection that ends, nothing else.
        options.onError?.(error);
        exchange.destroy();
      });
    },
  });
  const sweeper = setInterval(() => options.core.sweep(), sweepInterval);
  sweeper.unref();

  function connectionOf(socket: Socket): WsmanConnection {
    let connection = states.get(socket);
    if (connection === undefined) {
      const source = socket.remoteAddress ?? '';
      const clientCertificate = verifiedClientCertificate(socket);
      const acceptor = options.accept({ source, secureTransport, channelBinding, clientCertificate });
      const anonymousIdentify = options.anonymousIdentify === true;
      connection = createWsmanConnection({ server: options.core, acceptor, secureTransport, anonymousIdentify });
      states.set(socket, connection);
    }
    return connection;
  }

  return {
    listen: (host, port) => server.listen(host, port),
    close: async () => {
      clearInterval(sweeper);
      await server.close(limits.drainTimeout);
    },
  };
}

async function serve(connection: WsmanConnection, exchange: Exchange): Promise<void> {
  const decision = connection.begin(headOf(exchange.head));
  if (decision.kind === 'reply' && decision.reply.close) return respond(exchange, decision.reply);
  const body = await exchange.readBody(connection.bodyLimit, decision.kind === 'body');
  if (body === 'aborted') return;
  if (body === 'too-large') return respond(exchange, tooLarge);
  if (decision.kind === 'reply') return respond(exchange, decision.reply);
  respond(exchange, await decision.finish(body, exchange));
}

function respond(exchange: Exchange, reply: HttpReply): void {
  if (exchange.destroyed) return;
  const fields: (readonly [string, string])[] = [];
  if (reply.contentType !== undefined) fields.push(['Content-Type', reply.contentType]);
  for (const challenge of reply.wwwAuthenticate) fields.push(['WWW-Authenticate', challenge]);
  if (reply.status === 405) fields.push(['Allow', 'POST']);
  if (reply.close) exchange.closeAfter();
  exchange.respond(reply.status, fields satisfies ResponseFields, reply.body);
}

function tlsOptions({ cert, key, clientAuthorities }: NonNullable<WsmanHttpServerOptions['tls']>): TlsOptions {
  // Without a list of our own the system's authorities would be trusted with who may manage.
  if (clientAuthorities?.length === 0)
    throw new CarmineError('usage/invalid', { context: { reason: 'there is no authority for client certificates' } });
  const client =
    clientAuthorities === undefined ? {} : { requestCert: true, rejectUnauthorized: false, ca: [...clientAuthorities] };
  return { ...client, cert, key, minVersion: 'TLSv1.2' };
}

function headOf({ method, target, fields, body }: RequestHead): HttpHead {
  return {
    method,
    url: target,
    authorization: fields.get('authorization'),
    contentType: fields.get('content-type'),
    contentLength: body.kind === 'chunked' ? undefined : body.kind === 'length' ? body.length : 0,
    soapAction: fields.get('soapaction'),
    identify: fields.get('wsmanidentify'),
  };
}

const sweepInterval = 30_000;
const tooLarge: HttpReply = {
  status: 413,
  contentType: undefined,
  body: new Uint8Array(0),
  wwwAuthenticate: [],
  close: true,
};
