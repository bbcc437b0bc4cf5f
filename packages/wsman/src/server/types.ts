import type { CimClass, CimDispatcher, CimOperations } from '@carmine/cim';
import type { Token } from '@carmine/security';
import type { CimEncoding } from '../protocol/encode-cim.ts';
import type { ResourceUri } from '../protocol/resource-uri.ts';
import type { Selectors } from '../protocol/selectors.ts';
import type { XmlElement } from '../xml/element.ts';
import type { XmlEncoding } from '../xml/encoding.ts';
import type { WsmanLimits } from './limits.ts';
import type { RequestHeaders } from './request-headers.ts';

/** One request as the transport hands it over: authenticated, and opened if it was sealed. */
export interface WsmanRequest {
  readonly body: Uint8Array;
  /** Content-Type of the SOAP message itself. */
  readonly contentType: string | undefined;
  readonly token: Token;
  /** SOAPAction header; need not be there, must match a:Action if it is. */
  readonly soapAction?: string | undefined;
  /** Ends when the client is gone. */
  readonly signal?: AbortSignal | undefined;
}

/** What goes back: HTTP status, and the SOAP message if there is one. */
export interface WsmanResponse {
  readonly status: number;
  readonly contentType: string | undefined;
  readonly body: Uint8Array;
}

/** The meeting point of cores and shells: the same code serves node:http and tests without a socket. */
export type WsmanHandler = (request: WsmanRequest) => Promise<WsmanResponse>;

/** Time, timers and identifiers, from outside. */
export interface WsmanEnvironment {
  /** Milliseconds; only differences matter. */
  now(): number;
  /** A new random UUID, any case. */
  uuid(): string;
  /** Calls back once after `delay` milliseconds; returns what cancels it. */
  after(delay: number, callback: () => void): () => void;
  /** Milliseconds since 1970; without it subscriptions expire after durations only, not at dates. */
  date?(): number;
}

/** One message to a receiver of events. */
export interface PushMessage {
  readonly url: string;
  readonly contentType: string;
  readonly body: Uint8Array;
  readonly signal: AbortSignal;
}

/** How events get to where a subscriber wants them; the shell's. */
export interface PushSink {
  /** Whether anything may be sent to this URL: it is a client who names it. Asked at Subscribe and before each message. */
  allows(url: string): boolean;
  /** Sends once; rejects when there is no answer. Neither follows redirections nor shows credentials. */
  send(message: PushMessage): Promise<WsmanResponse>;
}

/** What Identify tells. */
export interface WsmanIdentity {
  readonly vendor: string;
  readonly version: string;
}

export interface WsmanServerOptions {
  readonly dispatcher: CimDispatcher;
  readonly environment: WsmanEnvironment;
  readonly identity: WsmanIdentity;
  /** Name of this computer, for faults. */
  readonly machine?: string | undefined;
  /** Namespace of DMTF URIs without `__cimnamespace`; that of BITS unless said otherwise. */
  readonly defaultNamespace?: string | undefined;
  /** Last parts of the security profile URIs that Identify lists, e.g. `http/spnego-kerberos`. */
  readonly securityProfiles?: readonly string[] | undefined;
  readonly limits?: Partial<WsmanLimits> | undefined;
  /** Told of every caller who was refused before his request was looked at, so that the audit can have it. */
  readonly onDenied?: ((token: Token) => void) | undefined;
  /** Push delivery of events; without it there is only Pull. */
  readonly push?: PushSink | undefined;
  /** Told of every subscription that ended because its events could not be delivered to `url`, for the audit. */
  readonly onUndeliverable?: ((token: Token, url: string) => void) | undefined;
}

/** Where a request is addressed to, looked up in the schema. `cls` is undefined for all classes. */
export interface Target {
  readonly uri: ResourceUri;
  readonly namespace: string;
  readonly cls: CimClass | undefined;
  readonly selectors: Selectors;
}

/** Everything an operation needs of one request. */
export interface Call {
  readonly headers: RequestHeaders;
  readonly content: XmlElement | undefined;
  readonly target: Target;
  readonly token: Token;
  readonly session: CimOperations;
  readonly encoding: CimEncoding;
  /** How the response will be encoded, for counting its octets. */
  readonly textEncoding: XmlEncoding;
  /** Octets that s:Body may have. */
  readonly bodyLimit: () => number;
  readonly limits: WsmanLimits;
  /** Aborted when OperationTimeout has passed or the client is gone. */
  readonly signal: AbortSignal;
}

/** What an operation answers: the action and what stands in s:Body. */
export interface Reply {
  readonly action: string;
  readonly body: string;
  /** Header blocks beside the usual ones, already written. */
  readonly headers?: string | undefined;
  /** True when something was changed that a too large response would hide. */
  readonly changed?: boolean | undefined;
}

export type Operation = (call: Call) => Promise<Reply>;
