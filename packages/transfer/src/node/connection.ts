import type { ResponseHead } from '../headers.ts';
import type { DataReceiver } from '../receiver.ts';
import type { Peer } from './peer.ts';
import type { RequestHead } from './request-head.ts';

/** One HTTP/1.1 connection to one origin: one request at a time, kept between them, opened anew when it was lost. */
export interface Connection {
  readonly peer: Peer;
  send(request: RequestHead, attempt: Attempt): void;
  /** Ends it; an attempt under way hears nothing more. */
  close(): void;
  /** Puts it aside for somebody else; false or absent: it is of no use to anybody. Meanwhile it keeps no program running. */
  park?(): boolean;
  /** Takes it up again; false: it was lost meanwhile. */
  unpark?(): boolean;
}

/** Listens to one request: head, data…, end; or error; or unsuited. Each at most once and nothing after those. */
export interface Attempt {
  /** From now on it can be steered; before, only the connection can be closed. */
  started(control: AttemptControl): void;
  head(head: ResponseHead, challenges: readonly string[]): void;
  readonly data: DataReceiver;
  /** See `ReceiverHandler.onCrowded`. */
  crowded(waits: boolean): void;
  end(): void;
  error(thrown: unknown): void;
  /**
   * The answer is nothing for this connection: nothing of it was told, and the request is to be sent over another one. `challenge`: it was
   * one, so the others of this origin will be like that.
   */
  unsuited(challenge: boolean): void;
}

export interface AttemptControl {
  pause(): void;
  resume(): void;
  /** The attempt hears nothing more, and the connection is lost. */
  abort(): void;
}
