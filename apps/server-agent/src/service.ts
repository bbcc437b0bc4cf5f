import { type AgentContext, type AgentService, auditedAcceptor, openCertificateLogon } from '@carmine/agent/node';
import { systemEnvironment } from '@carmine/auth/node';
import { createUrlServer } from '@carmine/url-server/node';

/** The server agent: URL groups, managed as BitsCompactServerUrlGroup. */
export async function createServerService(context: AgentContext): Promise<AgentService> {
  const { configuration, accounts, attempts, certificates, hostName, log, onAuthentication } = context;
  const { stateDir, server } = configuration;
  const certificateLogon =
    server.clientCa === undefined
      ? undefined
      : await openCertificateLogon({
          clientCa: server.clientCa,
          certificates: server.certificates,
          table: 'server.certificates',
          accounts,
          log,
        });
  const urlServer = createUrlServer({
    stateDir,
    bind: server.bind,
    roots: server.roots,
    requireTls: server.requireTls,
    anonymous: server.anonymous,
    persist: server.persist,
    requireChannelBinding: server.channelBinding === 'required',
    accounts,
    attempts,
    kerberos: context.kerberos,
    clientAuthorities: certificateLogon?.authorities,
    wrapAcceptor: (acceptor, { source, clientCertificate }) =>
      auditedAcceptor(
        certificateLogon?.accept(acceptor, clientCertificate, source) ?? acceptor,
        source,
        onAuthentication,
      ),
    connectionLimit: server.connectionLimit,
    accessLog: server.accessLog,
    drain: server.drainSeconds * 1000,
    reading:
      server.minRateBytes === 0 ? undefined : { minimumRate: server.minRateBytes, grace: server.graceSeconds * 1000 },
    certificates,
    environment: systemEnvironment,
    hostName,
    warn: (message) => log.warn(message),
  });
  return {
    providers: { urlGroups: urlServer.groups, urlGroupExtensions: urlServer.groups },
    metrics: {
      collect: () =>
        new Map([
          ['carmine_url_groups', urlServer.groups.groups.size],
          ['carmine_transfers_running', urlServer.running()],
          ...urlServer.metrics(),
        ]),
    },
    start: () => urlServer.start(),
    stop: () => urlServer.stop(),
  };
}
