import type { RequestLine } from '../authenticator.ts';
import type { ResponseHead } from '../headers.ts';
import type { Attempt, AttemptControl } from './connection.ts';
import type { Peer } from './peer.ts';
import type { Place } from './place.ts';

/** The exchange that an attempt belongs to: what it makes of answers. */
export interface AttemptJudge {
  readonly over: boolean;
  started(control: AttemptControl): void;
  /** What to do once the body of this answer is out of the way; undefined: it is the final answer. */
  judge(
    peer: Peer,
    url: Place,
    line: RequestLine,
    head: ResponseHead,
    challenges: readonly string[],
  ): (() => void) | undefined;
  head(head: ResponseHead): void;
  data(chunk: Uint8Array, release?: () => void): void;
  crowded(waits: boolean): void;
  end(): void;
  error(thrown: unknown, url: Place): void;
  /** The same again, from the beginning, on a connection that takes everything. */
  again(place: string, url: Place): void;
}

/** Listens to one request of an exchange. */
export class AttemptHandler implements Attempt {
  readonly #exchange: AttemptJudge;
  readonly #peer: Peer;
  readonly #url: Place;
  readonly #line: RequestLine;
  #control: AttemptControl | undefined;
  #next: (() => void) | undefined;
  #drained = 0;

  constructor(exchange: AttemptJudge, peer: Peer, url: Place, line: RequestLine) {
    this.#exchange = exchange;
    this.#peer = peer;
    this.#url = url;
    this.#line = line;
  }

  started(control: AttemptControl): void {
    this.#control = control;
    this.#exchange.started(control);
  }

  head(head: ResponseHead, challenges: readonly string[]): void {
    if (this.#exchange.over) return;
    try {
      this.#next = this.#exchange.judge(this.#peer, this.#url, this.#line, head, challenges);
    } catch (thrown) {
      this.#control?.abort();
      this.#exchange.error(thrown, this.#url);
      return;
    }
    if (this.#next === undefined) this.#exchange.head(head);
  }

  data(chunk: Uint8Array, release?: () => void): void {
    if (this.#next === undefined) {
      this.#exchange.data(chunk, release);
      return;
    }
    // The body of a challenge or a redirect: it must pass for the connection to stay, but not for ever.
    this.#drained += chunk.length;
    release?.();
    if (this.#drained <= maximumDrained) return;
    this.#control?.abort();
    this.#exchange.error(new Error('too long an answer'), this.#url);
  }

  crowded(waits: boolean): void {
    this.#exchange.crowded(waits);
  }

  end(): void {
    if (this.#next === undefined) this.#exchange.end();
    else if (!this.#exchange.over) this.#next();
  }

  error(thrown: unknown): void {
    this.#exchange.error(thrown, this.#url);
  }

  unsuited(challenge: boolean): void {
    this.#exchange.again(challenge ? this.#peer.origin : this.#url.href, this.#url);
  }
}

/** Bytes. */
const maximumDrained = 256 * 1024;
