import {
  type CallOptions,
  type ClientCertificateReference,
  type CredentialScheme,
  type CredentialTarget,
  checkResume,
  type EndedJob,
  type JobAction,
  type JobChanges,
  type JobCredentials,
  type JobErrorReport,
  type JobFileDetails,
  type JobSnapshot,
  type ProxySettings,
  type SuccessCode,
  toFiletime,
} from '@carmine/core';
import { CarmineError } from '@carmine/errors';
import type { StoredFile, StoredJob, StoredRange } from '@carmine/job-store';
import { type FileRange, temporaryName } from '@carmine/transfer';
import { checkAdmission, checkFileCount } from './admission.ts';
import { findCertificate } from './certificates.ts';
import { errorReport } from './error-report.ts';
import { Job, newFile, withFile } from './job.ts';
import { JobRunner } from './job-runner.ts';
import { newJob } from './new-job.ts';
import type { EngineJobParameters, JobEngine, JobEngineOptions } from './options.ts';
import {
  checkCertificate,
  type DigestChanges,
  withCredentials,
  withDigest,
  withoutCredentials,
  withProxy,
} from './property-changes.ts';
import { isActive } from './schedule.ts';
import { toFileDetails, toSnapshot } from './snapshot.ts';
import { checkChanges, checkCreate, checkFileRanges, checkUrl, invalid } from './validation.ts';

/**
 * The BITS job engine. Every change is in the store before the call that made it returns, so a job that a caller was told
 * of is found again after any crash. Call `start` first.
 */
export function createJobEngine(options: JobEngineOptions): JobEngine {
  return new Engine(options);
}

class Engine implements JobEngine {
  readonly #options: JobEngineOptions;
  readonly #runner: JobRunner;
  readonly #jobs = new Map<string, Job>();
  #sequence = 0;
  /** createJob calls, one at a time: the limits count. */
  #creating: Promise<unknown> = Promise.resolve();
  #open = false;
  readonly #watchers = new Set<{ readonly changed: (soon: boolean) => void }>();

  constructor(options: JobEngineOptions) {
    this.#options = options;
    this.#runner = new JobRunner(options, this.#jobs, (soon) => {
      for (const { changed } of this.#watchers) changed(soon);
    });
  }

  async start(): Promise<void> {
    for (const stored of await this.#options.store.load()) {
      this.#sequence = Math.max(this.#sequence, stored.sequence);
      this.#jobs.set(stored.jobId, new Job(stored));
    }
    await this.#runner.start();
    this.#open = true;
  }

  async stop(): Promise<void> {
    this.#open = false;
    await this.#creating;
    await this.#runner.stop();
  }

  // --- reading -------------------------------------------------------------------------------------------------------

  async *listJobs(options?: CallOptions): AsyncIterable<JobSnapshot> {
    for (const job of this.#jobs.values()) {
      throwIfAborted(options);
      if (!job.ended) yield toSnapshot(job.current);
    }
  }

  async getJob(jobId: string, options?: CallOptions): Promise<JobSnapshot> {
    throwIfAborted(options);
    return toSnapshot(this.#find(jobId).current);
  }

  async *listEndedJobs(options?: CallOptions): AsyncIterable<EndedJob> {
    for await (const job of this.#options.store.listEnded()) {
      throwIfAborted(options);
      yield job;
    }
  }

  async getError(jobId: string, _languageId: number, options?: CallOptions): Promise<JobErrorReport> {
    throwIfAborted(options);
    const { state, error } = this.#find(jobId).stored;
    if (error === null || (state !== 'error' && state !== 'transientError')) {
      throw new CarmineError('job/no-error-information');
    }
    return errorReport(error);
  }

  async getFileDetails(jobId: string, fileIndex: number, options?: CallOptions): Promise<JobFileDetails> {
    throwIfAborted(options);
    const job = this.#find(jobId);
    const { current } = job;
    return toFileDetails(current, fileAt(current, fileIndex), fileIndex, job.live);
  }

  watch(changed: (soon: boolean) => void): () => void {
    const watcher = { changed };
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  // --- changing ------------------------------------------------------------------------------------------------------

  createJob(parameters: EngineJobParameters, options?: CallOptions): Promise<string> {
    const created = this.#creating.then(() => this.#create(parameters, options));
    this.#creating = created.catch(() => undefined);
    return created;
  }

  async addFile(jobId: string, remoteUrl: string, localFile: string, options?: CallOptions): Promise<SuccessCode> {
    return await this.#addFile(jobId, remoteUrl, localFile, null, options);
  }

  async addFileWithRanges(
    jobId: string,
    remoteUrl: string,
    localFile: string,
    ranges: readonly FileRange[],
    options?: CallOptions,
  ): Promise<SuccessCode> {
    return await this.#addFile(jobId, remoteUrl, localFile, checkFileRanges(ranges), options);
  }

  async getFileRanges(jobId: string, fileIndex: number, options?: CallOptions): Promise<readonly FileRange[]> {
    throwIfAborted(options);
    return fileAt(this.#find(jobId).stored, fileIndex).ranges ?? [];
  }

  async setJobState(jobId: string, action: JobAction, options?: CallOptions): Promise<SuccessCode> {
    return await this.#change(jobId, options, async (job) => {
      switch (action) {
        case 'resume':
          checkResume(job.stored.files.length);
          await this.#runner.apply(job, 'resume', isActive(job.stored) ? this.#activity() : this.#resumed());
          return 0;
        case 'suspend':
          await this.#runner.apply(job, 'suspend', this.#activity());
          return 0;
        case 'complete':
          return await this.#runner.complete(job);
        case 'cancel':
          return await this.#runner.cancel(job, 'cancel', 'cancelled by request');
        default:
          throw invalid('JobState', 'unknown action');
      }
    });
  }

  async modifyJob(jobId: string, changes: JobChanges, options?: CallOptions): Promise<void> {
    await this.#change(jobId, options, async (job) => {
      await this.#runner.save(job, { ...checkChanges(changes), ...this.#activity() });
    });
  }

  async setCredentials(jobId: string, credentials: JobCredentials, options?: CallOptions): Promise<SuccessCode> {
    await this.#change(jobId, options, async (job) => {
      await this.#runner.save(job, { ...withCredentials(job.stored, credentials), ...this.#activity() });
    });
    return 0;
  }

  async removeCredentials(
    jobId: string,
    target: CredentialTarget,
    scheme: CredentialScheme,
    options?: CallOptions,
  ): Promise<SuccessCode> {
    return await this.#change(jobId, options, async (job) => {
      const others = withoutCredentials(job.stored, target, scheme);
      if (others === undefined) return nothingChanged;
      await this.#runner.save(job, { ...others, ...this.#activity() });
      return 0;
    });
  }

  async setClientCertificate(
    jobId: string,
    certificate: ClientCertificateReference,
    options?: CallOptions,
  ): Promise<SuccessCode> {
    await this.#change(jobId, options, async (job) => {
      checkCertificate(certificate);
      await findCertificate(this.#options, certificate);
      await this.#runner.save(job, { clientCertificate: certificate, ...this.#activity() });
    });
    return 0;
  }

  async removeClientCertificate(jobId: string, options?: CallOptions): Promise<SuccessCode> {
    await this.#change(jobId, options, async (job) => {
      await this.#runner.save(job, { clientCertificate: null, ...this.#activity() });
    });
    return 0;
  }

  async setProxySettings(jobId: string, settings: ProxySettings, options?: CallOptions): Promise<SuccessCode> {
    await this.#change(jobId, options, async (job) => {
      await this.#runner.save(job, { ...withProxy(settings), ...this.#activity() });
    });
    return 0;
  }

  async modifyFileDetails(
    jobId: string,
    fileIndex: number,
    changes: DigestChanges,
    options?: CallOptions,
  ): Promise<void> {
    await this.#change(jobId, options, async (job) => {
      const digest = withDigest(fileAt(job.stored, fileIndex), changes);
      const { files } = withFile(job.current, fileIndex, digest);
      await this.#runner.save(job, { files, ...this.#activity() });
      if (job.turn?.fileIndex === fileIndex) {
        const { expectedSha256, computeSha256 } = digest;
        job.turn.transfer?.expect({ expectedSha256: expectedSha256 ?? undefined, computeSha256 });
      }
    });
  }

  // --- helpers -------------------------------------------------------------------------------------------------------

  async #create(parameters: EngineJobParameters, options: CallOptions | undefined): Promise<string> {
    throwIfAborted(options);
    this.#requireOpen();
    checkCreate(parameters);
    const account = parameters.serviceAccount ?? 'NetworkService';
    checkAdmission(this.#options, account, [...this.#jobs.values()]);
    const ranges = parameters.ranges === undefined ? null : checkFileRanges(parameters.ranges);
    const file = this.#newFile(parameters.remoteUrl, parameters.localFile, ranges);
    await this.#runner.checkDestination(file);
    const now = this.#options.clock.now();
    const random = this.#options.randomBytes(16);
    const stored = newJob(parameters, { random, sequence: ++this.#sequence, account, file, now });
    await this.#options.store.save(stored);
    const job = new Job(stored);
    this.#jobs.set(stored.jobId, job);
    this.#runner.added(job);
    return stored.jobId;
  }

  async #addFile(
    jobId: string,
    remoteUrl: string,
    localFile: string,
    ranges: readonly StoredRange[] | null,
    options: CallOptions | undefined,
  ): Promise<SuccessCode> {
    await this.#change(jobId, options, async (job) => {
      checkUrl(remoteUrl);
      this.#runner.transition(job, 'addFile');
      checkFileCount(this.#options, job.stored.files.length + 1);
      const file = this.#newFile(remoteUrl, localFile, ranges);
      await this.#runner.checkDestination(file);
      await this.#runner.apply(job, 'addFile', { files: [...job.current.files, file], ...this.#activity() });
    });
    return 0;
  }

  #newFile(remoteUrl: string, localFile: string, ranges: readonly StoredRange[] | null): StoredFile {
    return newFile(remoteUrl, localFile, temporaryName(this.#options.randomBytes(8)), ranges);
  }

  /** Runs `work` on the job, alone; it may have ended while the call waited. */
  async #change<T>(jobId: string, options: CallOptions | undefined, work: (job: Job) => Promise<T>): Promise<T> {
    throwIfAborted(options);
    const job = this.#find(jobId);
    return await job.exclusive(async () => {
      if (job.ended) throw notFound(jobId);
      throwIfAborted(options);
      this.#requireOpen();
      return await work(job);
    });
  }

  #find(jobId: string): Job {
    const job = this.#jobs.get(jobId.toUpperCase());
    if (job === undefined) throw notFound(jobId);
    return job;
  }

  #requireOpen(): void {
    if (!this.#open) throw new CarmineError('internal/shutting-down');
  }

  /** Any property change restarts the inactivity time-out. */
  #activity(): Pick<StoredJob, 'lastActivity'> {
    return { lastActivity: toFiletime(this.#options.clock.now()) };
  }

  /** Resume begins the time-outs anew. */
  #resumed(): Partial<StoredJob> {
    const now = toFiletime(this.#options.clock.now());
    return { lastActivity: now, lastProgress: now, activeSeconds: 0 };
  }
}

function fileAt(job: StoredJob, index: number): StoredFile {
  const file = job.files[index];
  if (file === undefined) throw invalid('fileIndex', 'the job has no such file');
  return file;
}

function throwIfAborted(options: CallOptions | undefined): void {
  if (options?.signal?.aborted === true) throw new CarmineError('internal/aborted');
}

function notFound(jobId: string): CarmineError {
  return new CarmineError('job/not-found', { context: { jobId } });
}

/** S_FALSE. */
const nothingChanged = 1;
