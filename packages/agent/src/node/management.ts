import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import {
  type AccountLookup,
  type AttemptGate,
  createHttpAcceptor,
  type HttpScheme,
  type KerberosService,
} from '@carmine/auth';
import { systemEnvironment } from '@carmine/auth/node';
import type { CimDispatcher } from '@carmine/cim';
import { CarmineError } from '@carmine/errors';
import type { Token } from '@carmine/security';
import { createWsmanServer, type WsmanServer } from '@carmine/wsman';
import {
  createNodePushSink,
  createWsmanHttpServer,
  type NodePushSink,
  systemWsmanEnvironment,
  type WsmanHttpServer,
} from '@carmine/wsman/node';
import { formatAddress, type ListenAddress } from '../address.ts';
import type { AgentConfiguration } from '../configuration.ts';
import { type AuthenticationObserver, auditedAcceptor } from './audited-acceptor.ts';
import { type CertificateLogon, openCertificateLogon } from './certificate-logon.ts';
import { listenFailure } from './listen-failure.ts';
import type { Log } from './log.ts';
import { readTrust } from './trust-files.ts';

/** The management listeners of an agent. */
export interface Management {
  /** Where each listens, `host:port`; null when it is off. */
  readonly http: string | null;
  readonly https: string | null;
  /** Stops accepting and lets running calls end. */
  close(): Promise<void>;
}

/** What the listeners of either protocol need. */
export interface ListenerOptions {
  readonly configuration: AgentConfiguration['management'];
  readonly dispatcher: CimDispatcher;
  readonly accounts: AccountLookup;
  readonly attempts: AttemptGate;
  readonly kerberos: KerberosService | undefined;
  readonly log: Log;
  readonly onAuthentication: AuthenticationObserver;
  /** Told of callers who authenticated and may not manage. */
  readonly onDenied: (token: Token) => void;
}

export interface ManagementOptions extends ListenerOptions {
  readonly version: string;
  /** Files of authorities that receivers of events over https are verified with; those of the system when there are none. */
  readonly pushTrust: readonly string[];
  /** Told of subscriptions that ended because their events could not be delivered. */
  readonly onUndeliverable: (token: Token, url: string) => void;
}

/** Opens WS-Management over http (sealed messages only) and https, as configured. */
export async function openManagement(options: ManagementOptions): Promise<Management> {
  const { configuration, log } = options;
  const servers: WsmanHttpServer[] = [];
  const cores: WsmanServer[] = [];
  // One for both listeners: who gets events is no matter of the port that he subscribed at.
  const push = await openPushSink(options);
  const open = async (address: ListenAddress | undefined, tls: Tls | undefined) => {
    if (address === undefined) return null;
    const secure = tls !== undefined;
    const kerberos = configuration.auth.includes('kerberos') ? options.kerberos : undefined;
    const ntlm = configuration.auth.includes('ntlm');
    const schemes = offered(configuration, secure);
    const core = createWsmanServer({
      dispatcher: options.dispatcher,
      environment: systemWsmanEnvironment,
      identity: { vendor: 'Carmine', version: options.version },
      machine: hostname(),
      securityProfiles: profiles(schemes, tls),
      onDenied: options.onDenied,
      push,
      onUndeliverable: options.onUndeliverable,
    });
    cores.push(core);
    const server = createWsmanHttpServer({
      core,
      tls: tls && { ...tls, clientAuthorities: tls.certificateLogon?.authorities },
      accept: ({ source, secureTransport, channelBinding, clientCertificate }) => {
        const acceptor = createHttpAcceptor({
          schemes,
          accounts: options.accounts,
          attempts: options.attempts,
          kerberos,
          ntlm,
          environment: systemEnvironment,
          hostName: netbiosName(hostname()),
          realm: 'WSMAN',
          source,
          secureTransport,
          channelBinding,
          requireChannelBinding: secureTransport && configuration.channelBinding === 'required',
        });
        const accepting = tls?.certificateLogon?.accept(acceptor, clientCertificate, source) ?? acceptor;
        return auditedAcceptor(accepting, source, options.onAuthentication);
      },
      limits: {
        maxConnections: configuration.maxConnections,
        maxConnectionsPerAddress: Math.ceil((configuration.maxConnections * 2) / 3),
      },
      anonymousIdentify: configuration.anonymousIdentify,
      onError: (error) => log.error('a management request failed', error),
    });
    servers.push(server);
    try {
      return formatAddress(await server.listen(address.host, address.port));
    } catch (cause) {
      throw listenFailure(address, cause);
    }
  };
  const close = async () => {
    const closed = Promise.all(servers.map((server) => server.close()));
    // A Pull that waits for events would hold up the rest.
    await Promise.all(cores.map((core) => core.endSubscriptions()));
    await closed;
    for (const core of cores) core.close();
    push?.close();
  };
  try {
    const http = await open(configuration.http, undefined);
    const https = configuration.https === undefined ? null : await open(configuration.https, await readTls(options));
    return { http, https, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openPushSink({ configuration, pushTrust }: ManagementOptions): Promise<NodePushSink | undefined> {
  if (configuration.pushTo.length === 0) return undefined;
  const trust = pushTrust.length === 0 ? undefined : await readTrust(pushTrust);
  return createNodePushSink({ allow: configuration.pushTo, trust });
}

/** NetBIOS names have 15 characters; NTLM shows it to clients. */
export function netbiosName(host: string): string {
  return (host.split('.')[0] ?? 'CARMINE').slice(0, 15).toUpperCase();
}

/** Basic never without TLS; Kerberos as far as there are keys, see createHttpAcceptor. Client certificates are no scheme of HTTP. */
function offered(configuration: AgentConfiguration['management'], secure: boolean): HttpScheme[] {
  const schemes: HttpScheme[] = [];
  const kerberos = configuration.auth.includes('kerberos');
  if (configuration.auth.includes('ntlm') || kerberos) schemes.push('negotiate');
  if (kerberos) schemes.push('kerberos');
  if (configuration.auth.includes('basic') && secure) schemes.push('basic');
  return schemes;
}

function profiles(schemes: readonly HttpScheme[], tls: Tls | undefined): string[] {
  const transport = tls === undefined ? 'http' : 'https';
  const names = schemes.map((scheme) => (scheme === 'basic' ? `${transport}/basic` : `${transport}/spnego-kerberos`));
  return [...new Set(tls?.certificateLogon === undefined ? names : [...names, 'https/mutual'])];
}

interface Tls {
  readonly cert: string;
  readonly key: string;
  /** Undefined: clients are not asked for certificates. */
  readonly certificateLogon: CertificateLogon | undefined;
}

async function readTls({ configuration, accounts, log }: ManagementOptions): Promise<Tls> {
  const { tls, auth, certificates } = configuration;
  if (tls === undefined)
    throw new CarmineError('configuration/no-certificate', { context: { reason: '[management.tls] is missing' } });
  const { cert, key, clientCa } = tls;
  const certificateLogon =
    clientCa !== undefined && auth.includes('certificate')
      ? await openCertificateLogon({ clientCa, certificates, table: 'management.certificates', accounts, log })
      : undefined;
  try {
    return { cert: await readFile(cert, 'utf8'), key: await readFile(key, 'utf8'), certificateLogon };
  } catch (cause) {
    throw new CarmineError('configuration/no-certificate', { context: { reason: (cause as Error).message }, cause });
  }
}
