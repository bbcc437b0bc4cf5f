import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Authenticator, AuthenticatorFactory, RequestLine } from '../authenticator.ts';
import type { CustomHeader } from '../custom-headers.ts';
import type { ResponseHead } from '../headers.ts';
import type { HttpProxy, ProxyChoice } from '../proxies.ts';
import type { DataReceiver } from '../receiver.ts';
import type { Peer } from './peer.ts';
import type { TlsPolicy } from './tls-policy.ts';

export interface HttpReceiverOptions {
  /** Default `Carmine/0.1.0`. */
  readonly userAgent?: string | undefined;
  /** PEM certificates of authorities that are trusted besides the system's. */
  readonly trust?: readonly string[] | undefined;
  /** PEM; shown to the origin of the URL only. */
  readonly clientCertificate?: { readonly certificate: string; readonly privateKey: string } | undefined;
  /** Used with the origin of the URL only. */
  readonly authenticator?: AuthenticatorFactory | undefined;
  /** Milliseconds. */
  readonly timeouts?:
    | {
        readonly connect?: number | undefined;
        readonly headers?: number | undefined;
        readonly body?: number | undefined;
      }
    | undefined;
  /** Sent with every request to the origin of the URL; see `checkHeaders` for what may not be among them. */
  readonly headers?: readonly CustomHeader[] | undefined;
  /** BG_HTTP_REDIRECT_POLICY_*, spec/bits.md 2.10; default: followed, but never from https to http. */
  readonly redirects?:
    | {
        readonly disallow?: boolean | undefined;
        readonly allowHttpsToHttp?: boolean | undefined;
        /** ALLOW_REPORT: told where the file is, each time that it is somewhere else. */
        readonly onRedirect?: ((url: string) => void) | undefined;
      }
    | undefined;
  /** Default: none. */
  readonly proxy?: ProxyChoice | undefined;
  /** Who we are to the proxy. */
  readonly proxyAuthenticator?: AuthenticatorFactory | undefined;
  readonly tls?: TlsPolicy | undefined;
  /** Milliseconds that a connection waits for the next file of the same receivers; default 0: it is closed. */
  readonly idle?: number | undefined;
  /** False: everything goes over undici, also what the fast way could take. */
  readonly fast?: boolean | undefined;
}

/** A proxy, and who we are to it. */
export interface ConnectionProxy extends HttpProxy {
  readonly logon: ConnectionLogon;
  /** No connection to it was to be had. */
  unreachable(): void;
}

export interface RequestHead extends RequestLine {
  readonly method: 'HEAD' | 'GET';
  /** Where in the file the content begins that is asked for. */
  readonly position: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** One HTTP/1.1 connection to one origin: one request at a time, kept between them, opened anew when it was lost. */
export interface Connection {
  readonly peer: Peer;
  send(request: RequestHead, attempt: Attempt): void;
  /** Ends it; an attempt under way hears nothing more. */
  close(): void;
  /** Puts it aside for somebody else; false or absent: it is of no use to anybody. Meanwhile it keeps no program running. */
  park?(): boolean;
  /** Takes it up again; false: it was lost meanwhile. */
  unpark?(): boolean;
}

/** Listens to one request: head, data…, end; or error; or unsuited. Each at most once and nothing after those. */
export interface Attempt {
  /** From now on it can be steered; before, only the connection can be closed. */
  started(control: AttemptControl): void;
  head(head: ResponseHead, challenges: readonly string[]): void;
  readonly data: DataReceiver;
  /** See `ReceiverHandler.onCrowded`. */
  crowded(waits: boolean): void;
  end(): void;
  error(thrown: unknown): void;
  /**
   * The answer is nothing for this connection: nothing of it was told, and the request is to be sent over another one. `challenge`: it was
   * one, so the others of this origin will be like that.
   */
  unsuited(challenge: boolean): void;
}

export interface AttemptControl {
  pause(): void;
  resume(): void;
  /** The attempt hears nothing more, and the connection is lost. */
  abort(): void;
}

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

function isTls(socket: Socket | undefined): socket is TLSSocket {
  return socket !== undefined && 'encrypted' in socket;
}

/** Fields of a GET that asks for all of a file. `own`: the caller's, checked. */
export function plainHeaders(
  { userAgent = 'Carmine/0.1.0' }: HttpReceiverOptions,
  own: Readonly<Record<string, string>>,
): Record<string, string> {
  return { accept: '*/*', 'user-agent': userAgent, ...own, 'accept-encoding': 'identity' };
}

export function connectTimeout(options: HttpReceiverOptions): number {
  return options.timeouts?.connect ?? 30_000;
}

/** MC-BUP 3.6.2: requests and responses of a download may each take 5 minutes. */
export const fiveMinutes = 300_000;
