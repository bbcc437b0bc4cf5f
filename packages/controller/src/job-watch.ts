import type { JobProvider, JobSnapshot } from '@carmine/core';

export interface JobWatchOptions {
  readonly jobs: Pick<JobProvider, 'watchJob'>;
  readonly jobId: string;
  /** Resolves after so many milliseconds; rejects when the signal aborts. */
  readonly sleep: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
  /** Milliseconds between two looks where the machine does not tell of changes. */
  readonly pollInterval: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Waits until a job is worth another look. Where the machine tells of changes it waits for them, and what it is told spares the
 * look; elsewhere, and from the first failure of any kind, it waits as long as the poll interval. What is told is never the last
 * word: for a job that is transferred or in error, and once in a while, `next` asks for a look.
 */
export class JobWatch {
  readonly #options: JobWatchOptions;
  readonly #closed = new AbortController();
  /** Resolves when it is known whether the machine tells. */
  readonly #opening: Promise<void>;
  #changes: AsyncIterator<JobSnapshot> | undefined;
  #next: Promise<IteratorResult<JobSnapshot>> | undefined;
  /** There is nothing to wait for, or everything before it was known has been looked at. */
  #settled = false;

  constructor(options: JobWatchOptions) {
    this.#options = options;
    this.#opening = this.#open();
  }

  /** The job as it is now, or undefined when it is to be looked at; in `limit` milliseconds at most. */
  async next(limit: number = Number.POSITIVE_INFINITY): Promise<JobSnapshot | undefined> {
    if (this.#changes === undefined) {
      const { pollInterval, signal } = this.#options;
      await this.#within(Math.min(pollInterval, limit), this.#settled ? undefined : this.#opening, signal);
      return undefined;
    }
    if (!this.#settled) {
      // What changed before the machine began to tell.
      this.#settled = true;
      return undefined;
    }
    this.#next ??= this.#changes.next();
    const next = this.#next.catch(gone);
    const told = await this.#within(Math.min(safetyInterval, limit), next, this.#options.signal);
    if (told === undefined) return undefined;
    this.#next = undefined;
    if (told.done === true) {
      this.#changes = undefined;
      return undefined;
    }
    return told.value.state === 'transferred' || told.value.state === 'error' ? undefined : told.value;
  }

  /** Lets the machine know, but does not wait long for it. */
  async close(): Promise<void> {
    const leaving = this.#changes?.return?.();
    this.#changes = undefined;
    if (leaving !== undefined) await this.#within(closeTimeout, leaving.catch(gone), undefined);
    this.#closed.abort();
  }

  async #open(): Promise<void> {
    const { jobs, jobId } = this.#options;
    try {
      const changes = await jobs.watchJob?.(jobId, { signal: this.#closed.signal });
      if (changes === undefined) this.#settled = true;
      else this.#changes = changes[Symbol.asyncIterator]();
    } catch {
      // Windows and others may not tell; then we look.
      this.#settled = true;
    }
  }

  /** What `work` gives, or undefined when so much time has passed first. */
  async #within<T>(
    milliseconds: number,
    work: Promise<T> | undefined,
    signal: AbortSignal | undefined,
  ): Promise<T | undefined> {
    const done = new AbortController();
    const signals = signal === undefined ? [done.signal] : [done.signal, signal];
    const slept = this.#options.sleep(milliseconds, AbortSignal.any(signals));
    try {
      await (work === undefined ? slept : Promise.race([work, slept]));
      return work === undefined ? undefined : await Promise.race([work, Promise.resolve(undefined)]);
    } finally {
      done.abort();
      slept.catch(() => {});
    }
  }
}

const gone = (): IteratorReturnResult<undefined> => ({ done: true, value: undefined });
/** Milliseconds after which a job that nothing was told of is looked at all the same. */
const safetyInterval = 30_000;
const closeTimeout = 2_000;
