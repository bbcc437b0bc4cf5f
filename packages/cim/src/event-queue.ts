import { CarmineError } from '@carmine/errors';
import type { CimInstance } from './model.ts';

export interface EventQueueOptions {
  /** Events that may wait. */
  readonly limit: number;
  /** Asked each time that an event is handed out; throws when it must not be. */
  readonly check: () => void;
  /** Called once, when it ends for whatever reason; with the error that it ends with, if there is one. */
  readonly onEnd: (error: CarmineError | undefined) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Events on their way to one consumer. `next` answers at once while events wait. What is not fetched does not pile up: one event
 * too many ends it with `cim/queue-overflow`, and the consumer has to look at everything anew in any case.
 */
export class EventQueue implements AsyncIterableIterator<CimInstance> {
  readonly #options: EventQueueOptions;
  #events: CimInstance[] = [];
  /** Those before it were taken. */
  #head = 0;
  #waiting: { resolve(result: IteratorResult<CimInstance>): void; reject(error: CarmineError): void }[] = [];
  #ended = false;
  #error: CarmineError | undefined;
  readonly #onAbort = (): void => this.#end(undefined);

  constructor(options: EventQueueOptions) {
    this.#options = options;
    options.signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Puts an event at the end. */
  push(event: CimInstance): void {
    if (this.#ended) return;
    if (this.#events.length - this.#head >= this.#options.limit) {
      this.end(new CarmineError('cim/queue-overflow', { context: { limit: this.#options.limit } }));
      return;
    }
    this.#events.push(event);
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) this.next().then(waiting.resolve, waiting.reject);
  }

  /** The consumer gets this error instead of what is waiting. */
  end(error: CarmineError): void {
    if (this.#waiting.length === 0) this.#error ??= error;
    this.#end(error);
  }

  async next(): Promise<IteratorResult<CimInstance>> {
    if (this.#ended) {
      const error = this.#error;
      this.#error = undefined;
      if (error !== undefined) throw error;
      return done;
    }
    const event = this.#events[this.#head];
    if (event === undefined) return await new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
    try {
      this.#options.check();
    } catch (thrown) {
      const error = CarmineError.from(thrown);
      this.#end(error);
      throw error;
    }
    if (++this.#head === this.#events.length || this.#head > 256) {
      this.#events = this.#events.slice(this.#head);
      this.#head = 0;
    }
    return { done: false, value: event };
  }

  async return(): Promise<IteratorResult<CimInstance>> {
    this.#end(undefined);
    return done;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #end(error: CarmineError | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#events = [];
    this.#head = 0;
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    const waiting = this.#waiting.splice(0);
    for (const { resolve, reject } of waiting) {
      if (error === undefined) resolve(done);
      else reject(error);
    }
    this.#options.onEnd(error);
  }
}

const done: IteratorReturnResult<undefined> = { done: true, value: undefined };
