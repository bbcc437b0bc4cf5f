import type { ConnectionLogon, ConnectionProxy } from './connection-logon.ts';
import { connectTimeout, type HttpReceiverOptions, userAgentOf } from './http-options.ts';
import { type RawSockets, rawSockets } from './raw-socket.ts';
import type { SecureContexts } from './secure-contexts.ts';

/** The other side of a connection: who we are there, and how there are sockets to it. */
export interface Peer {
  readonly origin: string;
  readonly logon: ConnectionLogon;
  /** Who we are to the proxy that requests are sent to; undefined: they are not, or through a tunnel. */
  readonly proxyLogon: ConnectionLogon | undefined;
  readonly sockets: RawSockets;
  /** No connection to the proxy was to be had. */
  readonly unreachable: () => void;
  /** Milliseconds. */
  readonly connectTimeout: number;
}

/** `own`: it is the origin of a file, not where redirects led. */
export function peerOf(
  origin: string,
  own: boolean,
  logon: ConnectionLogon,
  options: HttpReceiverOptions,
  secureContexts: SecureContexts,
  proxy?: ConnectionProxy,
): Peer {
  const timeout = connectTimeout(options);
  const userAgent = userAgentOf(options);
  return {
    origin,
    logon,
    proxyLogon: origin.startsWith('https:') ? undefined : proxy?.logon,
    sockets: rawSockets(origin, own, secureContexts, proxy && { ...proxy, userAgent, timeout }),
    unreachable: () => proxy?.unreachable(),
    connectTimeout: timeout,
  };
}

/** What a request to it is for: a proxy wants to know the origin too (RFC 9112, section 3.2.2: absolute-form). */
export function targetAt({ origin, proxyLogon }: Peer, uri: string): string {
  return proxyLogon === undefined ? uri : `${origin}${uri}`;
}

/** An exchange has begun and not ended: a connection to it is nothing for another request. */
export function isHalfway({ logon, proxyLogon }: Peer): boolean {
  return logon.halfway || proxyLogon?.halfway === true;
}

/** Challenges that undici had to read are over there. One that is not answered yet, or one to come, the fast way may not be able to. */
export function isLoggedOn({ logon, proxyLogon }: Peer): boolean {
  return (logon.possible ? logon : proxyLogon)?.bound === true;
}
