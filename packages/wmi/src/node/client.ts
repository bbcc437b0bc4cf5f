import type { HttpScheme, Logon } from '@carmine/auth';
import { systemEnvironment } from '@carmine/auth/node';
import { createTcpDialer } from '@carmine/dcerpc/node';
import { createDcomClient } from 'node-dcom-lite';
import { createWmiOperations, type WmiOperations } from '../client/operations.ts';
import { createWmiSecurity } from '../client/security.ts';
import { systemWmiEnvironment } from './environment.ts';

export interface WmiClientOptions {
  readonly host: string;
  /** Of the object resolver; 135 unless given. */
  readonly port?: number | undefined;
  readonly credentials: Logon;
  readonly schemes?: readonly HttpScheme[] | undefined;
  /** Milliseconds that a call may take; 60 s unless given. */
  readonly callTimeout?: number | undefined;
}

export interface WmiClient extends WmiOperations {
  close(): Promise<void>;
}

/** The CIM calls of a machine, over DCOM on TCP at packet privacy. Opens nothing before the first call. */
export function createWmiClient(options: WmiClientOptions): WmiClient {
  const { host, port, credentials, schemes, callTimeout } = options;
  const dcom = createDcomClient({
    dial: createTcpDialer(),
    host,
    resolverPort: port,
    security: createWmiSecurity({ logon: credentials, host, environment: systemEnvironment, schemes }),
    randomBytes: systemWmiEnvironment.randomBytes,
    after: systemWmiEnvironment.after,
    callTimeout,
  });
  const operations = createWmiOperations({ dcom });
  return Object.assign(operations, { close: async () => dcom.close() });
}
