import { CarmineError } from '@carmine/errors';

/**
 * Reads an async iterable one item ahead, so that the end of a sequence is known with its last item. A wait can be
 * given up without losing the item that comes later.
 */
export class Cursor<T> {
  readonly #controller = new AbortController();
  readonly #iterator: AsyncIterator<T>;
  #next: Promise<IteratorResult<T>> | undefined;

  /** `open` starts the iteration; its signal ends when the cursor is closed. */
  constructor(open: (signal: AbortSignal) => AsyncIterable<T>) {
    this.#iterator = open(this.#controller.signal)[Symbol.asyncIterator]();
  }

  /**
   * The next item without taking it; undefined when `signal` ends first. Throws what the iteration throws, and
   * `internal/aborted` once closed.
   */
  async peek(signal: AbortSignal): Promise<IteratorResult<T> | undefined> {
    this.#checkOpen();
    if (this.#next === undefined) {
      this.#next = this.#iterator.next();
      this.#next.catch(() => {});
    }
    const given = await Promise.race([this.#next, ended(signal), ended(this.#controller.signal)]);
    this.#checkOpen();
    return given;
  }

  /** Takes what `peek` showed. */
  take(): void {
    this.#next = undefined;
  }

  close(): void {
    if (this.#controller.signal.aborted) return;
    this.#controller.abort(new CarmineError('internal/aborted'));
    // A generator that is waiting returns only after its wait, which the abort has ended.
    this.#iterator.return?.().catch(() => {});
  }

  #checkOpen(): void {
    if (this.#controller.signal.aborted) throw new CarmineError('internal/aborted');
  }
}

function ended(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}
