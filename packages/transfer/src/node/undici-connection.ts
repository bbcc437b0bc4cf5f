import type { Socket } from 'node:net';
import { createSecureContext, getCACertificates, type SecureContext, TLSSocket } from 'node:tls';
import { buildConnector, Client } from 'undici';
import type { Authenticator, AuthenticatorFactory } from '../authenticator.ts';

export interface UndiciReceiverOptions {
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
}

/** TLS settings of one transfer: `own` ones show the client certificate. */
export type SecureContexts = (own: boolean) => SecureContext;

export function createSecureContexts(options: UndiciReceiverOptions): SecureContexts {
  // Parsing the authorities takes milliseconds; connections share the result.
  let plain: SecureContext | undefined;
  let withCertificate: SecureContext | undefined;
  const ca = () => [...getCACertificates('default'), ...(options.trust ?? [])];
  return (own) => {
    const certificate = options.clientCertificate;
    if (own && certificate !== undefined) {
      withCertificate ??= createSecureContext({
        ca: ca(),
        cert: certificate.certificate,
        key: certificate.privateKey,
        minVersion: 'TLSv1.2',
      });
      return withCertificate;
    }
    plain ??= createSecureContext({ ca: ca(), minVersion: 'TLSv1.2' });
    return plain;
  };
}

/** One undici client and what belongs to its present socket. */
export class Connection {
  readonly origin: string;
  readonly client: Client;
  readonly #factory: AuthenticatorFactory | undefined;
  #socket: Socket | undefined;
  #socketError: unknown;
  authenticator: Authenticator | undefined;
  /** Challenges that the authenticator has answered. */
  answered = 0;

  constructor(origin: string, own: boolean, options: UndiciReceiverOptions, secureContexts: SecureContexts) {
    this.origin = origin;
    this.#factory = own ? options.authenticator : undefined;
    const connect = buildConnector({
      timeout: options.timeouts?.connect ?? 30_000,
      allowH2: false,
      // A resumed session has no peer certificate to bind to.
      maxCachedSessions: 0,
      ...(origin.startsWith('https:') ? { secureContext: secureContexts(own) } : {}),
    });
    this.client = new Client(origin, {
      allowH2: false,
      pipelining: 1,
      headersTimeout: options.timeouts?.headers ?? fiveMinutes,
      bodyTimeout: options.timeouts?.body ?? fiveMinutes,
      connect: (target, callback) =>
        connect(target, (error, socket) => {
          // Whoever was authenticated on the socket before is nobody on this one. An exchange that only just began is not
          // bound to its socket yet: servers may close after the first 401.
          if (this.answered > 1 || this.authenticator?.complete === true) this.authenticator = undefined;
          if (error !== null) return callback(error, null);
          this.#socket = socket;
          this.#socketError = undefined;
          socket.prependListener('error', (reason: unknown) => {
            this.#socketError ??= reason;
          });
          callback(null, socket);
        }),
    });
  }

  /** undici says "other side closed" where TLS knew why. */
  explain(error: Error): unknown {
    return this.#socketError ?? error;
  }

  get canAuthenticate(): boolean {
    return this.#factory !== undefined;
  }

  newAuthenticator(): Authenticator | undefined {
    const { hostname, protocol } = new URL(this.origin);
    this.answered = 0;
    this.authenticator = this.#factory?.({
      host: hostname,
      secureTransport: protocol === 'https:',
      serverCertificate: () =>
        this.#socket instanceof TLSSocket ? this.#socket.getPeerCertificate(false).raw : undefined,
    });
    return this.authenticator;
  }

  close(): void {
    this.client.destroy().catch(() => undefined);
  }
}

/** MC-BUP 3.6.2: requests and responses of a download may each take 5 minutes. */
const fiveMinutes = 300_000;
