import { CarmineError } from '@carmine/errors';
import type { Environment, PasswordCredentials } from './context.ts';
import type { ServiceTicket } from './kerberos/client/credential.ts';

/** How a client logs on to a server; which kinds are possible is the transport's to say. */
export type Logon = PasswordLogon | KerberosLogon | CertificateLogon;

/** The plain case, so its tag may be left out. */
export interface PasswordLogon extends PasswordCredentials {
  readonly kind?: 'password' | undefined;
  /** Lets Negotiate prefer Kerberos wherever these give a ticket; NTLM where they give none. */
  readonly tickets?: TicketSource | undefined;
}

/** Kerberos and nothing else. */
export interface KerberosLogon {
  readonly kind: 'kerberos';
  readonly tickets: TicketSource;
}

/** A client certificate: TLS only. Both are PEM; the certificate may be a chain. */
export interface CertificateLogon {
  readonly kind: 'certificate';
  readonly certificate: string;
  readonly privateKey: string;
}

/** The service that a ticket is for: `HTTP/host`. */
export interface TicketRequest {
  readonly service: string;
  readonly host: string;
  readonly signal?: AbortSignal | undefined;
}

/** Where tickets come from. They are asked for when a server is to get one, never before. */
export interface TicketSource {
  /**
   * Undefined: none can be had for this host, and whoever has another way goes that one. Throws what
   * obtainServiceTicket throws.
   */
  obtain(request: TicketRequest): Promise<ServiceTicket | undefined>;
  /** The server refused it: the next one is to be new. */
  forget(ticket: ServiceTicket): void;
}

/**
 * Keeps tickets until a minute before they end, at most 256 of them. Who asks for the same one meanwhile waits for the
 * first answer, so that a wrong password is tried once and not once for each connection; failures are not kept.
 */
export function cacheTickets(
  environment: Pick<Environment, 'now'>,
  obtain: (request: Omit<TicketRequest, 'signal'>) => Promise<ServiceTicket | undefined>,
): TicketSource {
  const tickets = new Map<string, ServiceTicket>();
  const pending = new Map<string, Promise<ServiceTicket | undefined>>();
  const fetch = async (key: string, request: TicketRequest) => {
    try {
      const ticket = await obtain({ service: request.service, host: request.host });
      if (ticket === undefined) return undefined;
      const [oldest] = tickets.keys();
      if (tickets.size >= maxTickets && oldest !== undefined) tickets.delete(oldest);
      tickets.set(key, ticket);
      return ticket;
    } finally {
      pending.delete(key);
    }
  };
  return {
    async obtain(request) {
      const key = `${request.service}/${request.host}`;
      const kept = tickets.get(key);
      if (kept !== undefined && kept.endTime - kept.clockOffset - environment.now() > margin) return kept;
      tickets.delete(key);
      let running = pending.get(key);
      if (running === undefined) {
        running = fetch(key, request);
        pending.set(key, running);
      }
      return await untilAborted(running, request.signal);
    },
    forget(ticket) {
      for (const [key, kept] of tickets) if (kept === ticket) tickets.delete(key);
    },
  };
}

/** One who waits may give up; the others go on waiting. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const abort = () => reject(new CarmineError('internal/aborted'));
    const done = () => signal.removeEventListener('abort', abort);
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    work.then(resolve, reject).finally(done);
  });
}

/** Milliseconds. */
const margin = 60_000;
const maxTickets = 256;
