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
  type ServiceAccount,
  type SuccessCode,
  toFiletime,
} from '@carmine/core';
import { CarmineError } from '@carmine/errors';
import type { StoredFile, StoredJob, StoredRange } from '@carmine/job-store';
import { type FileRange, temporaryName } from '@carmine/transfer';
import { findCertificate } from './certificates.ts';
import { errorReport } from './error-report.ts';
import { Job, newFile, withFile } from './job.ts';
import { JobRunner } from './job-runner.ts';
import type { EngineJobParameters, JobEngine, JobEngineOptions } from './options.ts';
import { isActive } from './schedule.ts';
import { toFileDetails, toSnapshot } from './snapshot.ts';
import {
  checkChanges,
  checkCreate,
  checkCredentialNames,
  checkCredentials,
  checkFileRanges,
  checkLength,
  checkProxy,
  checkSha256,
  checkUrl,
  invalid,
} from './validation.ts';

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
  readonly #watchers = new Set<{ readonly changed: () => void }>();

  constructor(options: JobEngineOptions) {
    this.#options = options;
    this.#runner = new JobRunner(options, this.#jobs, () => {
      for (const { changed } of this.#watchers) changed();
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

  watch(changed: () => void): () => void {
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
      checkCredentials(credentials);
      const { target, scheme, userName, password } = credentials;
      const others = withoutCredentials(job.stored, target, scheme);
      await this.#runner.save(job, {
        credentials: [...others, { target, scheme, userName, password }],
        ...this.#activity(),
      });
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
      checkCredentialNames(target, scheme);
      const others = withoutCredentials(job.stored, target, scheme);
      if (others.length === job.stored.credentials.length) return nothingChanged;
      await this.#runner.save(job, { credentials: others, ...this.#activity() });
      return 0;
    });
  }

  async setClientCertificate(
    jobId: string,
    certificate: ClientCertificateReference,
    options?: CallOptions,
  ): Promise<SuccessCode> {
    await this.#change(jobId, options, async (job) => {
      checkLength('StoreName', certificate.store, 256);
      if (certificate.by === 'name') checkLength('SubjectName', certificate.subject, 256);
      else if (certificate.hash.length !== 20) throw invalid('CertHash', 'not 20 bytes');
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
      checkProxy(settings);
      const { usage, proxyList = null, bypassList = null } = settings;
      const proxy = usage === 'override' ? { usage, proxyList, bypassList } : { usage };
      await this.#runner.save(job, { proxy, ...this.#activity() });
    });
    return 0;
  }

  async modifyFileDetails(
    jobId: string,
    fileIndex: number,
    changes: { readonly expectedSha256?: string | null | undefined; readonly computeSha256?: boolean | undefined },
    options?: CallOptions,
  ): Promise<void> {
    await this.#change(jobId, options, async (job) => {
      const file = fileAt(job.stored, fileIndex);
      if (file.transferred) {
        throw new CarmineError('job/invalid-state', { context: { action: 'modifyFileDetails', state: 'transferred' } });
      }
      const expected = checkSha256(changes.expectedSha256);
      const expectedSha256 = expected === undefined ? file.expectedSha256 : expected;
      const computeSha256 = changes.computeSha256 ?? file.computeSha256;
      const changed = withFile(job.current, fileIndex, { expectedSha256, computeSha256 });
      await this.#runner.save(job, { files: changed.files, ...this.#activity() });
      if (job.turn?.fileIndex === fileIndex) {
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
    this.#checkAccount(account);
    this.#checkJobCount(owners[account]);
    const { remoteUrl, localFile } = parameters;
    const ranges = parameters.ranges === undefined ? null : checkFileRanges(parameters.ranges);
    const file = newFile(remoteUrl, localFile, temporaryName(this.#options.randomBytes(8)), ranges);
    await this.#runner.checkDestination(file);
    const now = toFiletime(this.#options.clock.now());
    const stored: StoredJob = {
      jobId: newJobId(this.#options.randomBytes(16)),
      sequence: ++this.#sequence,
      displayName: parameters.displayName,
      description: parameters.description ?? '',
      priority: 'normal',
      minimumRetryDelay: 600,
      noProgressTimeout: 1_209_600,
      serviceAccount: account,
      owner: owners[account],
      // UNSPECIFIED (spec/bits.md 1.5, Suspend): absent means start at once, as documented.
      state: parameters.suspend === true ? 'suspended' : 'queued',
      files: [file],
      creationTime: now,
      modificationTime: now,
      completionTime: 0n,
      transientErrorCount: 0,
      error: null,
      lastError: 0,
      nextAttempt: 0n,
      lastProgress: now,
      lastActivity: now,
      activeSeconds: 0,
      ending: null,
      credentials: [],
      clientCertificate: null,
      proxy: { usage: 'preconfig' },
    };
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
      this.#checkFileCount(job.stored.files.length + 1);
      const file = newFile(remoteUrl, localFile, temporaryName(this.#options.randomBytes(8)), ranges);
      await this.#runner.checkDestination(file);
      await this.#runner.apply(job, 'addFile', { files: [...job.current.files, file], ...this.#activity() });
    });
    return 0;
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

  #checkAccount(account: ServiceAccount): void {
    const { accounts = {}, ownUser } = this.#options;
    const accepted =
      Object.keys(accounts).length === 0
        ? account === 'NetworkService'
        : accounts[account] !== undefined && accounts[account] === ownUser;
    if (!accepted) throw new CarmineError('job/account-not-available', { context: { account } });
  }

  #checkJobCount(owner: string): void {
    const { limits } = this.#options;
    if (limits === undefined) return;
    const jobs = [...this.#jobs.values()];
    if (jobs.length >= limits.maxJobsPerMachine) {
      throw new CarmineError('job/too-many-jobs', { context: { limit: limits.maxJobsPerMachine } });
    }
    if (jobs.filter((job) => job.stored.owner === owner).length >= limits.maxJobsPerUser) {
      // BG_E_TOO_MANY_JOBS_PER_USER
      throw new CarmineError('job/too-many-jobs', { context: { limit: limits.maxJobsPerUser }, hresult: 0x8020_0049 });
    }
  }

  #checkFileCount(count: number): void {
    const limit = this.#options.limits?.maxFilesPerJob;
    if (limit !== undefined && count > limit) throw new CarmineError('job/too-many-files', { context: { limit } });
  }
}

function fileAt(job: StoredJob, index: number): StoredFile {
  const file = job.files[index];
  if (file === undefined) throw invalid('fileIndex', 'the job has no such file');
  return file;
}

function withoutCredentials(
  job: StoredJob,
  target: CredentialTarget,
  scheme: CredentialScheme,
): readonly JobCredentials[] {
  return job.credentials.filter((entry) => entry.target !== target || entry.scheme !== scheme);
}

function throwIfAborted(options: CallOptions | undefined): void {
  if (options?.signal?.aborted === true) throw new CarmineError('internal/aborted');
}

function notFound(jobId: string): CarmineError {
  return new CarmineError('job/not-found', { context: { jobId } });
}

/** A random (version 4) GUID as Windows prints it. */
function newJobId(random: Uint8Array): string {
  const bytes = Uint8Array.from(random.subarray(0, 16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0'))
    .join('')
    .toUpperCase();
  return `{${digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')}}`;
}

/** Well-known SIDs, [MS-DTYP] 2.4.2.4. */
const owners: Readonly<Record<ServiceAccount, string>> = {
  LocalSystem: 'S-1-5-18',
  LocalService: 'S-1-5-19',
  NetworkService: 'S-1-5-20',
};

/** S_FALSE. */
const nothingChanged = 1;
