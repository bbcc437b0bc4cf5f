/**
 * Client side of HTTP authentication on one connection; auth's HttpInitiator is one. Negotiate and NTLM belong to the
 * connection (RFC 4559, section 6), so every connection gets its own.
 */
export interface Authenticator {
  /** Authorization for a request that is sent unasked (Basic, Digest once challenged); else undefined. */
  initial(request: RequestLine): string | undefined;
  /**
   * Answers the WWW-Authenticate values of a 401; throws when there is nothing more to say. A promise where a KDC has to be
   * asked for a ticket first.
   */
  next(wwwAuthenticate: readonly string[], request: RequestLine): string | Promise<string>;
  /** Takes the WWW-Authenticate values of the final answer; throws when the server did not prove itself. */
  finish(wwwAuthenticate: readonly string[]): void;
  readonly complete: boolean;
}

/** As it stands in the request; Digest signs it. */
export interface RequestLine {
  readonly method: string;
  readonly uri: string;
}

/** What an authenticator may know of its connection. */
export interface AuthenticatedConnection {
  readonly host: string;
  readonly secureTransport: boolean;
  /** DER of the server's certificate, for the channel binding; undefined without TLS. */
  readonly serverCertificate: () => Uint8Array | undefined;
}

/** One authenticator per connection; only ever asked for connections to the origin that the credentials are for. */
export type AuthenticatorFactory = (connection: AuthenticatedConnection) => Authenticator;
