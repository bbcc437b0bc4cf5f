import {
  type CallOptions,
  type ClientCertificateReference,
  type CreateJobParameters,
  checkResume,
  type EndedJob,
  isFinalJobState,
  type JobAction,
  type JobChanges,
  type JobCredentials,
  type JobErrorReport,
  type JobExtensions,
  type JobFile,
  type JobFileDetails,
  type JobProvider,
  type JobSnapshot,
  type JobState,
  jobTransition,
  type ProxySettings,
  sizeUnknown,
  toFiletime,
} from '@carmine/core';
import { CarmineError } from '@carmine/errors';

/** A JobProvider that keeps jobs in memory and transfers nothing: what the compliance suite is itself tested with. */
export class MemoryJobs implements JobProvider, JobExtensions {
  /** Everything that setters stored, for assertions. */
  readonly settings = new Map<string, unknown>();
  readonly #jobs = new Map<string, JobSnapshot>();
  readonly #details = new Map<string, JobFileDetails>();
  readonly #ended: EndedJob[] = [];
  readonly #watchers = new Set<{ readonly changed: (soon: boolean) => void }>();
  #next = 1;

  async *listJobs(): AsyncIterable<JobSnapshot> {
    yield* this.#jobs.values();
  }

  async getJob(jobId: string): Promise<JobSnapshot> {
    return this.#find(jobId);
  }

  async createJob(p: CreateJobParameters): Promise<string> {
    if (p.type === 'upload') throw new CarmineError('job/uploads-not-supported');
    if (!/^https?:\/\//.test(p.remoteUrl))
      throw new CarmineError('job/invalid-url', { context: { reason: 'not http or https' } });
    const jobId = `{00000000-0000-4000-8000-${(this.#next++).toString(16).toUpperCase().padStart(12, '0')}}`;
    const now = toFiletime(Date.UTC(2026, 0, 1));
    this.#jobs.set(jobId, {
      jobId,
      displayName: p.displayName,
      description: p.description ?? '',
      priority: 'normal',
      minimumRetryDelay: 600,
      noProgressTimeout: 1_209_600,
      files: [file(p.remoteUrl, p.localFile)],
      jobCreationTime: now,
      jobLastModificationTime: now,
      jobCompletionTime: 0n,
      bytesTotal: sizeUnknown,
      bytesTransferred: 0n,
      filesTotal: 1,
      filesTransferred: 0,
      transientErrorCount: 0,
      state: p.suspend === true ? 'suspended' : 'queued',
      owner: 'S-1-5-20',
    });
    this.#tell();
    return jobId;
  }

  async addFile(jobId: string, remoteUrl: string, localFile: string): Promise<number> {
    const job = this.#find(jobId);
    const files = [...job.files, file(remoteUrl, localFile)];
    this.#change(job, { state: jobTransition(job.state, 'addFile').state, files, filesTotal: files.length });
    return 0;
  }

  async setJobState(jobId: string, action: JobAction): Promise<number> {
    const job = this.#find(jobId);
    if (action === 'resume') checkResume(job.files.length);
    this.#change(job, { state: jobTransition(job.state, action).state });
    return action === 'complete' ? 0x0020_0017 : 0;
  }

  async modifyJob(jobId: string, changes: JobChanges): Promise<void> {
    const job = this.#find(jobId);
    const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
    this.#change(job, given);
  }

  async setCredentials(jobId: string, credentials: JobCredentials): Promise<number> {
    this.#find(jobId);
    this.settings.set(`${jobId}/credentials/${credentials.target}/${credentials.scheme}`, credentials);
    return 0;
  }

  async removeCredentials(
    jobId: string,
    target: JobCredentials['target'],
    scheme: JobCredentials['scheme'],
  ): Promise<number> {
    this.#find(jobId);
    return this.settings.delete(`${jobId}/credentials/${target}/${scheme}`) ? 0 : 1;
  }

  async getError(jobId: string): Promise<JobErrorReport> {
    this.#find(jobId);
    throw new CarmineError('job/no-error-information');
  }

  async setClientCertificate(jobId: string, certificate: ClientCertificateReference): Promise<number> {
    this.#find(jobId);
    this.settings.set(`${jobId}/certificate`, certificate);
    return 0;
  }

  async removeClientCertificate(jobId: string): Promise<number> {
    this.#find(jobId);
    this.settings.delete(`${jobId}/certificate`);
    return 0;
  }

  async setProxySettings(jobId: string, settings: ProxySettings): Promise<number> {
    this.#find(jobId);
    this.settings.set(`${jobId}/proxy`, settings);
    return 0;
  }

  async *listEndedJobs(): AsyncIterable<EndedJob> {
    yield* this.#ended;
  }

  async getFileDetails(jobId: string, fileIndex: number): Promise<JobFileDetails> {
    const job = this.#find(jobId);
    if (job.files[fileIndex] === undefined)
      throw new CarmineError('job/not-found', { context: { jobId: `${jobId} file ${fileIndex}` } });
    return (
      this.#details.get(`${jobId}/${fileIndex}`) ?? {
        jobId,
        fileIndex,
        sha256: null,
        expectedSha256: null,
        computeSha256: false,
        phase: 'queued',
        waitReason: '',
        nextAttempt: 0n,
      }
    );
  }

  async modifyFileDetails(
    jobId: string,
    fileIndex: number,
    changes: { expectedSha256?: string | null | undefined; computeSha256?: boolean | undefined },
  ): Promise<void> {
    const details = await this.getFileDetails(jobId, fileIndex);
    this.#details.set(`${jobId}/${fileIndex}`, {
      ...details,
      ...(changes.expectedSha256 === undefined ? {} : { expectedSha256: changes.expectedSha256 }),
      ...(changes.computeSha256 === undefined ? {} : { computeSha256: changes.computeSha256 }),
    });
  }

  /** Puts a job into any state, as if its transfer had gone that far. */
  force(jobId: string, state: JobState): void {
    this.#change(this.#find(jobId), { state });
  }

  watch(changed: (soon: boolean) => void): () => void {
    const watcher = { changed };
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  async watchJob(jobId: string, options?: CallOptions): Promise<AsyncIterable<JobSnapshot>> {
    return new WatchedJob(this, jobId, this.#jobs.get(jobId.toUpperCase()), options?.signal);
  }

  /** The job, if it is listed. */
  peek(jobId: string): JobSnapshot | undefined {
    return this.#jobs.get(jobId.toUpperCase());
  }

  #tell(): void {
    for (const { changed } of this.#watchers) changed(false);
  }

  #find(jobId: string): JobSnapshot {
    const job = this.#jobs.get(jobId.toUpperCase());
    if (job === undefined) throw new CarmineError('job/not-found', { context: { jobId } });
    return job;
  }

  #change(job: JobSnapshot, changes: Partial<JobSnapshot>): void {
    const changed = { ...job, ...changes };
    const { state } = changed;
    if (!isFinalJobState(state)) {
      this.#jobs.set(job.jobId, changed);
      this.#tell();
      return;
    }
    this.#jobs.delete(job.jobId);
    this.#tell();
    this.#ended.push({
      jobId: job.jobId,
      displayName: job.displayName,
      description: job.description,
      state: state === 'acknowledged' ? 'acknowledged' : 'cancelled',
      owner: job.owner,
      filesTotal: job.filesTotal,
      filesTransferred: job.filesTransferred,
      bytesTotal: job.bytesTotal,
      bytesTransferred: job.bytesTransferred,
      jobCreationTime: job.jobCreationTime,
      endTime: job.jobCreationTime,
      reason: state === 'acknowledged' ? 'completed' : 'cancelled by request',
      lastError: 0,
    });
  }
}

function file(remoteUrl: string, localFile: string): JobFile {
  return { remoteUrl, localFile, bytesTotal: sizeUnknown, bytesTransferred: 0n, completed: false };
}

/** A job each time that it changed. */
class WatchedJob implements AsyncIterableIterator<JobSnapshot> {
  readonly #snapshots: JobSnapshot[] = [];
  readonly #unwatch: () => void;
  #last: JobSnapshot | undefined;
  #ended = false;
  #wake: () => void = () => {};

  constructor(jobs: MemoryJobs, jobId: string, now: JobSnapshot | undefined, signal: AbortSignal | undefined) {
    this.#last = now;
    this.#unwatch = jobs.watch(() => {
      const job = jobs.peek(jobId);
      if (job === undefined) this.#end();
      else if (job !== this.#last) this.#snapshots.push(job);
      this.#last = job;
      this.#wake();
    });
    signal?.addEventListener('abort', () => void this.return(), { once: true });
  }

  async next(): Promise<IteratorResult<JobSnapshot>> {
    for (;;) {
      const job = this.#snapshots.shift();
      if (job !== undefined) return { done: false, value: job };
      if (this.#ended) return { done: true, value: undefined };
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async return(): Promise<IteratorResult<JobSnapshot>> {
    this.#snapshots.length = 0;
    this.#end();
    this.#wake();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #end(): void {
    this.#ended = true;
    this.#unwatch();
  }
}
