import { randomUUID } from 'node:crypto';
import type { Environment, HttpScheme, Logon } from '@carmine/auth';
import { systemEnvironment } from '@carmine/auth/node';
import type { CimSchema } from '@carmine/cim';
import { CarmineError } from '@carmine/errors';
import { createWsmanOperations } from '../client/operations.ts';
import type { WsmanOperations } from '../client/types.ts';
import { ClientConnection } from './client-connection.ts';
import { ConnectionPool } from './connection-pool.ts';

export interface WsmanClientOptions {
  /** `wsman://host[:5985]`: sealed messages over http. `wsmans://host[:5986]`: https. */
  readonly url: string;
  /** Certificates over https only. */
  readonly credentials: Logon;
  /** Most preferred first; `negotiate` unless given, and `kerberos` after it for Kerberos alone. Basic and Digest work over https only. */
  readonly schemes?: readonly HttpScheme[] | undefined;
  /** PEM of the authorities (or self-signed certificates) to trust; with it those of the system are not. */
  readonly trust?: readonly string[] | undefined;
  /** Milliseconds the server may take for one message; 60 000 unless given. */
  readonly timeout?: number | undefined;
  readonly connectTimeout?: number | undefined;
  /** 4 unless given. */
  readonly maxConnections?: number | undefined;
  /** First part of the service name; unless given `HTTP` in tickets, as other clients ask for them, and `WSMAN` in NTLM. */
  readonly service?: string | undefined;
  readonly schema?: CimSchema | undefined;
  readonly batchSize?: number | undefined;
  readonly environment?: Environment | undefined;
}

export interface WsmanClient extends WsmanOperations {
  close(): Promise<void>;
}

/** A machine at the end of a `wsman:` or `wsmans:` URL. Nothing is sent before the first call. */
export function createWsmanClient(options: WsmanClientOptions): WsmanClient {
  const { host, port, secureTransport } = parseUrl(options.url);
  const origin = `${secureTransport ? 'https' : 'http'}://${host}:${port}`;
  const target = `${host}:${port}`;
  const timeout = options.timeout ?? 60_000;
  const { credentials: logon } = options;
  if (logon.kind === 'certificate' && !secureTransport)
    throw new CarmineError('usage/invalid', { context: { reason: 'a client certificate needs wsmans://' } });
  const schemes = options.schemes ?? (logon.kind === 'kerberos' ? ['negotiate', 'kerberos'] : ['negotiate']);
  // Digest gives no keys to seal with, so both need TLS; see also the check before each message.
  const usable = schemes.filter((scheme) => secureTransport || (scheme !== 'basic' && scheme !== 'digest'));
  const pool = new ConnectionPool({
    target,
    limit: options.maxConnections ?? 4,
    open: () =>
      new ClientConnection({
        origin,
        target,
        secureTransport,
        logon,
        schemes: usable,
        environment: options.environment ?? systemEnvironment,
        host: host.replace(/^\[|\]$/g, ''),
        services: { kerberos: options.service ?? 'HTTP', ntlm: options.service ?? 'WSMAN' },
        trust: options.trust,
        connectTimeout: options.connectTimeout ?? 10_000,
        exchangeTimeout: timeout + slack,
      }),
  });
  const operations = createWsmanOperations({
    exchange: (request) => pool.exchange(request),
    to: `${origin}/wsman`,
    uuid: randomUUID,
    now: () => performance.now(),
    schema: options.schema,
    operationTimeout: timeout,
    batchSize: options.batchSize,
  });
  return { ...operations, close: () => pool.close() };
}

function parseUrl(text: string): { host: string; port: number; secureTransport: boolean } {
  let url: URL | undefined;
  try {
    url = new URL(text);
  } catch {
    url = undefined;
  }
  if (url === undefined || url.hostname === '' || (url.protocol !== 'wsman:' && url.protocol !== 'wsmans:'))
    throw new CarmineError('usage/invalid', { context: { reason: 'expected wsman://host or wsmans://host' } });
  const secureTransport = url.protocol === 'wsmans:';
  const port = url.port === '' ? (secureTransport ? 5986 : 5985) : Number(url.port);
  return { host: url.hostname.toLowerCase(), port, secureTransport };
}

/** Milliseconds for the way there and back beyond what the server may take: then the server's own fault comes first. */
const slack = 5_000;
