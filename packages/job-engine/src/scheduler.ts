import type { Job } from './job.ts';
import type { EngineClock } from './options.ts';
import { type Candidate, type Decision, decide, isActive, sliceEnd } from './schedule.ts';
import { type Due, nextDue } from './timers.ts';

interface SchedulerOptions {
  readonly jobs: ReadonlyMap<string, Job>;
  readonly clock: EngineClock;
  /** Milliseconds. */
  readonly sliceTime: number;
  /** Both are called alone on the job, with what is due or decided still being so. */
  readonly apply: (job: Job, event: Decision['event']) => Promise<void>;
  readonly fire: (job: Job, due: Due) => Promise<void>;
  readonly onProblem: (problem: unknown) => void;
}

/** Lets happen what is due and gives turns, whenever something changed or the next deadline has come. */
export class Scheduler {
  readonly #options: SchedulerOptions;
  #running = false;
  #working: Promise<void> | undefined;
  #again = false;
  #cancelTimer: (() => void) | undefined;

  constructor(options: SchedulerOptions) {
    this.#options = options;
  }

  /** Resolves when everybody who can have a turn has one. */
  async start(): Promise<void> {
    this.#running = true;
    this.wake();
    await this.#working;
  }

  async stop(): Promise<void> {
    this.#running = false;
    this.#cancelTimer?.();
    await this.#working;
  }

  /** Something changed. */
  wake(): void {
    if (!this.#running) return;
    this.#again = true;
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
      if (this.#again) this.wake();
    });
  }

  async #work(): Promise<void> {
    while (this.#again && this.#running) {
      this.#again = false;
      try {
        await this.#fireDue();
        await this.#giveTurns();
      } catch (problem) {
        this.#options.onProblem(problem);
        // The store failed; nothing else might ever call again.
        this.#setTimer(this.#options.clock.now() + retryDelay);
        return;
      }
    }
    if (this.#running) this.#setTimer(this.#nextDeadline());
  }

  async #giveTurns(): Promise<void> {
    const { jobs, clock, sliceTime, apply } = this.#options;
    for (;;) {
      const decision = decide(this.#candidates(), clock.now(), sliceTime);
      const job = decision === undefined ? undefined : jobs.get(decision.jobId);
      if (decision === undefined || job === undefined || !this.#running) return;
      await job.exclusive(async () => {
        const suits = decision.event === 'turn' ? job.stored.state === 'queued' : isActive(job.stored);
        if (suits && !job.ended && this.#running) await apply(job, decision.event);
      });
    }
  }

  async #fireDue(): Promise<void> {
    for (const job of this.#options.jobs.values()) {
      if (this.#dueOf(job) === undefined) continue;
      await job.exclusive(async () => {
        const due = this.#dueOf(job);
        if (due !== undefined && !job.ended && this.#running) await this.#options.fire(job, due);
      });
    }
  }

  #dueOf(job: Job): Due | undefined {
    const due = nextDue(job.current, job.turnBegan);
    return due !== undefined && due.at <= this.#options.clock.now() ? due : undefined;
  }

  #nextDeadline(): number | undefined {
    const times = [...this.#options.jobs.values()].flatMap((job) => nextDue(job.current, job.turnBegan)?.at ?? []);
    const slice = sliceEnd(this.#candidates(), this.#options.sliceTime);
    if (slice !== undefined) times.push(slice);
    return times.length === 0 ? undefined : times.reduce((a, b) => Math.min(a, b));
  }

  #setTimer(at: number | undefined): void {
    const { clock } = this.#options;
    this.#cancelTimer?.();
    this.#cancelTimer = at === undefined ? undefined : clock.after(Math.max(0, at - clock.now()), () => this.wake());
  }

  #candidates(): Candidate[] {
    return [...this.#options.jobs.values()].map(({ stored, place, turnBegan }) => ({
      jobId: stored.jobId,
      state: stored.state,
      priority: stored.priority,
      place,
      turnBegan,
    }));
  }
}

/** Milliseconds. */
const retryDelay = 5_000;
