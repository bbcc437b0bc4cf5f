import type { Token } from '@carmine/security';
import type { AccountLookup, Environment, PasswordCredentials, SecurityContext } from '../context.ts';

/** Schemes of HTTP authentication, as they stand in WWW-Authenticate, in lower case. */
export type HttpScheme = 'negotiate' | 'ntlm' | 'kerberos' | 'basic' | 'digest';

export interface HttpAcceptorOptions {
  /** What is offered, in this order. */
  readonly schemes: readonly HttpScheme[];
  readonly accounts: AccountLookup;
  readonly environment: Environment;
  /** NetBIOS-style name of this machine, sent in NTLM challenges. */
  readonly hostName: string;
  /** Realm for Basic: `WSMAN` on management ports. */
  readonly realm: string;
  /** Remote address, for the token and for back-off. */
  readonly source: string;
  /** True on TLS. Basic is refused without. */
  readonly secureTransport: boolean;
  /** tls-server-end-point channel binding of this listener's certificate (see channelBinding); required when `requireChannelBinding`. */
  readonly channelBinding?: Uint8Array | undefined;
  readonly requireChannelBinding?: boolean | undefined;
}

/** What the acceptor says about one request on its connection. */
export type HttpAuthOutcome =
  /** Go on with this token. `responseHeader`: a WWW-Authenticate value to send with the answer (SPNEGO's last token). */
  | { readonly kind: 'accepted'; readonly token: Token; readonly responseHeader?: string | undefined }
  /** Answer 401 with these WWW-Authenticate values and keep the connection: the exchange goes on. */
  | { readonly kind: 'continue'; readonly headers: readonly string[] }
  /** Answer 401 with these WWW-Authenticate values: no or wrong credentials. `attempted`: who tried, if somebody did. */
  | { readonly kind: 'challenge'; readonly headers: readonly string[]; readonly attempted?: string | undefined };

/** Server side of HTTP authentication on one connection: Negotiate and NTLM belong to the connection (RFC 4559 section 6). */
export interface HttpAcceptor {
  /** Takes the Authorization header of a request, or undefined when there is none. Never throws for what a peer sent. */
  authenticate(authorization: string | undefined): HttpAuthOutcome;
  /** The context that sealed messages of this connection use; undefined with Basic or before completion. */
  readonly context: SecurityContext | undefined;
}

export interface HttpInitiatorOptions {
  readonly credentials: PasswordCredentials;
  /** Acceptable schemes, most preferred first. */
  readonly schemes: readonly HttpScheme[];
  readonly environment: Environment;
  /** Host name of the server, for service names. */
  readonly host: string;
  /** `WSMAN` or `HTTP`: first part of the service name. */
  readonly service: string;
  readonly secureTransport: boolean;
  /** tls-server-end-point channel binding of the server's certificate; known only once connected. */
  readonly channelBinding?: (() => Uint8Array | undefined) | undefined;
}

/** Client side of HTTP authentication on one connection. */
export interface HttpInitiator {
  /** Authorization value for the first request, when something can be sent unasked (Basic); else undefined. */
  initial(): string | undefined;
  /**
   * Takes the WWW-Authenticate values of a 401 and returns the Authorization value for the next request on the same
   * connection. Throws `auth/failed` when the server refused the credentials, `auth/no-common-mechanism` otherwise.
   */
  next(wwwAuthenticate: readonly string[]): string;
  /** Takes the WWW-Authenticate values of the final answer, if any; throws when the server did not prove itself where it must. */
  finish(wwwAuthenticate: readonly string[]): void;
  readonly complete: boolean;
  /** For sealed messages; undefined with Basic and Digest. */
  readonly context: SecurityContext | undefined;
}
