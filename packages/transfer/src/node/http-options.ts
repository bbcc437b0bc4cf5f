import type { AuthenticatorFactory } from '../authenticator.ts';
import type { CustomHeader } from '../custom-headers.ts';
import type { ProxyChoice } from '../proxies.ts';
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

/** Fields of a GET that asks for all of a file. `own`: the caller's, checked. */
export function plainHeaders(
  options: HttpReceiverOptions,
  own: Readonly<Record<string, string>>,
): Record<string, string> {
  return { accept: '*/*', 'user-agent': userAgentOf(options), ...own, 'accept-encoding': 'identity' };
}

export function userAgentOf(options: HttpReceiverOptions): string {
  return options.userAgent ?? 'Carmine/0.1.0';
}

export function connectTimeout(options: HttpReceiverOptions): number {
  return options.timeouts?.connect ?? 30_000;
}

/** MC-BUP 3.6.2: requests and responses of a download may each take 5 minutes. */
export const fiveMinutes = 300_000;
