import type {
  CertificateStore,
  JobCredentials,
  JobExtensions,
  JobProvider,
  ProxySettings,
  ServiceAccount,
  StoredCertificate,
} from '@carmine/core';
import type { JobStore } from '@carmine/job-store';
import type { FileTransfer } from '@carmine/transfer';

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
export type TransferFactory = (request: TransferRequest) => FileTransfer;

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

/** Many jobs on one machine. */
export interface JobEngine extends JobProvider, JobExtensions {
  /** Loads the jobs, ends what a crash interrupted, and begins to transfer. Calls before that fail. */
  start(): Promise<void>;
  /** Stops every transfer at a checkpoint and keeps everything; changes fail from then on, reading does not. */
  stop(): Promise<void>;
}

/** spec/bits.md 4.3. */
export const windowsLimits: JobLimits = { maxJobsPerMachine: 300, maxJobsPerUser: 60, maxFilesPerJob: 200 };
