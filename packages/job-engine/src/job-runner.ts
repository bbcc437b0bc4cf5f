import { type JobEvent, type JobTransition, jobTransition, type SuccessCode, toFiletime } from '@carmine/core';
import { CarmineError } from '@carmine/errors';
import type { StoredFile, StoredJob } from '@carmine/job-store';
import { errorFields } from './error-report.ts';
import { type Job, withFile } from './job.ts';
import { JobEnding } from './job-ending.ts';
import { requestOf } from './job-request.ts';
import { JobTurns } from './job-turns.ts';
import type { JobEngineOptions } from './options.ts';
import { isActive } from './schedule.ts';
import { Scheduler } from './scheduler.ts';
import type { Due } from './timers.ts';

/**
 * Drives jobs through their life: applies the machine's transitions, gives turns (`job-turns.ts`), waits, ends jobs (`job-ending.ts`).
 * Everything that changes a job runs in `job.exclusive`; what is said below as "in the job's turn to change" means that.
 */
export class JobRunner {
  readonly #options: JobEngineOptions;
  readonly #jobs: Map<string, Job>;
  readonly #scheduler: Scheduler;
  readonly #turns: JobTurns;
  readonly #ending: JobEnding;
  /** Told whenever a job has changed; `soon`: it was added, has ended or is in another state. */
  readonly #changed: (soon: boolean) => void;
  #places = 0;

  constructor(options: JobEngineOptions, jobs: Map<string, Job>, changed: (soon: boolean) => void) {
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
    this.#turns = new JobTurns({
      options,
      apply: (job, event, changes) => this.apply(job, event, changes),
      save: (job, changes) => this.save(job, changes),
      moved: () => changed(false),
    });
    this.#ending = new JobEnding({
      options,
      transition: (job, event) => this.transition(job, event),
      apply: (job, event, changes) => this.apply(job, event, changes),
      save: (job, changes) => this.save(job, changes),
      leaveTurn: (job) => this.#turns.leave(job),
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
          await this.#turns.leave(job);
        }),
      ),
    );
  }

  /** A new job is in the map. */
  added(job: Job): void {
    job.place = ++this.#places;
    this.#scheduler.wake();
    this.#changed(true);
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
    if (effects.includes('stopTransfer')) await this.#turns.leave(job);
    if (state === 'queued' && before !== 'queued') job.place = ++this.#places;
    if (effects.includes('startTransfer')) this.#turns.start(job);
    this.#scheduler.wake();
  }

  /** Writes the job with its latest progress and these changes. */
  async save(job: Job, changes: Partial<StoredJob>): Promise<void> {
    const now = this.#options.clock.now();
    const next = { ...job.current, ...changes, modificationTime: toFiletime(now) };
    await this.#options.store.save(next);
    const soon = next.state !== job.stored.state;
    job.stored = next;
    job.savedAt = now;
    this.#scheduler.wake();
    this.#changed(soon);
  }

  async checkDestination(file: StoredFile): Promise<void> {
    await this.#options.transfers(requestOf(file)).check();
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
    this.#changed(true);
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
}

const fiveMinutes = 300_000;
