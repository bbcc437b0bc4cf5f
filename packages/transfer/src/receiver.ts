import type { CarmineError } from '@carmine/errors';
import type { ResponseHead } from './headers.ts';
import type { Validator } from './source.ts';

/** One request for (part of) the file. */
export interface ReceiverRequest {
  readonly method: 'HEAD' | 'GET';
  /** Another file at the same origin than the one that the receiver is for. */
  readonly url?: string | undefined;
  /** `end` is exclusive; absent: the whole file, without a Range field. */
  readonly range?: { readonly start: number; readonly end: number } | undefined;
  /** Becomes If-Range (ETag) or If-Unmodified-Since (Last-Modified). */
  readonly validator?: Validator | undefined;
}

/** What a receiver tells of one request: head, data…, then end or error, each at most once and nothing after those. */
export interface ReceiverHandler {
  /** The final answer: authentication and redirects are behind it. */
  onHead(head: ResponseHead): void;
  readonly onData: DataReceiver;
  /** True: it waits until chunks are released, its own or others'. False: it goes on. */
  onCrowded?(waits: boolean): void;
  /** The body is complete. */
  onEnd(): void;
  onError(error: CarmineError): void;
}

/**
 * Takes content as it arrives. The chunk is the taker's until it calls `release`, once; after that it is filled anew. Without
 * `release` it is his to keep.
 */
export type DataReceiver = (chunk: Uint8Array, release?: () => void) => void;

/** One request under way. */
export interface ReceiverExchange {
  /** Stops the flow of data; what was already on its way up may still arrive. */
  pause(): void;
  resume(): void;
  /** Ends it: the handler hears nothing more. The connection is lost with it unless the body had ended. */
  abort(): void;
}

/** One connection to the origin of a URL; connects when first used, and again after a failure. One request at a time. */
export interface Receiver {
  request(request: ReceiverRequest, handler: ReceiverHandler): ReceiverExchange;
  close(): void;
}

/** Opens the connections of one transfer. */
export type ReceiverFactory = (url: string) => Receiver;
