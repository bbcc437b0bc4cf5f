import {
  type EndedJob,
  fromFiletime,
  type JobErrorReport,
  type JobSnapshot,
  parseUrlPrefix,
  sizeUnknown,
  type UrlGroupDetails,
  type UrlPrefix,
} from '@carmine/core';
import { CarmineError, errorFromHresult, formatHresult, isCarmineError } from '@carmine/errors';
import { Cleanup } from './cleanup.ts';
import { clientUrl } from './client-url.ts';
import { isAnswer, mismatch, withLeftovers } from './copy-failures.ts';
import type { CopyOptions, CopyPhase, CopyProgress, CopyResult } from './copy-types.ts';
import { JobWatch } from './job-watch.ts';

/**
 * Copies one file from a server agent to a client agent: publishes it, creates a job for it, watches the job, verifies
 * the digest, completes the job and takes back everything that was published (BITS Compact Server, the sequence of
 * calls in the remote management samples). However it ends, both ends are cleaned up; what could not be is told.
 *
 * Throws the failure of the step that failed; for a job in error that is an error with the job's HRESULT.
 */
export async function copyFile(options: CopyOptions): Promise<CopyResult> {
  const cleanup = new Cleanup(options.environment);
  let result: Omit<CopyResult, 'leftovers'>;
  try {
    result = await new Copy(options, cleanup).run();
  } catch (error) {
    const leftovers = await cleanup.run();
    throw withLeftovers(error, leftovers);
  }
  return { ...result, leftovers: await cleanup.run() };
}

class Copy {
  readonly #o: CopyOptions;
  readonly #cleanup: Cleanup;
  readonly #prefix: UrlPrefix;
  #transferred = 0n;
  #total: bigint | undefined;
  #jobId: string | undefined;
  #watchedSince = 0;
  #unreachableSince: number | undefined;

  constructor(options: CopyOptions, cleanup: Cleanup) {
    this.#o = options;
    this.#cleanup = cleanup;
    this.#prefix = parseUrlPrefix(options.urlGroup);
  }

  async run(): Promise<Omit<CopyResult, 'leftovers'>> {
    const { keepUrl } = this.#o;
    this.#report('queued');
    const suffix = hex(this.#o.environment.randomBytes(16));
    await this.#publish(suffix);
    const url = clientUrl(this.#prefix, this.#o.source.host, suffix);
    const jobId = await this.#createJob(url);
    const job = await this.#watch(jobId);
    const verified = await this.#verify(jobId, suffix);
    await this.#complete(jobId);
    if (keepUrl === true) this.#cleanup.forget('source');
    return { jobId, url, bytes: job.bytesTotal === sizeUnknown ? job.bytesTransferred : job.bytesTotal, ...verified };
  }

  /** CreateUrlGroup, CreateUrl, CheckUrl: the file can be fetched afterwards, by the one account only. */
  async #publish(suffix: string): Promise<void> {
    const { urlGroups, path } = this.#o.source;
    const { signal } = this.#o;
    const prefix = this.#prefix.text;
    const sid = await this.#fetcherSid();
    if (!(await this.#groupExists(prefix))) {
      // Registered before the call: if its answer is lost, the group may exist all the same.
      this.#cleanup.add(
        'source',
        () => `the URL group ${prefix} on ${this.#o.source.name}`,
        async () => {
          // Another copy that began meanwhile may be using the group; it stays for that one then.
          const details = await this.#groupDetails(prefix);
          if (details === undefined || details.urlCount === 0) await urlGroups.deleteUrlGroup(prefix);
        },
      );
      await urlGroups.createUrlGroup(prefix, { signal });
    }
    const details = await this.#groupDetails(prefix, signal);
    if (details?.state === 'offline') {
      const { port } = this.#prefix;
      throw this.#prefix.scheme === 'https'
        ? new CarmineError('url-group/no-certificate', { context: { port } })
        : new CarmineError('url-group/port-in-use', { context: { port, reason: 'the group is offline' } });
    }
    this.#cleanup.add(
      'source',
      () => `the URL ${suffix} in ${prefix} on ${this.#o.source.name}`,
      async () => {
        try {
          await urlGroups.deleteUrl(prefix, suffix);
        } catch (error) {
          if (!isCarmineError(error, 'url/not-found') && !isCarmineError(error, 'url-group/not-found')) throw error;
        }
      },
    );
    await urlGroups.createUrl(
      prefix,
      { urlSuffix: suffix, sourceFilePath: path, sddlAuth: `D:P(A;;FR;;;${sid})` },
      { signal },
    );
    if (!(await urlGroups.checkUrl(prefix, suffix, { signal })))
      throw new CarmineError('url/not-found', { context: { suffix } });
  }

  async #fetcherSid(): Promise<string> {
    const { fetchAs, source, signal } = this.#o;
    if (fetchAs.user === undefined) return authenticatedUsers;
    return (await source.accounts.lookUpAccount(accountName(fetchAs.user), { signal })).sid;
  }

  /** Undefined on a machine that cannot tell (Windows), and for a group that is gone. */
  async #groupDetails(prefix: string, signal?: AbortSignal): Promise<UrlGroupDetails | undefined> {
    try {
      return await this.#o.source.urlGroups.getUrlGroupDetails(prefix, { signal });
    } catch (error) {
      if (isCarmineError(error, 'controller/extension-missing')) return undefined;
      if (isCarmineError(error, 'url-group/not-found')) return undefined;
      throw error;
    }
  }

  async #groupExists(prefix: string): Promise<boolean> {
    try {
      await this.#o.source.urlGroups.getUrlGroup(prefix, { signal: this.#o.signal });
      return true;
    } catch (error) {
      if (isCarmineError(error, 'url-group/not-found')) return false;
      throw error;
    }
  }

  /** CreateJob suspended, so that credentials and settings are there before the first byte moves. */
  async #createJob(url: string): Promise<string> {
    const { destination, source, fetchAs, priority, sha256, signal } = this.#o;
    const { jobs } = destination;
    const displayName = this.#o.displayName ?? `Copy of ${source.path} from ${source.name}`;
    const what = () =>
      this.#jobId === undefined
        ? `a job for ${url} on ${destination.name}, if it was created`
        : `the job ${this.#jobId} on ${destination.name}`;
    // Registered before the call: if its answer is lost, the job may exist all the same.
    const withdraw = this.#cleanup.add('destination', what, () => this.#cancel(url));
    const parameters = {
      displayName: displayName.slice(0, 256),
      remoteUrl: url,
      localFile: destination.path,
      serviceAccount: 'NetworkService',
      type: 'download',
      suspend: true,
      description: 'carmine copy',
    } as const;
    const jobId = await jobs.createJob(parameters, { signal }).catch((error: unknown) => {
      if (isAnswer(error)) withdraw();
      throw error;
    });
    this.#jobId = jobId;
    const [userName, password, schemes] =
      fetchAs.kind === 'agent'
        ? [null, null, ['negotiate'] as const]
        : [fetchAs.user, fetchAs.password, ['negotiate', 'ntlm'] as const];
    for (const scheme of schemes)
      await jobs.setCredentials(jobId, { target: 'server', scheme, userName, password }, { signal });
    if (priority !== undefined) await jobs.modifyJob(jobId, { priority }, { signal });
    try {
      await jobs.modifyFileDetails(
        jobId,
        0,
        { computeSha256: true, ...(sha256 === undefined ? {} : { expectedSha256: sha256 }) },
        { signal },
      );
    } catch (error) {
      // A client without digests can still copy, unless a digest was asked for.
      if (sha256 !== undefined || !isCarmineError(error, 'controller/extension-missing')) throw error;
    }
    await jobs.setJobState(jobId, 'resume', { signal });
    return jobId;
  }

  /** A job whose id never arrived is known by its URL, whose suffix nobody else has. */
  async #cancel(url: string): Promise<void> {
    const { jobs } = this.#o.destination;
    const jobIds: string[] = [];
    if (this.#jobId !== undefined) jobIds.push(this.#jobId);
    else {
      for await (const { jobId, files } of jobs.listJobs())
        if (files.some(({ remoteUrl }) => remoteUrl === url)) jobIds.push(jobId);
    }
    for (const jobId of jobIds) {
      try {
        await jobs.setJobState(jobId, 'cancel');
      } catch (error) {
        if (!isCarmineError(error, 'job/not-found')) throw error;
      }
    }
  }

  /** Follows the job until it is transferred: told of changes where the client tells, else looking from time to time. */
  async #watch(jobId: string): Promise<JobSnapshot> {
    const { destination, environment, signal, pollInterval = 500 } = this.#o;
    this.#watchedSince = environment.now();
    const sleep = (milliseconds: number, until?: AbortSignal) => environment.sleep(milliseconds, until);
    const watch = new JobWatch({ jobs: destination.jobs, jobId, sleep, pollInterval, signal });
    try {
      let told: JobSnapshot | undefined;
      for (;;) {
        const job = told ?? (await this.#look(jobId));
        if (job !== undefined) {
          this.#advance(job);
          if (job.state === 'transferred') return job;
          if (job.state === 'error') throw await this.#jobFailure(jobId);
          await this.#reportState(job);
        }
        this.#checkTimeout(jobId);
        told = await watch.next(this.#longestWait(job));
      }
    } finally {
      await watch.close();
    }
  }

  /** While the job waits itself, people want to see how long it still does. */
  #longestWait(job: JobSnapshot | undefined): number {
    const { environment, timeout } = this.#o;
    const left =
      timeout === undefined ? Number.POSITIVE_INFINITY : this.#watchedSince + timeout * 1000 - environment.now();
    return Math.max(1, Math.min(left, job?.state === 'transientError' ? waitingInterval : Number.POSITIVE_INFINITY));
  }

  #checkTimeout(jobId: string): void {
    const { environment, timeout } = this.#o;
    if (timeout === undefined || environment.now() - this.#watchedSince < timeout * 1000) return;
    // The job goes on and needs its URL.
    this.#cleanup.forget('source');
    this.#cleanup.forget('destination');
    throw new CarmineError('controller/timed-out', { context: { seconds: timeout, jobId } });
  }

  /** The job, or undefined while the client cannot be reached: a job survives its agent's restart. */
  async #look(jobId: string): Promise<JobSnapshot | undefined> {
    const { jobs, name } = this.#o.destination;
    try {
      const job = await jobs.getJob(jobId, { signal: this.#o.signal });
      this.#unreachableSince = undefined;
      return job;
    } catch (error) {
      if (isCarmineError(error, 'job/not-found')) throw await this.#vanished(jobId);
      this.#waitFor(name, error);
      return undefined;
    }
  }

  /** Once all is transferred, a machine that is away for a while is waited for: what it lacks is a moment, not the file. */
  async #patiently<T>(machine: string, work: () => Promise<T>): Promise<T> {
    const { environment, signal, pollInterval = 500 } = this.#o;
    for (;;) {
      try {
        const done = await work();
        this.#unreachableSince = undefined;
        return done;
      } catch (error) {
        this.#waitFor(machine, error);
        await environment.sleep(pollInterval, signal);
      }
    }
  }

  /** Throws the failure when it is none that passes, or has lasted too long. */
  #waitFor(machine: string, error: unknown): void {
    const { environment, unreachableTimeout = 600 } = this.#o;
    if (!isCarmineError(error) || error.kind !== 'transient') throw error;
    const now = environment.now();
    this.#unreachableSince ??= now;
    if (now - this.#unreachableSince >= unreachableTimeout * 1000) throw error;
    this.#report('waiting', { reason: `${machine} cannot be reached` });
  }

  /** Somebody else ended the job; its history says how. */
  async #vanished(jobId: string): Promise<CarmineError> {
    const ended = await this.#history(jobId);
    return ended === undefined
      ? new CarmineError('controller/job-vanished', { context: { jobId, target: this.#o.destination.name } })
      : new CarmineError('controller/job-failed', { context: { reason: `it was ended: ${ended.reason}` } });
  }

  async #history(jobId: string): Promise<EndedJob | undefined> {
    try {
      for await (const ended of this.#o.destination.jobs.listEndedJobs()) if (ended.jobId === jobId) return ended;
    } catch {
      // Without a history there is nothing to tell.
    }
    return undefined;
  }

  async #jobFailure(jobId: string): Promise<CarmineError> {
    let report: JobErrorReport;
    try {
      // Before the job is cancelled: afterwards it cannot be asked.
      report = await this.#o.destination.jobs.getError(jobId, 0x0409);
    } catch (cause) {
      return new CarmineError('controller/job-failed', { context: { reason: 'the client gave no details' }, cause });
    }
    const reason = report.errorDescription || errorFromHresult(report.code, 'job').message;
    const context = report.contextDescription || report.context;
    return errorFromHresult(
      report.code,
      'job',
      `the job failed: ${reason} (${context}) [${formatHresult(report.code)}]`,
    );
  }

  /** Compares the digest of the copy with the one given and with the source's. */
  async #verify(jobId: string, suffix: string): Promise<Pick<CopyResult, 'sha256' | 'verifiedAgainst'>> {
    const { destination, sha256: expected, signal } = this.#o;
    this.#report('verifying');
    let actual: string | null;
    try {
      ({ sha256: actual } = await this.#patiently(destination.name, () =>
        destination.jobs.getFileDetails(jobId, 0, { signal }),
      ));
    } catch (error) {
      if (expected !== undefined || !isCarmineError(error, 'controller/extension-missing')) throw error;
      return { sha256: null, verifiedAgainst: [] };
    }
    if (actual === null)
      throw new CarmineError('controller/integrity', { context: { reason: 'the client computed no digest' } });
    const verifiedAgainst: ('argument' | 'source')[] = [];
    if (expected !== undefined) {
      if (actual !== expected) throw mismatch(actual, expected);
      verifiedAgainst.push('argument');
    }
    const source = await this.#sourceDigest(jobId, suffix);
    if (source !== undefined) {
      if (actual !== source) throw mismatch(actual, source);
      verifiedAgainst.push('source');
    }
    return { sha256: actual, verifiedAgainst };
  }

  /** The server computes it in the background; undefined when the server has no such thing. */
  async #sourceDigest(jobId: string, suffix: string): Promise<string | undefined> {
    const { source, environment, signal, pollInterval = 500 } = this.#o;
    for (;;) {
      try {
        const { sha256 } = await this.#patiently(source.name, () =>
          source.urlGroups.getUrlDetails(this.#prefix.text, suffix, { signal }),
        );
        if (sha256 !== null) return sha256;
      } catch (error) {
        if (isCarmineError(error, 'controller/extension-missing')) return undefined;
        throw error;
      }
      this.#checkTimeout(jobId);
      await environment.sleep(pollInterval, signal);
    }
  }

  async #complete(jobId: string): Promise<void> {
    const { jobs, name } = this.#o.destination;
    this.#report('finishing');
    try {
      await this.#patiently(name, () => jobs.setJobState(jobId, 'complete', { signal: this.#o.signal }));
    } catch (error) {
      if (!isCarmineError(error, 'job/not-found')) throw error;
      // Its answer was lost, or somebody else was faster: the file is at its name all the same.
      if ((await this.#history(jobId))?.state !== 'acknowledged') throw await this.#vanished(jobId);
    }
    this.#cleanup.forget('destination');
  }

  #advance(job: JobSnapshot): void {
    if (job.bytesTransferred > this.#transferred) this.#transferred = job.bytesTransferred;
    if (job.bytesTotal !== sizeUnknown) this.#total = job.bytesTotal;
  }

  async #reportState(job: JobSnapshot): Promise<void> {
    if (job.state !== 'transientError') {
      this.#report(phaseOf(job));
      return;
    }
    const { jobs } = this.#o.destination;
    try {
      const { waitReason, nextAttempt } = await jobs.getFileDetails(job.jobId, firstOpenFile(job), {
        signal: this.#o.signal,
      });
      this.#report('waiting', {
        reason: waitReason,
        ...(nextAttempt === 0n ? {} : { nextAttempt: fromFiletime(nextAttempt) }),
      });
    } catch {
      this.#report('waiting', { reason: 'a failure that may pass' });
    }
  }

  #report(phase: CopyPhase, more: Pick<CopyProgress, 'reason' | 'nextAttempt'> = {}): void {
    this.#o.onProgress?.({
      phase,
      bytesTransferred: this.#transferred,
      bytesTotal: this.#total,
      jobId: this.#jobId,
      ...more,
    });
  }
}

/** When the last bytes are there but the job is not transferred, its digest is being computed. */
function phaseOf(job: JobSnapshot): CopyPhase {
  if (job.state === 'queued' || job.state === 'suspended') return 'queued';
  if (job.state === 'connecting') return 'connecting';
  return job.bytesTransferred === job.bytesTotal ? 'verifying' : 'transferring';
}

/** `user@REALM` as machines look it up: Win32_UserAccount keeps domain and name apart. */
function accountName(user: string): string {
  const [, name, realm] = /^([^\\@]+)@([^\\@]+)$/.exec(user) ?? [];
  return realm === undefined ? user : `${realm}\\${name}`;
}

function firstOpenFile(job: JobSnapshot): number {
  return Math.max(
    0,
    job.files.findIndex((file) => !file.completed),
  );
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** SDDL's word for them. */
const authenticatedUsers = 'AU';
/** Milliseconds. */
const waitingInterval = 5_000;
