import {
  createHttpInitiator,
  type HttpScheme,
  type KerberosLogon,
  type PasswordLogon,
  parseChallenges,
  type ServiceTicket,
  tlsServerEndPoint,
} from '@carmine/auth';
import { type AgentTickets, systemEnvironment } from '@carmine/auth/node';
import type { JobCredentials } from '@carmine/core';
import { CarmineError, isCarmineError } from '@carmine/errors';
import type { AuthenticatedConnection, Authenticator, AuthenticatorFactory, RequestLine } from '../authenticator.ts';

/**
 * Authenticators for a job's credentials for the server, or for the proxy; undefined when it has none that can be used. Of what the server offers the
 * strongest is taken that the job has credentials for. Basic goes over TLS only.
 *
 * With `tickets`, Negotiate prefers Kerberos for a user `user@REALM` whose realm's KDCs are known, and implicit credentials
 * (user and password null) are the agent's own principal.
 *
 * UNSPECIFIED: on Windows implicit credentials mean the owner's logon session, which is not to be had here; without an own
 * principal, and with NTLM, they are as good as none.
 */
export function credentialAuthenticators(
  credentials: readonly JobCredentials[],
  tickets?: AgentTickets,
  target: JobCredentials['target'] = 'server',
): AuthenticatorFactory | undefined {
  const usable = new Map<HttpScheme, JobLogon>();
  for (const scheme of preference) {
    const found = credentials.find((entry) => entry.target === target && entry.scheme === scheme);
    const logon = found === undefined ? undefined : logonOf(found, tickets);
    if (logon !== undefined) usable.set(scheme, logon);
  }
  return usable.size === 0 ? undefined : (connection) => new CredentialAuthenticator(usable, connection);
}

type JobLogon = PasswordLogon | KerberosLogon;

function logonOf({ scheme, userName, password }: JobCredentials, tickets: AgentTickets | undefined) {
  if (userName === null) {
    const own = scheme === 'negotiate' ? tickets?.own : undefined;
    return own === undefined ? undefined : ({ kind: 'kerberos', tickets: own } as const);
  }
  const secret = { user: userName, password: password ?? '' };
  return scheme === 'negotiate' ? { ...secret, tickets: tickets?.forPassword(secret) } : secret;
}

class CredentialAuthenticator implements Authenticator {
  readonly #usable: ReadonlyMap<HttpScheme, JobLogon>;
  readonly #connection: AuthenticatedConnection;
  /** Chosen with the first challenge; Basic alone needs none. */
  #inner: Authenticator | undefined;
  #forget: () => void = () => {};

  constructor(usable: ReadonlyMap<HttpScheme, JobLogon>, connection: AuthenticatedConnection) {
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

  next(wwwAuthenticate: readonly string[], request: RequestLine): string | Promise<string> {
    const inner = this.#inner;
    if (inner !== undefined) return this.#provedBy(() => inner.next(wwwAuthenticate, request));
    const offered = parseChallenges(wwwAuthenticate).map((challenge) => challenge.scheme);
    const scheme = [...this.#usable.keys()].find((candidate) => offered.includes(candidate));
    if (scheme === undefined) throw new CarmineError('auth/no-common-mechanism');
    const tickets = this.#usable.get(scheme)?.tickets;
    const start = (ticket?: ServiceTicket) => {
      this.#inner = this.#create(scheme, ticket);
      return this.#inner.next(wwwAuthenticate, request);
    };
    if (tickets === undefined) return start();
    return tickets.obtain({ service: 'HTTP', host: this.#connection.host }).then((ticket) => {
      if (ticket !== undefined) this.#forget = () => tickets.forget(ticket);
      return start(ticket);
    }, unavailable);
  }

  finish(wwwAuthenticate: readonly string[]): void {
    this.#provedBy(() => this.#inner?.finish(wwwAuthenticate));
  }

  /** A service may have got another key: who is refused with a ticket needs a new one the next time. */
  #provedBy<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      this.#forget();
      throw error;
    }
  }

  #create(scheme: HttpScheme, ticket?: ServiceTicket): Authenticator {
    const { host, secureTransport, serverCertificate } = this.#connection;
    const logon = this.#usable.get(scheme);
    return createHttpInitiator({
      ...(logon === undefined || logon.kind === 'kerberos' ? {} : { credentials: logon }),
      ...(ticket === undefined ? {} : { kerberos: { ticket } }),
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

/** Without its KDC the job waits; every other reason is the credentials' and does not pass by itself. */
function unavailable(error: unknown): never {
  const passing =
    isCarmineError(error, 'auth/kdc-unreachable') ||
    (isCarmineError(error, 'auth/kdc-refused') && error.context.number === serviceUnavailable);
  if (!passing) throw error;
  throw new CarmineError('transfer/no-authority', { context: { reason: error.message }, cause: error });
}

/** Strongest first. */
const preference = ['negotiate', 'ntlm', 'digest', 'basic'] as const;

/** KDC_ERR_SVC_UNAVAILABLE. */
const serviceUnavailable = 29;
