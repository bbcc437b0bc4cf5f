import { hostname } from 'node:os';
import { type AccountLookup, type AttemptGate, createAttemptLimiter, type KerberosService } from '@carmine/auth';
import { openAccountDatabase } from '@carmine/auth/node';
import { type AuditEvent, createDispatcher, type Providers } from '@carmine/cim';
import type { Token } from '@carmine/security';
import { systemWsmanEnvironment } from '@carmine/wsman/node';
import {
  type AgentConfiguration,
  type AgentRole,
  type ChannelBindingPolicy,
  configurationWarnings,
} from '../configuration.ts';
import { createAccountDirectory } from './account-directory.ts';
import { openAuditLog } from './audit-log.ts';
import type { AuthenticationObserver } from './audited-acceptor.ts';
import { type CertificateFiles, openCertificateFiles } from './certificate-files.ts';
import { openDcom } from './dcom.ts';
import { makeStateFolder } from './files.ts';
import { openKerberos } from './kerberos.ts';
import type { Log } from './log.ts';
import { netbiosName, openManagement } from './management.ts';
import { CallCounter, type MetricsSource, serveMetrics } from './metrics.ts';
import { createRoleSource } from './role-source.ts';
import { lockState } from './state-lock.ts';

/** What an agent of either role does beyond being managed. */
export interface AgentService {
  readonly providers: Omit<Providers, 'accounts'>;
  readonly metrics?: MetricsSource | undefined;
  start(): Promise<void>;
  /** Brings everything to rest; what is not durable yet becomes so. */
  stop(): Promise<void>;
}

/** What a service is made from. */
export interface AgentContext {
  readonly configuration: AgentConfiguration;
  readonly accounts: AccountLookup;
  /** One for all listeners: failures on one port count on the others. */
  readonly attempts: AttemptGate;
  /** Offers nothing while there are no keys. */
  readonly kerberos: KerberosService | undefined;
  /** For the audit. */
  readonly onAuthentication: AuthenticationObserver;
  readonly certificates: CertificateFiles;
  /** This machine's NetBIOS-style name. */
  readonly hostName: string;
  readonly log: Log;
}

export interface AgentOptions {
  readonly role: AgentRole;
  readonly configuration: AgentConfiguration;
  readonly version: string;
  readonly log: Log;
  readonly createService: (context: AgentContext) => Promise<AgentService>;
}

/** The line that `run` prints when the agent is ready. */
export interface ReadyLine {
  readonly ready: true;
  readonly role: AgentRole;
  readonly wsman: { readonly http: string | null; readonly https: string | null };
  readonly dcom: { readonly resolver: string | null; readonly exporter: string | null };
  readonly metrics: string | null;
}

export interface RunningAgent {
  readonly ready: ReadyLine;
  /** Drains: no new calls, running ones end, the service comes to rest. */
  stop(): Promise<void>;
}

/** Starts an agent: lock, accounts, service, listeners; and takes everything down again, in reverse, when told to or when one fails. */
export async function startAgent(options: AgentOptions): Promise<RunningAgent> {
  const { role, configuration, log } = options;
  const undo: (() => void | Promise<void>)[] = [];
  const stop = async () => {
    const failures: unknown[] = [];
    for (let step = undo.pop(); step !== undefined; step = undo.pop()) {
      try {
        await step();
      } catch (error) {
        // What is below still has to come down, the lock above all.
        failures.push(error);
        log.error('stopping did not go well', error);
      }
    }
    if (failures.length > 0) throw failures[0];
  };
  try {
    await makeStateFolder(configuration.stateDir);
    const lock = lockState(configuration.stateDir);
    undo.push(() => lock.release());
    const audit = await openAuditLog(configuration.stateDir);
    undo.push(() => audit.close());
    const hostName = netbiosName(hostname());
    const accounts = openAccountDatabase({
      stateDir: configuration.stateDir,
      hostName,
      report: (error) =>
        log.error('the accounts cannot be read: nobody can log on, and their Kerberos keys do not count', error),
    });
    const hasKeys = accounts.serviceKeys().length > 0;
    for (const warning of configurationWarnings(role, configuration, hasKeys)) log.warn(warning);
    if (accounts.list().length === 0) log.warn('there are no accounts: nobody can log on; see "account add"');
    const certificates = openCertificateFiles(configuration.stateDir);
    const attempts = createAttemptLimiter({ now: () => performance.now() });
    const kerberos = openKerberos(configuration.kerberos, accounts, log);
    const calls = new CallCounter();
    const record = (event: AuditEvent) => {
      audit.write(event);
      calls.add(event.action, event.outcome);
    };
    const onAuthentication = (port: string) => (token: Token, succeeded: boolean) =>
      record({
        token,
        action: 'Authenticate',
        object: port,
        outcome: succeeded ? 'allowed' : 'denied',
        result: succeeded ? 0 : 0x8007_0005,
      });
    const service = await options.createService({
      configuration,
      accounts: accounts.lookup,
      attempts,
      kerberos,
      onAuthentication: onAuthentication(portName('data', configuration.server.channelBinding)),
      certificates,
      hostName,
      log,
    });
    undo.push(() => service.stop());
    await service.start();

    const dispatcher = createDispatcher({
      providers: {
        ...service.providers,
        accounts: createAccountDirectory(accounts, hostName, configuration.kerberos.accounts),
      },
      audit: record,
      rolesOf: createRoleSource(configuration.management.roles, accounts, log),
      events: { now: Date.now, after: systemWsmanEnvironment.after },
    });
    const onDenied = (token: Token) =>
      record({ token, action: 'Any', object: '', outcome: 'denied', result: 0x8004_1003 });
    const management = await openManagement({
      configuration: configuration.management,
      dispatcher,
      accounts: accounts.lookup,
      attempts,
      kerberos,
      onAuthentication: onAuthentication(portName('management', configuration.management.channelBinding)),
      log,
      version: options.version,
      onDenied,
      pushTrust: configuration.client.trust,
      onUndeliverable: (token, url) =>
        record({ token, action: 'DeliverEvents', object: new URL(url).host, outcome: 'failed', result: 0x8007_2efd }),
    });
    undo.push(() => management.close());
    const dcom = await openDcom({
      configuration: configuration.management,
      dispatcher,
      accounts: accounts.lookup,
      attempts,
      kerberos,
      onAuthentication: onAuthentication('management, dcom'),
      log,
      onDenied,
    });
    undo.push(() => dcom.close());
    const sources = service.metrics === undefined ? [calls] : [calls, service.metrics];
    const metrics =
      configuration.metrics.http === undefined ? undefined : await serveMetrics(configuration.metrics.http, sources);
    if (metrics !== undefined) undo.push(() => metrics.close());
    const ready: ReadyLine = {
      ready: true,
      role,
      wsman: { http: management.http, https: management.https },
      dcom: { resolver: dcom.resolver, exporter: dcom.exporter },
      metrics: metrics?.address ?? null,
    };
    return { ready, stop };
  } catch (error) {
    // Why it did not start is what matters; how stopping went is in the log.
    await stop().catch(() => {});
    throw error;
  }
}

/** Kind of port for the audit; a logon where channel binding is relaxed is told from one where it is required. */
function portName(kind: 'management' | 'data', channelBinding: ChannelBindingPolicy): string {
  return channelBinding === 'relaxed' ? `${kind}, channel_binding=relaxed` : kind;
}
