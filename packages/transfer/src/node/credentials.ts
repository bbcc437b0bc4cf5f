import { createHttpInitiator, type HttpScheme, parseChallenges, tlsServerEndPoint } from '@carmine/auth';
import { systemEnvironment } from '@carmine/auth/node';
import type { JobCredentials } from '@carmine/core';
import { CarmineError } from '@carmine/errors';
import type { AuthenticatedConnection, Authenticator, AuthenticatorFactory, RequestLine } from '../authenticator.ts';

/**
 * Authenticators for a job's server credentials; undefined when it has none that can be used. Of what the server offers the
 * strongest is taken that the job has credentials for. Basic goes over TLS only.
 *
 * UNSPECIFIED: implicit credentials (user and password null) mean the owner's logon session, which only Windows has; here
 * they are as good as none.
 */
export function credentialAuthenticators(credentials: readonly JobCredentials[]): AuthenticatorFactory | undefined {
  const usable = new Map<HttpScheme, { readonly user: string; readonly password: string }>();
  for (const scheme of preference) {
    const found = credentials.find((entry) => entry.target === 'server' && entry.scheme === scheme);
    if (found !== undefined && found.userName !== null) {
      usable.set(scheme, { user: found.userName, password: found.password ?? '' });
    }
  }
  return usable.size === 0 ? undefined : (connection) => new CredentialAuthenticator(usable, connection);
}

class CredentialAuthenticator implements Authenticator {
  readonly #usable: ReadonlyMap<HttpScheme, { readonly user: string; readonly password: string }>;
  readonly #connection: AuthenticatedConnection;
  /** Chosen with the first challenge; Basic alone needs none. */
  #inner: Authenticator | undefined;

  constructor(
    usable: ReadonlyMap<HttpScheme, { readonly user: string; readonly password: string }>,
    connection: AuthenticatedConnection,
  ) {
    this.#usable = usable;
    this.#connection = connection;
    if (usable.size === 1 && usable.has('basic')) this.#inner = this.#create('basic');
  }

  get complete(): boolean {
    return this.#inner?.complete ?? false;
  }

  initial(request: RequestLine): string | undefined {
    return this.#inner?.initial(request);
  }

  next(wwwAuthenticate: readonly string[], request: RequestLine): string {
    if (this.#inner === undefined) {
      const offered = parseChallenges(wwwAuthenticate).map((challenge) => challenge.scheme);
      const scheme = [...this.#usable.keys()].find((candidate) => offered.includes(candidate));
      if (scheme === undefined) throw new CarmineError('auth/no-common-mechanism');
      this.#inner = this.#create(scheme);
    }
    return this.#inner.next(wwwAuthenticate, request);
  }

  finish(wwwAuthenticate: readonly string[]): void {
    this.#inner?.finish(wwwAuthenticate);
  }

  #create(scheme: HttpScheme): Authenticator {
    const { host, secureTransport, serverCertificate } = this.#connection;
    return createHttpInitiator({
      credentials: this.#usable.get(scheme) ?? { user: '', password: '' },
      schemes: [scheme],
      environment: systemEnvironment,
      host,
      service: 'HTTP',
      secureTransport,
      channelBinding: () => {
        const certificate = serverCertificate();
        return certificate === undefined ? undefined : tlsServerEndPoint(certificate);
      },
    });
  }
}

/** Strongest first. */
const preference = ['negotiate', 'ntlm', 'digest', 'basic'] as const;
