import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Authenticator, AuthenticatorFactory } from '../authenticator.ts';
import type { HttpProxy } from '../proxies.ts';

/** Who we are on one connection (RFC 4559, section 6: NTLM and Negotiate belong to it). */
export class ConnectionLogon {
  readonly #origin: string;
  readonly #factory: AuthenticatorFactory | undefined;
  #socket: Socket | undefined;
  authenticator: Authenticator | undefined;
  /** Challenges that the authenticator has answered. */
  answered = 0;

  /** A proxy that agrees need not say so to the authenticator. */
  #admitted = false;
  readonly #proxy: boolean;

  /** Without a factory nobody is ever anybody there. `proxy`: the origin is a proxy's. */
  constructor(origin: string, factory: AuthenticatorFactory | undefined, proxy = false) {
    this.#origin = origin;
    this.#factory = factory;
    this.#proxy = proxy;
  }

  /** Whoever was authenticated on the socket before is nobody on the next one. */
  reconnect(): void {
    // An exchange that only just began is not bound to its socket yet: servers may close after the first 401.
    if (this.bound) this.authenticator = undefined;
    this.#socket = undefined;
  }

  /** The exchange belongs to its socket, and no scheme has more than one challenge to answer from here on. */
  get bound(): boolean {
    return this.answered > 1 || this.over;
  }

  connected(socket: Socket): void {
    this.#socket = socket;
  }

  /** An exchange has begun and not ended: the connection is nothing for another request. */
  get halfway(): boolean {
    return this.answered > 0 && this.authenticator !== undefined && !this.over;
  }

  /** The exchange came to its end, as the authenticator or the other side says. */
  get over(): boolean {
    return this.#admitted || this.authenticator?.complete === true;
  }

  /** The other side answered what it was asked for. */
  admit(): void {
    this.#admitted = true;
  }

  get possible(): boolean {
    return this.#factory !== undefined;
  }

  newAuthenticator(): Authenticator | undefined {
    const { hostname, protocol } = new URL(this.#origin);
    this.answered = 0;
    this.#admitted = false;
    this.authenticator = this.#factory?.({
      host: hostname,
      // DEVIATION from our own rule: proxies are spoken to over http, and Basic is what many of them know.
      secureTransport: protocol === 'https:' || this.#proxy,
      serverCertificate: () => (isTls(this.#socket) ? this.#socket.getPeerCertificate(false).raw : undefined),
    });
    return this.authenticator;
  }
}

/** A proxy, and who we are to it. */
export interface ConnectionProxy extends HttpProxy {
  readonly logon: ConnectionLogon;
  /** No connection to it was to be had. */
  unreachable(): void;
}

function isTls(socket: Socket | undefined): socket is TLSSocket {
  return socket !== undefined && 'encrypted' in socket;
}
