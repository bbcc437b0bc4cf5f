import type { RpcClientSecurity, RpcDialer } from '@carmine/dcerpc';

/** How a new connection is to be secured; a context serves once. `service`: the class of the service principal name. */
export type SecurityProvider = (
  service: 'RPCSS' | 'host',
  signal: AbortSignal | undefined,
) => Promise<RpcClientSecurity | undefined>;

export interface DcomClientOptions {
  readonly dial: RpcDialer;
  /** The machine, as it was asked for. Only this host is connected to, whatever bindings name: credentials are meant for it. */
  readonly host: string;
  /** Of its object resolver; 135 unless given. */
  readonly resolverPort?: number | undefined;
  readonly security: SecurityProvider;
  readonly randomBytes: (length: number) => Uint8Array;
  /** Calls back once after `delay` milliseconds; returns what cancels it. */
  readonly after: (delay: number, callback: () => void) => () => void;
  /** Milliseconds that a call may take; 60 s unless given. Calls with a signal of their own may be longer. */
  readonly callTimeout?: number | undefined;
  /** Milliseconds between pings; two minutes unless given. */
  readonly pingPeriod?: number | undefined;
}

export interface InvokeOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds; `callTimeout` unless given. */
  readonly timeout?: number | undefined;
}
