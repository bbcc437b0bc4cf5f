import type { Socket } from 'node:net';
import { type SecureContextOptions, TLSSocket } from 'node:tls';
import { tlsServerEndPoint } from '@carmine/auth';
import { CarmineError } from '@carmine/errors';
import { createHttp1Server, type Exchange, type Http1Server } from '@carmine/http1/node';
import type { PortTls } from '../shells.ts';

/** What a request handler learns of the port. */
export interface PortContext {
  readonly port: number;
  readonly scheme: 'http' | 'https';
  /** See `tlsServerEndPoint`; of the certificate that this very connection was shown. */
  channelBinding(socket: Socket): Uint8Array | undefined;
}

export type PortHandler = (exchange: Exchange, context: PortContext) => void;

export interface PortListenerOptions {
  readonly port: number;
  readonly scheme: 'http' | 'https';
  readonly bind: readonly string[];
  /** PEM: https clients are always asked for a certificate, and whether it is of these is known of each connection. */
  readonly clientAuthorities: readonly string[] | undefined;
  /** Of all ports together; over the limit a connection is closed before anything of it is read. */
  readonly connections: { open: number; readonly limit: number };
  readonly handler: PortHandler;
}

/** One port on every bind address. A new certificate, or asking for client certificates, affects new connections only. */
export class PortListener {
  readonly #port: number;
  readonly #scheme: 'http' | 'https';
  readonly #bind: readonly string[];
  readonly #clientAuthorities: readonly string[] | undefined;
  readonly #connections: PortListenerOptions['connections'];
  readonly #handler: PortHandler;
  #servers: Http1Server[] = [];
  #asks: boolean | undefined;
  readonly #retired: Http1Server[] = [];

  constructor({ port, scheme, bind, clientAuthorities, connections, handler }: PortListenerOptions) {
    this.#port = port;
    this.#scheme = scheme;
    this.#bind = bind;
    this.#clientAuthorities = clientAuthorities;
    this.#connections = connections;
    this.#handler = handler;
  }

  get scheme(): 'http' | 'https' {
    return this.#scheme;
  }

  /**
   * Listens. When it does already: takes another certificate for new connections, or listens anew where clients are now to
   * be asked for a certificate, or not any more. Connections go on.
   */
  async open(tls: PortTls | undefined): Promise<void> {
    const old = this.#servers;
    if (old.length > 0 && tls === undefined) return;
    if (old.length > 0 && tls !== undefined && tls.askClientCertificate === this.#asks) {
      // Sessions of the old certificate cannot be resumed: their keys go with its context.
      for (const server of old) server.setSecureContext(this.#secureContext(tls));
      return;
    }
    for (const server of old) server.stopListening();
    this.#retired.push(...old);
    this.#servers = [];
    this.#asks = tls?.askClientCertificate;
    try {
      for (const host of this.#bind) this.#servers.push(await this.#listen(host, tls));
    } catch (cause) {
      for (const server of this.#servers) server.stopListening();
      this.#servers = [];
      const reason = (cause as NodeJS.ErrnoException).code ?? 'cannot listen';
      throw new CarmineError('url-group/port-in-use', { context: { port: this.#port, reason }, cause });
    }
  }

  /** Stops listening and cuts every connection. */
  async close(): Promise<void> {
    const servers = [...this.#servers, ...this.#retired];
    this.#servers = [];
    this.#retired.length = 0;
    await Promise.all(servers.map((server) => server.close(0)));
  }

  #secureContext({ certificate, privateKey }: PortTls): SecureContextOptions {
    return {
      cert: certificate,
      key: privateKey,
      minVersion: 'TLSv1.2',
      ...(this.#clientAuthorities === undefined ? {} : { ca: [...this.#clientAuthorities] }),
    };
  }

  async #listen(host: string, tls: PortTls | undefined): Promise<Http1Server> {
    const context: PortContext = { port: this.#port, scheme: this.#scheme, channelBinding };
    const server = createHttp1Server({
      handle: (exchange) => this.#handler(exchange, context),
      limits: timeouts,
      shared: this.#connections,
      tls: tls && {
        ...this.#secureContext(tls),
        requestCert: tls.askClientCertificate || this.#clientAuthorities !== undefined,
        // Who has no certificate, or one of another issuer, is let in without: a URL's thumbprint needs no chain.
        rejectUnauthorized: false,
      },
    });
    await server.listen(host, this.#port, true);
    return server;
  }
}

function channelBinding(socket: Socket): Uint8Array | undefined {
  const certificate = socket instanceof TLSSocket ? socket.getX509Certificate() : undefined;
  return certificate === undefined ? undefined : tlsServerEndPoint(certificate.raw);
}

/** Milliseconds. A connection on which nothing moves for `idleTimeout` is cut. */
const timeouts = {
  headersTimeout: 20_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 65_000,
  idleTimeout: 120_000,
} as const;
