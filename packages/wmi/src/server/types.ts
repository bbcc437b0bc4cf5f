import type { CimDispatcher } from '@carmine/cim';
import type { DcomClass, OrpcCall, RemoteObject } from 'node-dcom-lite';

/** Time and randomness, from outside. */
export interface WmiEnvironment {
  /** Calls back once after `delay` milliseconds; returns what cancels it. */
  after(delay: number, callback: () => void): () => void;
  randomBytes(length: number): Uint8Array;
}

export interface WmiServerOptions {
  readonly dispatcher: CimDispatcher;
  readonly environment: WmiEnvironment;
  /** Name of this machine, as objects tell it. */
  readonly machine: string;
  /**
   * Reaches an IWbemObjectSink that a client named. Without it the asynchronous methods are refused with WBEM_E_NOT_SUPPORTED: what
   * is called back must be as well protected as what was asked.
   */
  readonly connectSink?: ((objref: Uint8Array, call: OrpcCall) => Promise<RemoteObject>) | undefined;
  /** Told of failures that are our own. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** WMI as classes of a DCOM server. */
export interface WmiServer {
  readonly classes: readonly DcomClass[];
  /** What an exporter has to take binds for. */
  readonly interfaces: readonly string[];
}
