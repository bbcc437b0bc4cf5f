import type { RpcSecurityContext } from '@carmine/auth';
import type { SyntaxId } from '../pdu/syntax.ts';

/** Octets to and from a server, whatever carries them. */
export interface RpcStream {
  send(bytes: Uint8Array): void;
  /** Called with octets as they arrive; set once. */
  onData: (bytes: Uint8Array) => void;
  /** Called once when it ends, with what ended it. */
  onClose: (error: unknown) => void;
  close(): void;
}

/** Opens a stream; throws `rpc/unreachable`. */
export type RpcDialer = (
  address: { readonly host: string; readonly port: number },
  signal?: AbortSignal,
) => Promise<RpcStream>;

/** How a connection is protected. */
export interface RpcClientSecurity {
  /** See authTypes: 9, 10 or 16. */
  readonly type: number;
  readonly level: 'integrity' | 'privacy';
  readonly context: RpcSecurityContext;
}

export interface RpcClientOptions {
  /** Without it calls are not authenticated. */
  readonly security?: RpcClientSecurity | undefined;
  /** Joins the association group of another connection to the same server; 0 or absent: a new one. */
  readonly associationGroup?: number | undefined;
  /** Octets of a fragment that are proposed; 5840 unless given. */
  readonly fragment?: number | undefined;
  /** Octets of a response's stub; 32 MiB unless given. */
  readonly stub?: number | undefined;
  /** Proposes concurrent multiplexing; true unless given. */
  readonly multiplexing?: boolean | undefined;
}

export interface RpcRequest {
  readonly syntax: SyntaxId;
  readonly opnum: number;
  readonly stub: Uint8Array;
  readonly object?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The stub of an answer, and the byte order it is in. */
export interface RpcAnswer {
  readonly stub: Uint8Array;
  readonly littleEndian: boolean;
}
