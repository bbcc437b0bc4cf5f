import { CarmineError } from '@carmine/errors';

/**
 * Reads an async iterable one item ahead, so that the end of a sequence is known with its last item. A wait can be
 * given up without losing the item that comes later, and leaves nothing behind.
 */
export class Cursor<T> {
  readonly #controller = new AbortController();
  readonly #iterator: AsyncIterator<T>;
  readonly #waiting = new Set<() => void>();
  #fetching = false;
  #next: Arrival<T> | undefined;

  /** `open` starts the iteration; its signal ends when the cursor is closed. */
  constructor(open: (signal: AbortSignal) => AsyncIterable<T>) {
    this.#iterator = open(this.#controller.signal)[Symbol.asyncIterator]();
  }

  /**
   * The next item without taking it; undefined when `signal` ends first. Throws what the iteration throws, and
   * `internal/aborted` once closed.
   */
  async peek(signal: AbortSignal): Promise<IteratorResult<T> | undefined> {
    this.#fetch();
    if (this.#next === undefined && !signal.aborted) await this.#wait(signal);
    return this.#shown();
  }

  /** The next item if it is there: for iterations that answer at once while they have something. */
  async peekNow(): Promise<IteratorResult<T> | undefined> {
    this.#fetch();
    // Its promise is settled already then; it takes a moment to be told.
    for (let turn = 0; turn < 3 && this.#next === undefined; turn++) await Promise.resolve();
    return this.#shown();
  }

  /** Takes what `peek` showed. */
  take(): void {
    this.#next = undefined;
    this.#fetching = false;
  }

  close(): void {
    if (this.#controller.signal.aborted) return;
    this.#controller.abort(new CarmineError('internal/aborted'));
    this.#wake();
    // A generator that is waiting returns only after its wait, which the abort has ended.
    this.#iterator.return?.().catch(() => {});
  }

  #fetch(): void {
    this.#checkOpen();
    if (this.#fetching) return;
    this.#fetching = true;
    const arrived = (next: Arrival<T>): void => {
      this.#next = next;
      this.#wake();
    };
    this.#iterator.next().then(
      (item) => arrived({ item }),
      (error: unknown) => arrived({ error }),
    );
  }

  #shown(): IteratorResult<T> | undefined {
    this.#checkOpen();
    if (this.#next === undefined) return undefined;
    if ('error' in this.#next) throw this.#next.error;
    return this.#next.item;
  }

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        this.#waiting.delete(end);
        signal.removeEventListener('abort', end);
        resolve();
      };
      this.#waiting.add(end);
      signal.addEventListener('abort', end, { once: true });
    });
  }

  #wake(): void {
    for (const end of this.#waiting) end();
  }

  #checkOpen(): void {
    if (this.#controller.signal.aborted) throw new CarmineError('internal/aborted');
  }
}

type Arrival<T> = { readonly item: IteratorResult<T> } | { readonly error: unknown };
