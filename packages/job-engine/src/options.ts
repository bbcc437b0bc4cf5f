import type {
  CallOptions,
  CertificateStore,
  CreateJobParameters,
  JobCredentials,
  JobExtensions,
  JobProvider,
  ProxySettings,
  ServiceAccount,
  StoredCertificate,
  SuccessCode,
} from '@carmine/core';
import type { CarmineError } from '@carmine/errors';
import type { JobStore } from '@carmine/job-store';
import type { FileRange, FileTransfer, SmallSet, WholeFile } from '@carmine/transfer';

/** Real timers in production, testkit's clock in tests. Milliseconds. */
export interface EngineClock {
  now(): number;
  /** Calls back once after `delay`; returns the function that cancels it. */
  after(delay: number, callback: () => void): () => void;
}

/** What the engine wants fetched. */
export interface TransferRequest {
  /** Its files may use each other's connections; absent: nothing will be fetched. */
  readonly jobId: string | undefined;
  readonly url: string;
  readonly path: string;
  /** All that is wanted of the file; undefined: the whole of it. */
  readonly ranges: readonly FileRange[] | undefined;
  readonly temporaryName: string;
  readonly credentials: readonly JobCredentials[];
  readonly clientCertificate: StoredCertificate | undefined;
  readonly proxy: ProxySettings;
  /** Not of foreground priority. */
  readonly background: boolean;
  readonly expectedSha256: string | undefined;
  readonly computeSha256: boolean;
  readonly onProgress: () => void;
}
export interface TransferFactory {
  (request: TransferRequest): FileTransfer;
  /** Absent: each file is fetched alone. */
  readonly small?: SmallTransfers | undefined;
}

/** Small files of one job, many at a time. */
export interface SmallTransfers {
  /** Undefined: just now each is to be fetched alone. `onHead`: something is answered. */
  fetch(requests: readonly TransferRequest[], onHead: () => void): SmallSet | undefined;
  /** Gives files that `fetch` brought their names, see `nameWholeFiles`. */
  finish(files: readonly WholeFile[]): Promise<readonly (CarmineError | undefined)[]>;
}

/** BITS policies of the same names. */
export interface JobLimits {
  readonly maxJobsPerMachine: number;
  readonly maxJobsPerUser: number;
  readonly maxFilesPerJob: number;
}

export interface JobEngineOptions {
  readonly store: JobStore;
  readonly transfers: TransferFactory;
  readonly clock: EngineClock;
  /** Cryptographically strong. */
  randomBytes(length: number): Uint8Array;
  /**
   * Absent: none. BITS does not apply them to administrators, and every caller of a provider is one; `windowsLimits` are
   * the values that it applies to others.
   */
  readonly limits?: JobLimits | undefined;
  /** Service account to operating-system user; empty or absent: jobs of NetworkService run as the agent's own user. */
  readonly accounts?: Readonly<Partial<Record<ServiceAccount, string>>> | undefined;
  /** Who the agent runs as: only accounts that map to this user are accepted. */
  readonly ownUser?: string | undefined;
  readonly certificates?: CertificateStore | undefined;
  /** Milliseconds of a turn among background jobs of one level. UNSPECIFIED in BITS; default 5 minutes. */
  readonly sliceTime?: number | undefined;
  /** Told of failures that no caller waits for; the engine goes on. */
  readonly onProblem?: ((problem: unknown) => void) | undefined;
}

/** What the provider's callers may say of a new job, and the ranges of its first file. */
export interface EngineJobParameters extends CreateJobParameters {
  /** As `addFileWithRanges` has them. */
  readonly ranges?: readonly FileRange[] | undefined;
}

/** Many jobs on one machine. */
export interface JobEngine extends JobProvider, JobExtensions {
  /** Loads the jobs, ends what a crash interrupted, and begins to transfer. Calls before that fail. */
  start(): Promise<void>;
  /** Stops every transfer at a checkpoint and keeps everything; changes fail from then on, reading does not. */
  stop(): Promise<void>;
  createJob(parameters: EngineJobParameters, options?: CallOptions): Promise<string>;
  /**
   * Adds a file of which only these parts are wanted, written one after the other in the order given (IBackgroundCopyJob3::AddFileWithRanges, spec/bits.md
   * 4.9; the provider's classes have no method for it). Its BytesTotal is that of the ranges, known from the beginning when none goes to the end of the file.
   */
  addFileWithRanges(
    jobId: string,
    remoteUrl: string,
    localFile: string,
    ranges: readonly FileRange[],
    options?: CallOptions,
  ): Promise<SuccessCode>;
  /** IBackgroundCopyFile2::GetFileRanges. UNSPECIFIED: none for a file that is wanted whole. */
  getFileRanges(jobId: string, fileIndex: number, options?: CallOptions): Promise<readonly FileRange[]>;
}

/** spec/bits.md 4.3. */
export const windowsLimits: JobLimits = { maxJobsPerMachine: 300, maxJobsPerUser: 60, maxFilesPerJob: 200 };
