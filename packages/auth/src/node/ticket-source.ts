import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { CarmineError, isCarmineError } from '@carmine/errors';
import type { PasswordCredentials } from '../context.ts';
import type { ServiceTicket } from '../kerberos/client/credential.ts';
import { cacheTickets, type TicketRequest, type TicketSource } from '../logon.ts';
import { readKerberosConfiguration } from './kerberos-files.ts';
import { type ObtainTicketOptions, obtainServiceTicket } from './service-ticket.ts';
import { systemEnvironment } from './system-environment.ts';

export interface TicketSourceOptions extends Omit<ObtainTicketOptions, 'signal'> {
  /**
   * True: an address instead of a name, and a service that the realm does not know, give no ticket instead of
   * `auth/no-ticket`. For who has NTLM besides.
   */
  readonly optional?: boolean | undefined;
}

/**
 * Tickets for the services that are talked to, kept in memory. The name of a host is taken as it is given, in lower case:
 * no name service is asked for another one, which it could lie about.
 */
export function createTicketSource(options: TicketSourceOptions): TicketSource {
  return cacheTickets(options.environment ?? systemEnvironment, (request) => obtain(options, request));
}

async function obtain(
  { optional = false, ...options }: TicketSourceOptions,
  { service, host }: Pick<TicketRequest, 'service' | 'host'>,
): Promise<ServiceTicket | undefined> {
  const name = host.replace(/^\[|\]$/g, '').toLowerCase();
  if (isIP(name) !== 0) {
    if (optional) return undefined;
    throw new CarmineError('auth/no-ticket', {
      context: { reason: `tickets are for names; ${name} is an address: use the name of the machine` },
    });
  }
  try {
    return await obtainServiceTicket({ ...options, service, host: name });
  } catch (error) {
    if (optional && isCarmineError(error, 'auth/no-ticket')) return undefined;
    throw error;
  }
}

/** Tickets that an agent gets for others and for itself. */
export interface AgentTickets {
  /** For `user@REALM`, none where no KDC of the realm is known; undefined for other names. */
  forPassword(credentials: PasswordCredentials): TicketSource | undefined;
  /** The agent's own identity; undefined when it has none. */
  readonly own: TicketSource | undefined;
}

export interface AgentTicketsOptions extends Pick<ObtainTicketOptions, 'configuration' | 'environment'> {
  readonly own?: { readonly principal: string; readonly keytab: string } | undefined;
}

/**
 * One for all of an agent's jobs: who names the same principal with the same password shares tickets. A password that
 * nobody has proved yet gets nobody else's.
 */
export function createAgentTickets({ own, ...common }: AgentTicketsOptions): AgentTickets {
  const sources = new Map<string, TicketSource>();
  return {
    own: own === undefined ? undefined : createTicketSource({ ...common, ...own }),
    forPassword({ user, password }) {
      if (!isUpn(user)) return undefined;
      const key = createHash('sha256')
        .update(JSON.stringify([user, password]))
        .digest('hex');
      const kept = sources.get(key);
      if (kept !== undefined) return kept;
      const [oldest] = sources.keys();
      if (sources.size >= maxSources && oldest !== undefined) sources.delete(oldest);
      // The realms are looked up when a ticket is needed: what an agent knows may change, or be unreadable, meanwhile.
      const made = cacheTickets(common.environment ?? systemEnvironment, async (request) => {
        const principal = principalOfUser(user, common.configuration);
        if (principal === undefined) return undefined;
        return await obtain({ ...common, principal, password, optional: true }, request);
      });
      sources.set(key, made);
      return made;
    },
  };
}

/**
 * The principal that `user@REALM` means when KDCs of the realm are known. UNSPECIFIED: a realm that is not known as it is
 * written is looked for in capitals, as people write `alice@example.com`.
 */
export function principalOfUser(user: string, configuration?: string): string | undefined {
  if (!isUpn(user)) return undefined;
  const [name, realm = ''] = user.split('@');
  const { kdcs } = readKerberosConfiguration(configuration);
  const known = [realm, realm.toUpperCase()].find((candidate) => kdcs.has(candidate));
  return known === undefined ? undefined : `${name}@${known}`;
}

function isUpn(user: string): boolean {
  return /^[^\\@]+@[^\\@]+$/.test(user);
}

const maxSources = 256;
