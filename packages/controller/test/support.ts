import { MemoryJobs, MemoryUrlGroups } from '@carmine/compliance';
import type {
  AccountDirectory,
  CallOptions,
  JobErrorReport,
  JobFileDetails,
  JobSnapshot,
  JobState,
  UrlDetails,
} from '@carmine/core';
import { CarmineError } from '@carmine/errors';
import { FakeClock, SeededRandom, settle } from '@carmine/testkit';
import { type CopyOptions, type CopyProgress, type CopyResult, copyFile } from '../src/index.ts';

export const digest = 'ab'.repeat(32);
export const prefix = 'https://+:8443/carmine/';

/** What the job looks like at one look; the last one stays. */
export interface Look {
  readonly state: JobState;
  readonly transferred?: bigint;
  readonly total?: bigint;
}

export const happyLooks: readonly Look[] = [
  { state: 'queued' },
  { state: 'connecting' },
  { state: 'transferring', transferred: 10n, total: 100n },
  { state: 'transferring', transferred: 100n, total: 100n },
  { state: 'transferred', transferred: 100n, total: 100n },
];

/** Jobs in memory that move as the script says once they are resumed. */
class ScriptedJobs extends MemoryJobs {
  looks: Look[] = [...happyLooks];
  sha256: string | null = digest;
  report: JobErrorReport | undefined;
  /** What is told of a job to whoever watches it; undefined: nobody can. */
  changes: readonly JobSnapshot[] | undefined;
  wait: Pick<JobFileDetails, 'waitReason' | 'nextAttempt'> = { waitReason: '', nextAttempt: 0n };

  /** What the script says happens when somebody looks: there is nothing else to tell of. */
  override async watchJob(): Promise<AsyncIterable<JobSnapshot>> {
    const { changes } = this;
    if (changes !== undefined)
      return (async function* () {
        yield* changes;
      })();
    throw new CarmineError('cim/not-supported', { context: { operation: 'Subscribe', className: 'BitsClientJob' } });
  }

  override async getJob(jobId: string): Promise<JobSnapshot> {
    const job = await super.getJob(jobId);
    if (job.state === 'suspended') return job;
    const look = (this.looks.length > 1 ? this.looks.shift() : this.looks[0]) ?? { state: 'queued' };
    if (look.state === 'cancelled' || look.state === 'acknowledged') {
      this.force(jobId, look.state);
      return super.getJob(jobId);
    }
    return {
      ...job,
      state: look.state,
      bytesTransferred: look.transferred ?? 0n,
      bytesTotal: look.total ?? job.bytesTotal,
    };
  }

  override async getFileDetails(jobId: string, fileIndex: number): Promise<JobFileDetails> {
    return { ...(await super.getFileDetails(jobId, fileIndex)), sha256: this.sha256, ...this.wait };
  }

  override async getError(jobId: string): Promise<JobErrorReport> {
    return this.report ?? super.getError(jobId);
  }
}

class ScriptedUrlGroups extends MemoryUrlGroups {
  /** What the digest is at each look; the last one stays. */
  digests: (string | null)[] = [digest];

  override async getUrlDetails(group: string, urlSuffix: string): Promise<UrlDetails> {
    const sha256 = (this.digests.length > 1 ? this.digests.shift() : this.digests[0]) ?? null;
    return { ...(await super.getUrlDetails(group, urlSuffix)), sha256 };
  }
}

export type End = 'source' | 'destination';

/** What goes wrong at one call: before it happens, or after it, so that only its answer is lost. */
export interface Fault {
  /** Number of the call, from 1. */
  readonly at: number;
  readonly when: 'before' | 'after';
  readonly error: CarmineError | 'abort';
}

/** Two machines, the network between, and time; all of it made up. */
export class World {
  readonly clock = new FakeClock();
  readonly jobs = new ScriptedJobs();
  readonly urlGroups = new ScriptedUrlGroups();
  readonly controller = new AbortController();
  /** `end.method`, in order. */
  readonly calls: string[] = [];
  readonly progress: CopyProgress[] = [];
  fault: Fault | undefined;
  /** Methods that a machine like Windows has not. */
  missing: readonly string[] = [];
  /** Whether a machine can be reached now. */
  reachable: (end: End) => boolean = () => true;
  readonly #random = new SeededRandom(1);

  options(changes: Partial<CopyOptions> = {}): CopyOptions {
    const accounts: AccountDirectory = {
      async *listAccounts() {},
      lookUpAccount: async (name) => ({ domain: 'HOST', name, sid: 'S-1-5-21-1-2-3-1000' }),
    };
    return {
      source: {
        name: 'wsman://files:5985',
        urlGroups: this.#instrument('source', this.urlGroups),
        accounts: this.#instrument('source', accounts),
        host: 'files.example',
        path: '/srv/images/win.vhdx',
      },
      destination: {
        name: 'wsman://host7:5985',
        jobs: this.#instrument('destination', this.jobs),
        path: '/inbox/win.vhdx',
      },
      environment: {
        now: () => this.clock.now(),
        sleep: (milliseconds, signal) => this.#sleep(milliseconds, signal),
        randomBytes: (length) => this.#random.bytes(length),
      },
      urlGroup: 'https://+:8443/carmine',
      fetchAs: { kind: 'password', user: 'fetcher', password: 'secret' },
      signal: this.controller.signal,
      onProgress: (progress) => this.progress.push(progress),
      ...changes,
    };
  }

  /** Copies, moving time on whenever everybody waits. */
  async copy(changes: Partial<CopyOptions> = {}): Promise<CopyResult> {
    let settled = false;
    const copying = copyFile(this.options(changes)).finally(() => {
      settled = true;
    });
    copying.catch(() => {});
    for (let turns = 0; !settled; turns++) {
      if (turns > 20_000) throw new Error('the copy does not end');
      await settle();
      const { next } = this.clock;
      if (next !== undefined) await this.clock.advance(next - this.clock.now());
    }
    return copying;
  }

  /** What is left on the machines, as it would be told. */
  async remains(): Promise<string[]> {
    const left: string[] = [];
    for await (const group of this.urlGroups.listUrlGroups()) left.push(group);
    for await (const job of this.jobs.listJobs()) left.push(job.jobId);
    return left;
  }

  #sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = () => {
        cancel();
        reject(new CarmineError('internal/aborted'));
      };
      const cancel = this.clock.after(milliseconds, () => {
        signal?.removeEventListener('abort', abort);
        resolve();
      });
      if (signal?.aborted === true) abort();
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  #instrument<T extends object>(end: End, provider: T): T {
    return new Proxy(provider, {
      get: (target, name) => {
        const method = Reflect.get(target, name) as (...args: unknown[]) => unknown;
        const call = method.bind(target);
        if (!String(name).startsWith('list'))
          return async (...args: unknown[]) => {
            const lost = this.#enter(end, String(name), args);
            if (lost === undefined) return call(...args);
            await Promise.allSettled([call(...args)]);
            throw lost;
          };
        const enter = (args: unknown[]) => this.#enter(end, String(name), args);
        return async function* (...args: unknown[]) {
          const lost = enter(args);
          if (lost !== undefined) throw lost;
          yield* call(...args) as AsyncIterable<unknown>;
        };
      },
    });
  }

  /** Returns the failure that comes after the call. */
  #enter(end: End, name: string, args: readonly unknown[]): CarmineError | undefined {
    const { signal } = (args.at(-1) ?? {}) as CallOptions;
    if (signal instanceof AbortSignal && signal.aborted) throw new CarmineError('internal/aborted');
    const shown = name === 'setJobState' ? `${name} ${String(args[1])}` : name;
    this.calls.push(`${end}.${shown}`);
    if (!this.reachable(end)) throw new CarmineError('wsman/unreachable', { context: { target: end, reason: 'down' } });
    if (this.missing.includes(name)) throw new CarmineError('controller/extension-missing');
    if (this.fault?.at !== this.calls.length) return undefined;
    let error: CarmineError;
    if (this.fault.error === 'abort') {
      this.controller.abort();
      error = new CarmineError('internal/aborted');
    } else error = this.fault.error;
    if (this.fault.when === 'before') throw error;
    return error;
  }
}
