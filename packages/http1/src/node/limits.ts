import { defaultHeadLimits, type HeadLimits } from '../limits.ts';

/** Limits of a server. Times in milliseconds. */
export interface Http1Limits {
  readonly head: HeadLimits;
  /** One more connection is closed before anything of it is read. */
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  /** For a request's head, from its first octet; for the TLS handshake. */
  readonly headersTimeout: number;
  /** For a request with its body, from its first octet. */
  readonly requestTimeout: number;
  /** How long a connection is kept on which nothing is asked. */
  readonly keepAliveTimeout: number;
  /** How long an answer may wait for a peer that takes nothing of it. */
  readonly idleTimeout: number;
  /** Octets of a body nobody wants that are read over, so that the connection can go on. */
  readonly discard: number;
}

export const defaultHttp1Limits: Http1Limits = {
  head: defaultHeadLimits,
  maxConnections: Number.POSITIVE_INFINITY,
  maxConnectionsPerAddress: Number.POSITIVE_INFINITY,
  headersTimeout: 20_000,
  requestTimeout: 60_000,
  keepAliveTimeout: 65_000,
  idleTimeout: 120_000,
  discard: 1024 * 1024,
};
