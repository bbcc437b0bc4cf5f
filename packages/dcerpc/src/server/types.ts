import type { RpcSecurityContext } from '@carmine/auth';
import type { Token } from '@carmine/security';
import type { SyntaxId } from '../pdu/syntax.ts';
import type { Associations } from './associations.ts';

/** The other end of a connection. */
export interface RpcPeer {
  /** Remote address. */
  readonly source: string;
  /** Where the connection arrived. */
  readonly localAddress: string;
  readonly localPort: number;
}

/** One connection as handlers see it. */
export interface RpcConnectionInfo extends RpcPeer {
  /** Unique among the connections of this server. */
  readonly id: number;
  /** Association group: connections of one client. 0 before the bind. */
  readonly association: number;
}

/** One call, opened and checked. */
export interface RpcCall {
  readonly abstractSyntax: SyntaxId;
  readonly opnum: number;
  readonly object: string | undefined;
  readonly stub: Uint8Array;
  readonly littleEndian: boolean;
  /** Nobody's on a call without authentication. */
  readonly token: Token;
  /** See authLevels. */
  readonly level: number;
  readonly connection: RpcConnectionInfo;
  /** Ends when the client cancels, gives the call up or is gone. */
  readonly signal: AbortSignal;
}

export interface RpcInterface {
  readonly syntax: SyntaxId;
  /** Operations that anybody may call, authenticated or not. */
  readonly open?: ReadonlySet<number> | undefined;
  /** Returns the stub of the response. Throws what `rpcFault` makes, or any CarmineError. */
  invoke(call: RpcCall): Promise<Uint8Array> | Uint8Array;
}

/** What limits one connection. */
export interface RpcLimits {
  /** Octets of a fragment, in either direction. */
  readonly fragment: number;
  /** Octets of a PDU of the bind family: tokens with large PACs are not fragmented. */
  readonly bind: number;
  /** Octets of a request's stub. */
  readonly stub: number;
  readonly presentationContexts: number;
  readonly securityContexts: number;
  /** Calls that run at once on a connection, where concurrent multiplexing was agreed. */
  readonly concurrentCalls: number;
  /** Calls that wait; the shell reads no more before there is room. */
  readonly waitingCalls: number;
}

/**
 * DEVIATION: [MS-RPCE] 3.3.3.5.4 has requests up to 4 MiB; a quarter of that is more than any call here needs, and four connections
 * cost what one would.
 */
export const defaultRpcLimits: RpcLimits = {
  fragment: 5840,
  bind: 65_535,
  stub: 1024 * 1024,
  presentationContexts: 1024,
  securityContexts: 512,
  concurrentCalls: 32,
  waitingCalls: 32,
};

export interface RpcServerOptions {
  /** The interface of that identifier; asked at each bind. */
  readonly find: (syntax: SyntaxId) => RpcInterface | undefined;
  /** A context for an authentication type ([MS-RPCE] 2.2.1.1.7), or undefined: not offered. */
  readonly accept: (authType: number, peer: RpcPeer) => RpcSecurityContext | undefined;
  /**
   * Whether an authenticated caller may call anything that is not open; asked before the stub is looked at. Everybody unless given.
   */
  readonly mayCall?: ((token: Token) => boolean) | undefined;
  /** The least level for calls that are not open: packet integrity unless told privacy. */
  readonly minimumLevel?: 'integrity' | 'privacy' | undefined;
  /** The first association group; random, so that ids do not come again after a restart. */
  readonly firstAssociation: number;
  readonly limits?: Partial<RpcLimits> | undefined;
  /** Told of each authentication that succeeded or failed, for the audit. */
  readonly onAuthentication?: ((token: Token, succeeded: boolean) => void) | undefined;
  /** Told of each authenticated caller whom `mayCall` refuses, once for a security context. */
  readonly onDenied?: ((token: Token) => void) | undefined;
  /** Told of failures that are our own. */
  readonly onError?: ((error: unknown) => void) | undefined;
  readonly onClose?: ((connection: RpcConnectionInfo) => void) | undefined;
}

/** What connections of one server share. */
export interface Shared {
  readonly options: RpcServerOptions;
  readonly limits: RpcLimits;
  readonly associations: Associations;
}
