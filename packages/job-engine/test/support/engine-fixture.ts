import { type CreateJobParameters, type EndedJob, type JobSnapshot, toFiletime } from '@carmine/core';
import { createJobEngine, type JobEngine, type JobEngineOptions } from '@carmine/job-engine';
import { createMemoryJobStore, type JobStore } from '@carmine/job-store';
import { FakeClock, SeededRandom } from '@carmine/testkit';
import { FakeTransfers } from './fake-transfer.ts';

/** An engine in virtual time over fake transfers; `restart` is a crash: nothing is told that it ends. */
export class EngineFixture {
  readonly clock = new FakeClock();
  readonly transfers = new FakeTransfers();
  readonly problems: unknown[] = [];
  readonly store: JobStore;
  readonly #options: Partial<JobEngineOptions>;
  #random = new SeededRandom(7);
  #life = 0;
  engine: JobEngine;

  constructor(options: Partial<JobEngineOptions> = {}) {
    this.#options = options;
    this.store = options.store ?? createMemoryJobStore();
    this.engine = this.#create();
  }

  static async start(options: Partial<JobEngineOptions> = {}): Promise<EngineFixture> {
    const fixture = new EngineFixture(options);
    await fixture.engine.start();
    return fixture;
  }

  async restart(): Promise<void> {
    this.transfers.running.clear();
    this.engine = this.#create();
    await this.engine.start();
    await this.settle();
  }

  async create(name: string, changes: Partial<CreateJobParameters> = {}): Promise<string> {
    try {
      return await this.engine.createJob({
        displayName: name,
        remoteUrl: `http://origin.example/${name}`,
        localFile: `/srv/${name}`,
        ...changes,
      });
    } finally {
      await this.settle();
    }
  }

  settle(): Promise<void> {
    return this.clock.advance(0);
  }

  async state(jobId: string): Promise<JobSnapshot['state']> {
    await this.settle();
    return (await this.engine.getJob(jobId)).state;
  }

  async ended(): Promise<EndedJob[]> {
    const all: EndedJob[] = [];
    for await (const job of this.engine.listEndedJobs()) all.push(job);
    return all;
  }

  get now(): bigint {
    return toFiletime(this.clock.now());
  }

  #create(): JobEngine {
    const life = ++this.#life;
    const dead = () => life !== this.#life;
    // A dead process neither writes nor waits.
    const alive = <T>(work: () => Promise<T>): Promise<T> => (dead() ? new Promise<T>(() => undefined) : work());
    const { store, clock } = this;
    return createJobEngine({
      transfers: this.transfers.factory,
      clock: {
        now: () => clock.now(),
        after: (delay, callback) => clock.after(delay, () => dead() || callback()),
      },
      randomBytes: (length) => this.#random.bytes(length),
      onProblem: (problem) => this.problems.push(problem),
      ...this.#options,
      store: {
        load: () => store.load(),
        save: (job) => alive(() => store.save(job)),
        end: (job) => alive(() => store.end(job)),
        listEnded: () => store.listEnded(),
        close: () => store.close(),
      },
    });
  }
}

export const seconds = 1_000;
export const minutes = 60 * seconds;
export const days = 24 * 60 * minutes;
