import type { CimOperations, CimSchema, ObjectPath } from '@carmine/cim';
import type { CallOptions } from '@carmine/core';

/** One request of the client, ready for a transport. */
export interface ExchangeRequest {
  readonly body: Uint8Array;
  readonly contentType: string;
  /** False when doing it twice is not the same as doing it once: such a request is never sent again. */
  readonly idempotent: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** What a transport got back. */
export interface ExchangeResponse {
  readonly status: number;
  readonly contentType: string | undefined;
  readonly body: Uint8Array;
}

/** How the client core meets a transport; in tests it is the server core itself. */
export type WsmanExchange = (request: ExchangeRequest) => Promise<ExchangeResponse>;

export interface WsmanOperationsOptions {
  readonly exchange: WsmanExchange;
  /** Goes into a:To, e.g. `http://host:5985/wsman`. */
  readonly to: string;
  /** A new random UUID, any case. */
  readonly uuid: () => string;
  /** Milliseconds; only differences matter. */
  readonly now: () => number;
  /** Classes whose types are known; those of BITS and Carmine unless given. Others come back as text. */
  readonly schema?: CimSchema | undefined;
  /** Milliseconds the server may take for one message; 60 000 unless given. */
  readonly operationTimeout?: number | undefined;
  /** Items asked for at once; 1000 unless given. */
  readonly batchSize?: number | undefined;
}

/** What Identify tells (DSP0226 section 11). */
export interface IdentifyResult {
  readonly vendor: string;
  readonly version: string;
  readonly protocolVersion: string;
}

/** CIM calls over WS-Management. */
export interface WsmanOperations extends CimOperations {
  identify(options?: CallOptions): Promise<IdentifyResult>;
  /** The paths of the instances, without the rest of them (EnumerateEPR, DSP0226 section 8.7). */
  enumerateReferences(namespace: string, className: string, options?: CallOptions): AsyncIterable<ObjectPath>;
}
