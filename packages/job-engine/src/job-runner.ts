import {
  type ClientCertificateReference,
  failureEvent,
  fromFiletime,
  type JobEvent,
  type JobTransition,
  jobTransition,
  type StoredCertificate,
  type SuccessCode,
  toFiletime,
} from '@carmine/core';
import { CarmineError, isCarmineError } from '@carmine/errors';
import type { StoredFile, StoredJob } from '@carmine/job-store';
import { retryAfter, type SmallSetOutcome, type TransferResult } from '@carmine/transfer';
import { errorFields } from './error-report.ts';
import { type Job, type JobSet, type Turn, withFile } from './job.ts';
import { JobEnding } from './job-ending.ts';
import { requestOf } from './job-request.ts';
import { nextSet, withSet } from './job-sets.ts';
import type { JobEngineOptions } from './options.ts';
import { isActive } from './schedule.ts';
import { Scheduler } from './scheduler.ts';
import type { Due } from './timers.ts';

/**
 * Drives jobs through their life: applies the machine's transitions, gives turns, follows transfers, waits, ends jobs.
 * Everything that changes a job runs in `job.exclusive`; what is said below as "in the job's turn to change" means that.
 */
export class JobRunner {
  readonly #options: JobEngineOptions;
  readonly #jobs: Map<string, Job>;
  readonly #scheduler: Scheduler;
  readonly #ending: JobEnding;
  /** Told whenever a job has changed, been added or ended. */
  readonly #changed: () => void;
  #places = 0;

  constructor(options: JobEngineOptions, jobs: Map<string, Job>, changed: () => void) {
    this.#options = options;
    this.#jobs = jobs;
    this.#changed = changed;
    this.#scheduler = new Scheduler({
      jobs,
      clock: options.clock,
      sliceTime: options.sliceTime ?? fiveMinutes,
      apply: (job, event) => this.apply(job, event),
      fire: (job, due) => this.#fire(job, due),
      onProblem: (problem) => options.onProblem?.(problem),
    });
    this.#ending = new JobEnding({
      options,
      transition: (job, event) => this.transition(job, event),
      apply: (job, event, changes) => this.apply(job, event, changes),
      save: (job, changes) => this.save(job, changes),
      leaveTurn: (job) => this.#leaveTurn(job),
      ended: (job) => this.#ended(job),
    });
  }

  /** Takes up every job where the last process left it. */
  async start(): Promise<void> {
    for (const job of this.#jobs.values()) await job.exclusive(() => this.#recover(job));
    await this.#scheduler.start();
  }

  async stop(): Promise<void> {
    await this.#scheduler.stop();
    await Promise.all(
      [...this.#jobs.values()].map((job) =>
        job.exclusive(async () => {
          await this.#leaveTurn(job);
        }),
      ),
    );
  }

  /** A new job is in the map. */
  added(job: Job): void {
    job.place = ++this.#places;
    this.#scheduler.wake();
    this.#changed();
  }

  // --- in the job's turn to change -----------------------------------------------------------------------------------

  /** Fails where the machine has no such transition. */
  transition(job: Job, event: JobEvent): JobTransition {
    return jobTransition(job.stored.state, event);
  }

  /** Makes a transition durable, then does what follows from it. */
  async apply(job: Job, event: JobEvent, changes: Partial<StoredJob> = {}): Promise<void> {
    const { state, effects } = this.transition(job, event);
    const before = job.stored.state;
    const now = this.#options.clock.now();
    let next: Partial<StoredJob> = { ...changes, state };
    for (const effect of effects) {
      if (effect === 'clearError') next = { ...next, error: null };
      if (effect === 'countError') next = { ...next, transientErrorCount: job.stored.transientErrorCount + 1 };
      if (effect === 'stampCompletion' && job.stored.completionTime === 0n) {
        next = { ...next, completionTime: toFiletime(now) };
      }
      if (effect === 'disarmRetryTimer') next = { ...next, nextAttempt: 0n };
      if (effect === 'armRetryTimer' && next.nextAttempt === undefined) {
        next = { ...next, nextAttempt: toFiletime(now + job.stored.minimumRetryDelay * 1_000) };
      }
    }
    if (isActive(job.stored) && !isActive({ state })) {
      next = { activeSeconds: job.stored.activeSeconds + (now - job.turnBegan) / 1_000, ...next };
    }
    await this.save(job, next);
    // After the save: if that fails, nothing has happened.
    if (effects.includes('stopTransfer')) await this.#leaveTurn(job);
    if (state === 'queued' && before !== 'queued') job.place = ++this.#places;
    if (effects.includes('startTransfer')) this.#startTurn(job);
    this.#scheduler.wake();
  }

  /** Writes the job with its latest progress and these changes. */
  async save(job: Job, changes: Partial<StoredJob>): Promise<void> {
    const now = this.#options.clock.now();
    const next = { ...job.current, ...changes, modificationTime: toFiletime(now) };
    await this.#options.store.save(next);
    job.stored = next;
    job.savedAt = now;
    this.#scheduler.wake();
    this.#changed();
  }

  async checkDestination(file: StoredFile): Promise<void> {
    await this.#options.transfers(requestOf(file)).check();
  }

  async findCertificate(reference: ClientCertificateReference): Promise<StoredCertificate> {
    // UNSPECIFIED: there is one set of stores, whatever the location says.
    const found =
      reference.by === 'hash'
        ? await this.#options.certificates?.findByThumbprint(reference.store, reference.hash)
        : await this.#options.certificates?.findBySubject(reference.store, reference.subject);
    if (found === undefined) {
      throw new CarmineError('job/certificate-not-found', { context: { store: reference.store } });
    }
    return found;
  }

  complete(job: Job): Promise<SuccessCode> {
    return this.#ending.complete(job);
  }

  cancel(job: Job, event: 'cancel' | 'inactivityTimeout', reason: string): Promise<SuccessCode> {
    return this.#ending.cancel(job, event, reason);
  }

  #ended(job: Job): void {
    job.ended = true;
    this.#jobs.delete(job.stored.jobId);
    this.#scheduler.wake();
    this.#changed();
  }

  // --- after a restart -----------------------------------------------------------------------------------------------

  async #recover(job: Job): Promise<void> {
    job.place = ++this.#places;
    const { ending } = job.stored;
    if (ending?.action === 'cancel') {
      await this.cancel(job, 'cancel', ending.reason);
      return;
    }
    if (ending?.action === 'complete') {
      // A failed rename is the job's error now; nobody waits for it.
      await this.complete(job).catch((problem: unknown) => this.#options.onProblem?.(problem));
      return;
    }
    let { stored } = job;
    for (const [index, file] of stored.files.entries()) {
      if (file.transferred) continue;
      // The journal may be ahead of the store by what was reported within the last second.
      const found = await this.#options
        .transfers(requestOf(file))
        .inspect()
        .catch(() => undefined);
      if (found === undefined) continue;
      const total = found.length === undefined ? file.bytesTotal : BigInt(found.length);
      stored = withFile(stored, index, { bytesTotal: total, bytesTransferred: BigInt(found.transferred) });
    }
    const { state } = this.transition(job, 'restart');
    const nextAttempt =
      state === 'transientError' && stored.nextAttempt === 0n ? toFiletime(this.#options.clock.now()) : undefined;
    const next = { ...stored, state, ...(nextAttempt === undefined ? {} : { nextAttempt }) };
    await this.#options.store.save(next);
    job.stored = next;
  }

  /** Something fell due. */
  async #fire(job: Job, due: Due): Promise<void> {
    switch (due.event) {
      case 'inactivityTimeout':
        await this.cancel(job, 'inactivityTimeout', 'inactive for 90 days');
        return;
      case 'maximumDownloadTime': {
        const error = new CarmineError('job/maximum-download-time');
        // It was active all the time: the inactivity time-out starts now, not when somebody last touched it.
        const lastActivity = toFiletime(this.#options.clock.now());
        await this.apply(job, 'fatalFailure', { ...errorFields(error, job.turn?.fileIndex ?? null), lastActivity });
        return;
      }
      case 'retryDue':
        await this.apply(job, 'retryDue', { nextAttempt: 0n });
        return;
      case 'noProgressTimeout':
        await this.apply(job, 'noProgressTimeout');
        return;
    }
  }

  // --- a turn --------------------------------------------------------------------------------------------------------

  #startTurn(job: Job): void {
    const turn: Turn = { cancelled: false, transfer: undefined, fileIndex: -1, set: undefined, alone: false };
    job.turn = turn;
    job.turnBegan = this.#options.clock.now();
    void this.#drive(job, turn);
  }

  /** Ends the job's turn, if it has one; what was received is journalled when this resolves. */
  async #leaveTurn(job: Job): Promise<void> {
    const { turn } = job;
    if (turn === undefined) return;
    turn.cancelled = true;
    await turn.transfer?.stop();
    await this.#leaveSet(job, turn).catch((problem) => this.#options.onProblem?.(problem));
    // The journal has it in any case; the store's copy may wait.
    if (job.current !== job.stored) await this.save(job, {}).catch((problem) => this.#options.onProblem?.(problem));
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
      await this.apply(job, 'filesDone');
      return undefined;
    }
    turn.fileIndex = index;
    const set = turn.alone ? undefined : await this.#startSet(job, turn);
    if (set !== undefined) return { result: set.finished.then((outcome) => ({ set, outcome })) };
    const settle = async (): Promise<Settled> => {
      try {
        const certificate = await this.#certificateOf(job.stored);
        if (turn.cancelled) throw new CarmineError('internal/aborted');
        turn.transfer = this.#options.transfers(
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
    const { small } = this.#options.transfers;
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
    const now = toFiletime(this.#options.clock.now());
    const some = outcome.results.some((result) => result !== undefined);
    if (some) await this.save(job, { files: withSet(job.current, set, outcome), lastProgress: now, lastActivity: now });
    turn.set = undefined;
    turn.alone ||= outcome.failed || !some;
    return true;
  }

  /** True when the turn goes on with the next file. */
  async #fileEnded(job: Job, turn: Turn, settled: Settled): Promise<boolean> {
    if ('set' in settled) return await this.#setEnded(job, turn, settled.set, settled.outcome);
    job.follow(turn, this.#options.clock.now());
    const index = turn.fileIndex;
    if ('result' in settled) {
      const { length, sha256 } = settled.result;
      const bytes = BigInt(length);
      const done = { transferred: true, bytesTotal: bytes, bytesTransferred: bytes, sha256: sha256 ?? null };
      await this.save(job, { files: withFile(job.current, index, done).files });
      turn.transfer = undefined;
      return true;
    }
    await this.#failed(job, settled.error, index);
    return false;
  }

  async #failed(job: Job, error: CarmineError, fileIndex: number): Promise<void> {
    const sinceProgress = (this.#options.clock.now() - fromFiletime(job.current.lastProgress)) / 1_000;
    const event = error.kind === 'transient' ? failureEvent(job.stored, sinceProgress) : 'fatalFailure';
    const next = event === 'fatalFailure' ? {} : this.#whenServerSays(job, error);
    await this.apply(job, event, { ...errorFields(error, fileIndex), ...next });
  }

  /** Retry-After: not before that, however short the job's own delay is; but not for ever either. */
  #whenServerSays(job: Job, error: CarmineError): Pick<Partial<StoredJob>, 'nextAttempt'> {
    if (!isCarmineError(error, 'transfer/http-status-transient')) return {};
    const now = this.#options.clock.now();
    const { retryAfter: field } = error.context as { readonly retryAfter?: string | undefined };
    const wait = Math.min(retryAfter(field, now) ?? 0, longestRetryAfter);
    const own = job.stored.minimumRetryDelay * 1_000;
    return wait > own ? { nextAttempt: toFiletime(now + wait) } : {};
  }

  #progressed(job: Job, turn: Turn): void {
    const now = this.#options.clock.now();
    const moved = job.follow(turn, now);
    if (moved) this.#changed();
    if (turn.cancelled) return;
    if (job.stored.state === 'connecting' && turn.transfer?.progress.phase !== 'connecting') {
      this.#connected(job, turn);
    } else if (moved && now - job.savedAt >= saveInterval) {
      // Once per interval, however many callbacks come before the save happens.
      job.savedAt = now;
      void this.#quietly(job, turn, () => this.save(job, {}));
    }
  }

  #connected(job: Job, turn: Turn): void {
    if (job.stored.state !== 'connecting') return;
    void this.#quietly(job, turn, async () => {
      if (job.stored.state === 'connecting') await this.apply(job, 'connected');
    });
  }

  async #certificateOf({ clientCertificate }: StoredJob): Promise<StoredCertificate | undefined> {
    return clientCertificate === null ? undefined : await this.findCertificate(clientCertificate);
  }

  /** For what may be lost: the next one says the same. */
  async #quietly(job: Job, turn: Turn, work: () => Promise<void>): Promise<void> {
    try {
      await job.exclusive(async () => {
        if (!turn.cancelled && !job.ended) await work();
      });
    } catch (problem) {
      this.#options.onProblem?.(problem);
    }
  }

  /** For what must not be lost: tries until the store takes it. Undefined when the turn was cancelled meanwhile. */
  async #persistently<T>(job: Job, turn: Turn, work: () => Promise<T>): Promise<T | undefined> {
    for (;;) {
      try {
        return await job.exclusive(async () => (turn.cancelled || job.ended ? undefined : await work()));
      } catch (problem) {
        this.#options.onProblem?.(problem);
        await new Promise<void>((resolve) => void this.#options.clock.after(storeRetry, resolve));
      }
    }
  }
}

type Settled =
  | { readonly result: TransferResult }
  | { readonly error: CarmineError }
  | { readonly set: JobSet; readonly outcome: SmallSetOutcome };

const fiveMinutes = 300_000;
/** Milliseconds of a server's Retry-After that are respected. */
const longestRetryAfter = 24 * 3_600_000;
/** Milliseconds between two saves of progress alone. */
const saveInterval = 1_000;
/** Milliseconds after which a store that failed is tried again. */
const storeRetry = 5_000;
