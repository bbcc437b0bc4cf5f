import { CarmineError } from '@carmine/errors';
import type { Environment } from '../context.ts';
import { createAsExchange } from '../kerberos/client/as-exchange.ts';
import type { ClientSecret } from '../kerberos/client/client-keys.ts';
import type { KerberosCredential, ServiceTicket } from '../kerberos/client/credential.ts';
import type { KdcResult } from '../kerberos/client/exchange.ts';
import { createTgsExchange } from '../kerberos/client/tgs-exchange.ts';
import { type KerberosConfiguration, realmOfHost } from '../kerberos/files/krb5-conf.ts';
import { formatPrincipal, krbtgtName, parsePrincipal, sameName, serviceName } from '../kerberos/messages/principal.ts';
import { type KdcConnectionOptions, runKdcExchange } from './kdc-connection.ts';
import { readCredentialCache, readKerberosConfiguration, readKeytab } from './kerberos-files.ts';
import { systemEnvironment } from './system-environment.ts';

export interface ObtainTicketOptions {
  /** `user@REALM` or `user` in the default realm. With a cache its own client, who must then be this one. */
  readonly principal?: string | undefined;
  readonly password?: string | undefined;
  /** Path of a key table with the principal's keys. */
  readonly keytab?: string | undefined;
  /** Path of a credential cache. One of password, keytab and ccache is needed. */
  readonly ccache?: string | undefined;
  /**
   * `host` or `host:port` of the KDCs of the client's realm; else, and for other realms, the configuration names them.
   */
  readonly kdc?: readonly string[] | undefined;
  /** Path of a krb5.conf; KRB5_CONFIG or /etc/krb5.conf unless given. */
  readonly configuration?: string | undefined;
  readonly allowRc4?: boolean | undefined;
  /** Milliseconds for one attempt at one KDC; 5,000 unless given. */
  readonly timeout?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly environment?: Environment | undefined;
}

export interface ObtainServiceTicketOptions extends ObtainTicketOptions {
  /** `HTTP`, `WSMAN`, `RPCSS`, `host`. */
  readonly service: string;
  /** As the service is registered: usually the full name of the machine. */
  readonly host: string;
  /** Realm of the service; else the configuration's `[domain_realm]` or what the client's KDC says. */
  readonly serviceRealm?: string | undefined;
}

/**
 * A ticket for a service, for createKerberosInitiator and HttpInitiatorOptions.kerberos. From a cache a ticket for the
 * service itself is taken when it is there and valid for a minute more, else its ticket-granting ticket is used. Throws
 * `auth/failed` for a wrong secret or unknown client, `auth/no-ticket`, `auth/kdc-refused`, `auth/kdc-unreachable`,
 * `internal/aborted`, `configuration/*`, `usage/invalid`.
 */
export async function obtainServiceTicket(options: ObtainServiceTicketOptions): Promise<ServiceTicket> {
  const setting = prepare(options);
  const { environment, configuration } = setting;
  const service = serviceName(options.service, options.host);
  const { serviceRealm = realmOfHost(configuration, options.host) } = options;
  let granting: KdcResult<KerberosCredential>;
  if (options.ccache === undefined) {
    granting = await runAs(options, setting);
  } else {
    const { principal, credentials, clockOffset } = readCredentialCache(options.ccache);
    if (options.principal !== undefined) {
      const wanted = parsePrincipal(options.principal, configuration.defaultRealm);
      if (wanted.realm !== principal.realm || !sameName(wanted.name, principal.name)) {
        throw noTicket(`the cache belongs to ${formatPrincipal(principal)}`);
      }
    }
    const valid = credentials.filter(({ endTime }) => endTime > environment.now() + clockOffset + 60_000);
    const ticket = valid.find(({ server }) => {
      return sameName(server.name, service) && (serviceRealm === undefined || server.realm === serviceRealm);
    });
    if (ticket !== undefined) return { ...ticket, clockOffset };
    const grantingName = krbtgtName(principal.realm);
    const isGranting = ({ server }: KerberosCredential) =>
      sameName(server.name, grantingName) && server.realm === principal.realm;
    const found = valid.find(isGranting);
    if (found === undefined) {
      if (!credentials.some(isGranting)) throw noTicket('the cache has no ticket-granting ticket: kinit first');
      throw noTicket(`the ticket-granting ticket of ${formatPrincipal(principal)} has expired: kinit again`);
    }
    granting = { credential: found, clockOffset };
  }
  const exchange = createTgsExchange({
    ticketGrantingTicket: granting.credential,
    clockOffset: granting.clockOffset,
    service,
    serviceRealm,
    environment,
    allowRc4: options.allowRc4,
  });
  return await runKdcExchange(exchange, connectionOf(options, setting, granting.credential.client.realm));
}

/** A ticket-granting ticket with a password or key table, as kinit gets it; see writeCredentialCache. */
export async function obtainGrantingTicket(options: ObtainTicketOptions): Promise<KdcResult<KerberosCredential>> {
  return await runAs(options, prepare(options));
}

interface Setting {
  readonly environment: Environment;
  readonly configuration: KerberosConfiguration;
}

function prepare({ environment = systemEnvironment, configuration }: ObtainTicketOptions): Setting {
  return { environment, configuration: readKerberosConfiguration(configuration) };
}

async function runAs(options: ObtainTicketOptions, setting: Setting): Promise<KdcResult<KerberosCredential>> {
  const { environment, configuration } = setting;
  if (options.principal === undefined) throw usage('whose ticket it should be');
  const client = parsePrincipal(options.principal, configuration.defaultRealm);
  const exchange = createAsExchange({ client, secret: secretOf(options), environment, allowRc4: options.allowRc4 });
  return await runKdcExchange(exchange, connectionOf(options, setting, client.realm));
}

function secretOf({ password, keytab }: ObtainTicketOptions): ClientSecret {
  if (password !== undefined) return { password };
  if (keytab !== undefined) return { keytab: readKeytab(keytab) };
  throw usage('a password, key table or credential cache');
}

function connectionOf(
  { kdc, timeout, signal }: ObtainTicketOptions,
  { configuration }: Setting,
  clientRealm: string,
): KdcConnectionOptions {
  const kdcs = (realm: string) =>
    realm === clientRealm && kdc !== undefined ? kdc : (configuration.kdcs.get(realm) ?? []);
  return { kdcs, timeout, signal };
}

function noTicket(reason: string): CarmineError {
  return new CarmineError('auth/no-ticket', { context: { reason } });
}

function usage(what: string): CarmineError {
  return new CarmineError('usage/invalid', { context: { reason: `Kerberos needs ${what}` } });
}
