import type { CallOptions, SuccessCode } from './call.ts';
import type {
  ClientCertificateReference,
  CreateJobParameters,
  CredentialScheme,
  CredentialTarget,
  EndedJob,
  JobAction,
  JobChanges,
  JobCredentials,
  JobErrorReport,
  JobFileDetails,
  JobSnapshot,
  ProxySettings,
} from './job-types.ts';

/**
 * Jobs of one machine: class BitsClientJob as typed methods. The job engine implements it; a proxy over any transport
 * does too, and a caller cannot tell which it has. Every failure is a CarmineError with an `hresult`; an unknown job
 * is `job/not-found`.
 */
export interface JobProvider {
  listJobs(options?: CallOptions): AsyncIterable<JobSnapshot>;
  getJob(jobId: string, options?: CallOptions): Promise<JobSnapshot>;
  /** Creates a job with its first file; starts it at once unless `suspend`. Returns the new job's id. */
  createJob(parameters: CreateJobParameters, options?: CallOptions): Promise<string>;
  addFile(jobId: string, remoteUrl: string, localFile: string, options?: CallOptions): Promise<SuccessCode>;
  setJobState(jobId: string, action: JobAction, options?: CallOptions): Promise<SuccessCode>;
  modifyJob(jobId: string, changes: JobChanges, options?: CallOptions): Promise<void>;
  setCredentials(jobId: string, credentials: JobCredentials, options?: CallOptions): Promise<SuccessCode>;
  removeCredentials(
    jobId: string,
    target: CredentialTarget,
    scheme: CredentialScheme,
    options?: CallOptions,
  ): Promise<SuccessCode>;
  /** Fails with BG_E_ERROR_INFORMATION_UNAVAILABLE when the job is not in error. */
  getError(jobId: string, languageId: number, options?: CallOptions): Promise<JobErrorReport>;
  setClientCertificate(
    jobId: string,
    certificate: ClientCertificateReference,
    options?: CallOptions,
  ): Promise<SuccessCode>;
  removeClientCertificate(jobId: string, options?: CallOptions): Promise<SuccessCode>;
  setProxySettings(jobId: string, settings: ProxySettings, options?: CallOptions): Promise<SuccessCode>;
  /**
   * Calls back whenever the list of jobs or a property of one may have changed; cheap, and often. `soon`: a job came, ended, or is in another state, which
   * people wait for. Returns what ends it. Who cannot tell has it not, and is polled.
   */
  watch?(changed: (soon: boolean) => void): () => void;
  /**
   * The job each time that it has changed, at most about twice a second as long as it is in the same state; ends when it is no longer listed. Fails, or ends
   * early, where the machine does not tell: then look from time to time. What it tells may be late; `getJob` has the last word.
   */
  watchJob?(jobId: string, options?: CallOptions): Promise<AsyncIterable<JobSnapshot>>;
}

/** What Carmine's client agent offers beyond Windows; on a machine without it every call fails as `unsupported`. */
export interface JobExtensions {
  listEndedJobs(options?: CallOptions): AsyncIterable<EndedJob>;
  getFileDetails(jobId: string, fileIndex: number, options?: CallOptions): Promise<JobFileDetails>;
  /** Sets `expectedSha256` (null removes it) or `computeSha256`; allowed until the file is transferred. */
  modifyFileDetails(
    jobId: string,
    fileIndex: number,
    changes: { readonly expectedSha256?: string | null | undefined; readonly computeSha256?: boolean | undefined },
    options?: CallOptions,
  ): Promise<void>;
}
