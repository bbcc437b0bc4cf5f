import { failureEvent, fromFiletime, type JobEvent, type StoredCertificate, toFiletime } from '@carmine/core';
import { CarmineError, isCarmineError } from '@carmine/errors';
import type { StoredFile, StoredJob } from '@carmine/job-store';
import { retryAfter, type SmallSetOutcome, type TransferResult } from '@carmine/transfer';
import { findCertificate } from './certificates.ts';
import { errorFields } from './error-report.ts';
import { type Job, type JobSet, type Turn, withFile } from './job.ts';
import { requestOf } from './job-request.ts';
import { nextSet, withSet } from './job-sets.ts';
import type { JobEngineOptions } from './options.ts';

/** What a turn does to its job; all of it in the job's turn to change. */
export interface TurnSteps {
  readonly options: JobEngineOptions;
  apply(job: Job, event: JobEvent, changes?: Partial<StoredJob>): Promise<void>;
  save(job: Job, changes: Partial<StoredJob>): Promise<void>;
  /** More of a file is there: somebody may want to look at the job. */
  moved(): void;
}

/** The turns of jobs: their files, one after the other or small ones in sets, with what is to be said of them. */
export class JobTurns {
  readonly #steps: TurnSteps;

  constructor(steps: TurnSteps) {
    this.#steps = steps;
  }

  /** The job's turn begins. */
  start(job: Job): void {
    const turn: Turn = { cancelled: false, transfer: undefined, fileIndex: -1, set: undefined, alone: false };
    job.turn = turn;
    job.turnBegan = this.#steps.options.clock.now();
    void this.#drive(job, turn);
  }

  /** Ends the job's turn, if it has one; what was received is journalled when this resolves. */
  async leave(job: Job): Promise<void> {
    const { turn } = job;
    if (turn === undefined) return;
    turn.cancelled = true;
    await turn.transfer?.stop();
    await this.#leaveSet(job, turn).catch((problem) => this.#steps.options.onProblem?.(problem));
    // The journal has it in any case; the store's copy may wait.
    if (job.current !== job.stored)
      await this.#steps.save(job, {}).catch((problem) => this.#steps.options.onProblem?.(problem));
    job.endTurn();
  }

  /** What of a set is there stays there. */
  async #leaveSet(job: Job, turn: Turn): Promise<void> {
    const { set } = turn;
    if (set === undefined) return;
    set.stop();
    await this.#setEnded(job, turn, set, await set.finished);
  }

  async #drive(job: Job, turn: Turn): Promise<void> {
    for (;;) {
      const outcome = await this.#persistently(job, turn, () => this.#nextFile(job, turn));
      if (outcome === undefined) return;
      const settled = await outcome.result;
      const goOn = await this.#persistently(job, turn, () => this.#fileEnded(job, turn, settled));
      if (goOn !== true) return;
    }
  }

  /** Starts the first file that is not there; undefined when the turn is over. */
  async #nextFile(job: Job, turn: Turn): Promise<{ readonly result: Promise<Settled> } | undefined> {
    const index = job.stored.files.findIndex((file) => !file.transferred);
    const file = job.stored.files[index];
    if (file === undefined) {
      await this.#steps.apply(job, 'filesDone');
      return undefined;
    }
    turn.fileIndex = index;
    const set = turn.alone ? undefined : await this.#startSet(job, turn);
    if (set !== undefined) return { result: set.finished.then((outcome) => ({ set, outcome })) };
    const settle = async (): Promise<Settled> => {
      try {
        const certificate = await this.#certificateOf(job.stored);
        if (turn.cancelled) throw new CarmineError('internal/aborted');
        turn.transfer = this.#steps.options.transfers(
          requestOf(file, job.stored, certificate, () => this.#progressed(job, turn)),
        );
        return { result: await turn.transfer.run() };
      } catch (thrown) {
        return { error: CarmineError.from(thrown) };
      }
    };
    return { result: settle() };
  }

  /** Undefined when the next file is to be fetched alone. */
  async #startSet(job: Job, turn: Turn): Promise<JobSet | undefined> {
    const { small } = this.#steps.options.transfers;
    const indexes = small === undefined ? [] : nextSet(job.stored);
    if (indexes.length === 0) return undefined;
    // Who cannot have it hears so from the file that is fetched alone.
    const found = await this.#certificateOf(job.stored).then(
      (certificate) => ({ certificate }),
      () => undefined,
    );
    if (found === undefined) return undefined;
    const files = indexes.map((index) => job.stored.files[index] as StoredFile);
    const requests = files.map((file) => requestOf(file, job.stored, found.certificate));
    const set = small?.fetch(requests, () => this.#connected(job, turn));
    if (set !== undefined) turn.set = { ...set, indexes, files };
    return turn.set;
  }

  /** True when the turn goes on. */
  async #setEnded(job: Job, turn: Turn, set: JobSet, outcome: SmallSetOutcome): Promise<true> {
    const now = toFiletime(this.#steps.options.clock.now());
    const some = outcome.results.some((result) => result !== undefined);
    if (some)
      await this.#steps.save(job, { files: withSet(job.current, set, outcome), lastProgress: now, lastActivity: now });
    turn.set = undefined;
    turn.alone ||= outcome.failed || !some;
    return true;
  }

  /** True when the turn goes on with the next file. */
  async #fileEnded(job: Job, turn: Turn, settled: Settled): Promise<boolean> {
    if ('set' in settled) return await this.#setEnded(job, turn, settled.set, settled.outcome);
    job.follow(turn, this.#steps.options.clock.now());
    const index = turn.fileIndex;
    if ('result' in settled) {
      const { length, sha256 } = settled.result;
      const bytes = BigInt(length);
      const done = { transferred: true, bytesTotal: bytes, bytesTransferred: bytes, sha256: sha256 ?? null };
      await this.#steps.save(job, { files: withFile(job.current, index, done).files });
      turn.transfer = undefined;
      return true;
    }
    await this.#failed(job, settled.error, index);
    return false;
  }

  async #failed(job: Job, error: CarmineError, fileIndex: number): Promise<void> {
    const sinceProgress = (this.#steps.options.clock.now() - fromFiletime(job.current.lastProgress)) / 1_000;
    const event = error.kind === 'transient' ? failureEvent(job.stored, sinceProgress) : 'fatalFailure';
    const next = event === 'fatalFailure' ? {} : this.#whenServerSays(job, error);
    await this.#steps.apply(job, event, { ...errorFields(error, fileIndex), ...next });
  }

  /** Retry-After: not before that, however short the job's own delay is; but not for ever either. */
  #whenServerSays(job: Job, error: CarmineError): Pick<Partial<StoredJob>, 'nextAttempt'> {
    if (!isCarmineError(error, 'transfer/http-status-transient')) return {};
    const now = this.#steps.options.clock.now();
    const { retryAfter: field } = error.context as { readonly retryAfter?: string | undefined };
    const wait = Math.min(retryAfter(field, now) ?? 0, longestRetryAfter);
    const own = job.stored.minimumRetryDelay * 1_000;
    return wait > own ? { nextAttempt: toFiletime(now + wait) } : {};
  }

  #progressed(job: Job, turn: Turn): void {
    const now = this.#steps.options.clock.now();
    const moved = job.follow(turn, now);
    if (moved) this.#steps.moved();
    if (turn.cancelled) return;
    if (job.stored.state === 'connecting' && turn.transfer?.progress.phase !== 'connecting') {
      this.#connected(job, turn);
    } else if (moved && now - job.savedAt >= saveInterval) {
      // Once per interval, however many callbacks come before the save happens.
      job.savedAt = now;
      void this.#quietly(job, turn, () => this.#steps.save(job, {}));
    }
  }

  #connected(job: Job, turn: Turn): void {
    if (job.stored.state !== 'connecting') return;
    void this.#quietly(job, turn, async () => {
      if (job.stored.state === 'connecting') await this.#steps.apply(job, 'connected');
    });
  }

  async #certificateOf({ clientCertificate }: StoredJob): Promise<StoredCertificate | undefined> {
    return clientCertificate === null ? undefined : await findCertificate(this.#steps.options, clientCertificate);
  }

  /** For what may be lost: the next one says the same. */
  async #quietly(job: Job, turn: Turn, work: () => Promise<void>): Promise<void> {
    try {
      await job.exclusive(async () => {
        if (!turn.cancelled && !job.ended) await work();
      });
    } catch (problem) {
      this.#steps.options.onProblem?.(problem);
    }
  }

  /** For what must not be lost: tries until the store takes it. Undefined when the turn was cancelled meanwhile. */
  async #persistently<T>(job: Job, turn: Turn, work: () => Promise<T>): Promise<T | undefined> {
    for (;;) {
      try {
        return await job.exclusive(async () => (turn.cancelled || job.ended ? undefined : await work()));
      } catch (problem) {
        this.#steps.options.onProblem?.(problem);
        await new Promise<void>((resolve) => void this.#steps.options.clock.after(storeRetry, resolve));
      }
    }
  }
}

type Settled =
  | { readonly result: TransferResult }
  | { readonly error: CarmineError }
  | { readonly set: JobSet; readonly outcome: SmallSetOutcome };

/** Milliseconds of a server's Retry-After that are respected. */
const longestRetryAfter = 24 * 3_600_000;
/** Milliseconds between two saves of progress alone. */
const saveInterval = 1_000;
/** Milliseconds after which a store that failed is tried again. */
const storeRetry = 5_000;
