import { hostname } from 'node:os';
import {
  createKerberosAcceptor,
  createNtlmAcceptor,
  createSpnegoAcceptor,
  kerberosAcceptorMechanism,
  ntlmAcceptorMechanism,
  type RpcSecurityContext,
} from '@carmine/auth';
import { systemEnvironment } from '@carmine/auth/node';
import { authTypes } from '@carmine/dcerpc';
import { createTcpDialer } from '@carmine/dcerpc/node';
import { createSinkConnector } from '@carmine/wmi';
import { createWmiTcpServer, systemWmiEnvironment } from '@carmine/wmi/node';
import { formatAddress } from '../address.ts';
import { listenFailure } from './listen-failure.ts';
import type { ListenerOptions } from './management.ts';

/** WMI over DCOM of an agent. */
export interface DcomListeners {
  /** Where each listens, `host:port`; null when it is off. */
  readonly resolver: string | null;
  readonly exporter: string | null;
  close(): Promise<void>;
}

/** Opens the object resolver and the object exporter, as configured. */
export async function openDcom(options: ListenerOptions): Promise<DcomListeners> {
  const { configuration, log } = options;
  const { resolver, exporter, level, callbacks } = configuration.dcom;
  if (resolver === undefined) return { resolver: null, exporter: null, close: async () => {} };
  const objects = exporter ?? { host: resolver.host, port: 0 };
  const security = acceptors(options);
  const server = createWmiTcpServer({
    dispatcher: options.dispatcher,
    accept: security.accept,
    authentication: security.types,
    minimumLevel: level,
    connections: { maxConnections: configuration.maxConnections },
    onAuthentication: options.onAuthentication,
    onDenied: options.onDenied,
    onError: (error) => log.error('a DCOM call failed', error),
    connectSink: callbacks
      ? createSinkConnector({
          dial: createTcpDialer(),
          environment: systemWmiEnvironment,
          // Nobody has given this machine credentials for its callers' machines.
          security: () => async () => undefined,
        })
      : undefined,
  });
  try {
    const listening = await server.listen(resolver, objects);
    return {
      resolver: formatAddress(listening.resolver),
      exporter: formatAddress(listening.exporter),
      close: () => server.close(),
    };
  } catch (cause) {
    throw listenFailure(
      (cause as { port?: number }).port === objects.port && objects.port !== 0 ? objects : resolver,
      cause,
    );
  }
}

/** Negotiate, NTLM and Kerberos, as `[management] auth` has them. Each message is signed, so that no MIC is asked for. */
function acceptors({ configuration, accounts, attempts, kerberos }: ListenerOptions): {
  readonly types: readonly number[];
  readonly accept: (type: number, peer: { readonly source: string }) => RpcSecurityContext | undefined;
} {
  const withNtlm = configuration.auth.includes('ntlm');
  const service = configuration.auth.includes('kerberos') ? kerberos : undefined;
  const hasKeys = () => service !== undefined && service.keytab().length > 0;
  const types = [
    ...(withNtlm || hasKeys() ? [authTypes.negotiate] : []),
    ...(withNtlm ? [authTypes.ntlm] : []),
    ...(hasKeys() ? [authTypes.kerberos] : []),
  ];
  return {
    types,
    accept(type, { source }) {
      const ntlm = {
        accounts,
        attempts,
        source,
        environment: systemEnvironment,
        hostName: hostname(),
        requireMic: false,
      };
      const kerberosOffered = service !== undefined && hasKeys();
      switch (type) {
        case authTypes.negotiate: {
          const mechanisms = [
            ...(kerberosOffered ? [kerberosAcceptorMechanism({ service })] : []),
            ...(withNtlm ? [ntlmAcceptorMechanism(ntlm)] : []),
          ];
          return mechanisms.length === 0 ? undefined : createSpnegoAcceptor({ mechanisms });
        }
        case authTypes.ntlm:
          return withNtlm ? createNtlmAcceptor(ntlm) : undefined;
        case authTypes.kerberos:
          return kerberosOffered ? createKerberosAcceptor({ service }) : undefined;
        default:
          return undefined;
      }
    },
  };
}
