import type { Token } from '@carmine/security';
import type { AttemptGate } from '../attempts.ts';
import type { AccountLookup, Environment, PasswordCredentials, SecurityContext } from '../context.ts';
import type { ServiceTicket } from '../kerberos/client/credential.ts';
import type { KerberosService } from '../kerberos/gss/service.ts';

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
  /**
   * Channel binding of this listener's certificate: what `tlsServerEndPoint(certificateDer)` returns, the application data
   * `tls-server-end-point:` and a hash, not yet wrapped in a GSS structure. A peer that states another one is refused.
   */
  readonly channelBinding?: Uint8Array | undefined;
  /** Also refuses NTLM peers that state none. Needs `channelBinding`; without effect when `secureTransport` is false. */
  readonly requireChannelBinding?: boolean | undefined;
  /** See NtlmAcceptorOptions; true unless said otherwise. */
  readonly requireMic?: boolean | undefined;
  /** See NtlmAcceptorOptions: for connections whose messages are never sealed. */
  readonly authenticationOnly?: boolean | undefined;
  /**
   * Keys and accounts for Kerberos: makes Negotiate accept it besides NTLM, and the scheme `kerberos` possible. One
   * service for all connections. While it has no keys it is as if it were not there.
   */
  readonly kerberos?: KerberosService | undefined;
  /** False: Negotiate does not accept NTLM. */
  readonly ntlm?: boolean | undefined;
  /** Slows down guessing; none unless given. */
  readonly attempts?: AttemptGate | undefined;
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
  /** Without them only Kerberos is possible. */
  readonly credentials?: PasswordCredentials | undefined;
  /** A ticket for this server (obtainServiceTicket in ./node): Negotiate prefers Kerberos then, `kerberos` is possible. */
  readonly kerberos?: { readonly ticket: ServiceTicket } | undefined;
  /** Acceptable schemes, most preferred first. */
  readonly schemes: readonly HttpScheme[];
  readonly environment: Environment;
  /** Host name of the server, for service names. */
  readonly host: string;
  /** `WSMAN` or `HTTP`: first part of the service name. */
  readonly service: string;
  readonly secureTransport: boolean;
  /** What `tlsServerEndPoint` returns for the server's certificate; known only once connected. */
  readonly channelBinding?: (() => Uint8Array | undefined) | undefined;
}

/** What Digest signs: the method and the request target as they stand in the request line. */
export interface HttpRequestLine {
  readonly method: string;
  readonly uri: string;
}

/** Client side of HTTP authentication on one connection. */
export interface HttpInitiator {
  /**
   * Authorization value for a request when something can be sent unasked, else undefined. Ask before every request: Basic is
   * sent with each, Digest (which needs `request`) with each after its challenge, Negotiate, Kerberos and NTLM never.
   */
  initial(request?: HttpRequestLine): string | undefined;
  /**
   * Takes the WWW-Authenticate values of a 401 and returns the Authorization value for the next request on the same
   * connection. Throws `auth/failed` when the server refused the credentials, `auth/no-common-mechanism` otherwise.
   */
  next(wwwAuthenticate: readonly string[], request?: HttpRequestLine): string;
  /** Takes the WWW-Authenticate values of the final answer, if any; throws when the server did not prove itself where it must. */
  finish(wwwAuthenticate: readonly string[]): void;
  readonly complete: boolean;
  /** For sealed messages; undefined with Basic and Digest. */
  readonly context: SecurityContext | undefined;
}
