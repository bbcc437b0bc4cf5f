import { CarmineError } from '@carmine/errors';

/** Opens a sequence; its signal ends when nobody reads on. */
export type Source<T> = (signal: AbortSignal) => AsyncIterable<T>;

/** What came of a reading: `end` of the sequence, or `wait`: there was no more in time. */
export interface Taken<T> {
  readonly items: readonly T[];
  readonly state: 'full' | 'end' | 'wait';
}

/**
 * Reads a sequence in pieces, with time limits. One who asks while another waits has his turn afterwards. An item that comes too
 * late is kept for the next reading.
 */
export class Cursor<T> {
  readonly #controller = new AbortController();
  readonly #iterator: AsyncIterator<T>;
  #pending: Promise<IteratorResult<T>> | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #over = false;

  constructor(open: Source<T>) {
    this.#iterator = open(this.#controller.signal)[Symbol.asyncIterator]();
  }

  /** Waits for the first item, so that what is wrong with the sequence shows. */
  peek(signal: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      if (!this.#over) await this.#next(signal);
    });
  }

  /**
   * Up to `count` items until `signal` ends. `weigh` tells what an item adds to `room`; one item is always taken. Throws what the
   * sequence throws, at the place where it does.
   */
  take(count: number, signal: AbortSignal, room = Number.POSITIVE_INFINITY, weigh: (item: T) => number = () => 0) {
    return this.#inTurn(async (): Promise<Taken<T>> => {
      const items: T[] = [];
      let weight = 0;
      while (items.length < count) {
        if (this.#over) return { items, state: 'end' };
        let next: IteratorResult<T> | undefined;
        try {
          next = await this.#next(signal);
        } catch (error) {
          if (items.length > 0) return { items, state: 'wait' };
          this.#over = true;
          throw error;
        }
        if (next === undefined) return { items, state: 'wait' };
        if (next.done === true) {
          this.#over = true;
          return { items, state: 'end' };
        }
        weight += weigh(next.value);
        if (weight > room && items.length > 0) return { items, state: 'wait' };
        this.#pending = undefined;
        items.push(next.value);
      }
      return { items, state: 'full' };
    });
  }

  close(): void {
    if (this.#controller.signal.aborted) return;
    this.#over = true;
    this.#controller.abort(new CarmineError('internal/aborted'));
    this.#iterator.return?.().catch(() => {});
  }

  /** Shows the next item without taking it; undefined when `signal` ends first. */
  async #next(signal: AbortSignal): Promise<IteratorResult<T> | undefined> {
    if (this.#pending === undefined) {
      this.#pending = this.#iterator.next();
      // Whoever asks next gets the failure; until then nobody may be there.
      this.#pending.catch(() => {});
    }
    const pending = this.#pending;
    if (signal.aborted) return await Promise.race([pending, soon()]);
    let end: () => void = () => {};
    const ended = new Promise<undefined>((resolve) => {
      end = () => resolve(undefined);
    });
    signal.addEventListener('abort', end, { once: true });
    try {
      return await Promise.race([pending, ended]);
    } finally {
      signal.removeEventListener('abort', end);
    }
  }

  #inTurn<R>(work: () => Promise<R>): Promise<R> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }
}

/** A few turns, in which what is there already shows. */
async function soon(): Promise<undefined> {
  for (let turn = 0; turn < 32; turn++) await Promise.resolve();
  return undefined;
}
