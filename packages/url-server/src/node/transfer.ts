import { toFiletime, type UrlTransfer } from '@carmine/core';
import type { Exchange } from '@carmine/http1/node';
import type { UrlGroup } from '../group.ts';
import { type ReadingLimits, ReadingRate } from '../reading-rate.ts';
import { type NativeFile, queuedBytes } from './native-file.ts';

/** What an answer is about. */
export interface TransferFacts {
  readonly group: UrlGroup;
  readonly urlSuffix: string;
  readonly identity: string;
  /** The `Range` that was asked for. */
  readonly range: string | undefined;
  /** Octets of the file. */
  readonly length: number;
  /** Milliseconds since 1970. */
  readonly started: number;
}

/** An answer that is being sent: what is needed to end it from outside, and to wait inside until then. */
export class Transfer {
  readonly facts: TransferFacts;
  /** Of the body, handed to the connection so far. */
  bytes = 0;
  /** Resolves when nothing of it is left. */
  readonly done: Promise<void>;
  readonly #exchange: Exchange;
  readonly #rate: ReadingRate | undefined;
  #stopped = false;
  #wake: () => void = () => {};
  #finish: () => void = () => {};

  /** @param limits undefined: he may read as slowly as he likes. */
  constructor(facts: TransferFacts, exchange: Exchange, limits: ReadingLimits | undefined, now: number) {
    this.facts = facts;
    this.#rate = limits === undefined ? undefined : new ReadingRate(limits, now);
    this.#exchange = exchange;
    this.done = new Promise((resolve) => {
      this.#finish = resolve;
    });
    exchange.onOver(() => this.#end());
  }

  get group(): UrlGroup {
    return this.facts.group;
  }

  describe(transferId: number): UrlTransfer {
    const { group, urlSuffix, identity, range, length, started } = this.facts;
    return {
      transferId,
      urlGroup: group.prefix.text,
      urlSuffix,
      identity,
      source: this.#exchange.socket.remoteAddress ?? '',
      range: range ?? null,
      length: BigInt(length),
      bytesSent: BigInt(this.bytes),
      startTime: toFiletime(started),
    };
  }

  /** It was told to stop, or the connection is gone. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Cuts the connection. */
  stop(): void {
    this.#end();
    this.#exchange.destroy();
  }

  /** Cuts the connection at once: what is queued for one who does not read would keep memory until he does. */
  #drop(): void {
    const { socket } = this.#exchange;
    this.#end();
    if ('encrypted' in socket) socket.destroy();
    else socket.resetAndDestroy();
  }

  /** Looks at how the peer reads, and cuts the connection when that is too slow; to be called now and then. */
  checkRate(now: number, native: NativeFile | undefined): void {
    const { socket } = this.#exchange;
    if (this.#rate === undefined) return;
    // What moves is not idle, however little the buffers show of it.
    if (this.#rate.progress(this.bytes - queuedBytes(socket, native), now)) socket.setTimeout(socket.timeout ?? 0);
    else if (this.#rate.tooSlow(now)) this.#drop();
  }

  finish(): void {
    this.#finish();
  }

  /** Waits so long, or until it is stopped. */
  pause(milliseconds: number): Promise<void> {
    this.#rate?.excuse(milliseconds);
    return new Promise((resolve) => {
      if (this.#stopped) return resolve();
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #end(): void {
    this.#stopped = true;
    this.#wake();
  }
}

/** How often `checkRate` is called, milliseconds. */
export const rateInterval = 1000;
