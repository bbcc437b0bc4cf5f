import type { Filetime } from './call.ts';

/** BG_JOB_STATE by value, BITS enumeration 2.1. */
export const jobStates = [
  'queued',
  'connecting',
  'transferring',
  'suspended',
  'error',
  'transientError',
  'transferred',
  'acknowledged',
  'cancelled',
] as const;
export type JobState = (typeof jobStates)[number];

/** BG_JOB_TYPE by value (WMI offers the first two). */
export const jobTypes = ['download', 'upload'] as const;
export type JobType = (typeof jobTypes)[number];

/** BG_JOB_PRIORITY by value. */
export const jobPriorities = ['foreground', 'high', 'normal', 'low'] as const;
export type JobPriority = (typeof jobPriorities)[number];

/** Values of CreateJob's ServiceAccount. */
export const serviceAccounts = ['LocalSystem', 'LocalService', 'NetworkService'] as const;
export type ServiceAccount = (typeof serviceAccounts)[number];

/** Values of SetJobState's JobState: actions, not states. */
export const jobActions = ['cancel', 'complete', 'resume', 'suspend'] as const;
export type JobAction = (typeof jobActions)[number];

/** WMI values (0-based) of SetCredentials' Target and Scheme; the COM enumerations behind them are 1-based. */
export const credentialTargets = ['server', 'proxy'] as const;
export type CredentialTarget = (typeof credentialTargets)[number];
export const credentialSchemes = ['basic', 'digest', 'ntlm', 'negotiate', 'passport'] as const;
export type CredentialScheme = (typeof credentialSchemes)[number];

/** BG_ERROR_CONTEXT by value. */
export const errorContexts = [
  'none',
  'unknown',
  'generalQueueManager',
  'queueManagerNotification',
  'localFile',
  'remoteFile',
  'generalTransport',
  'remoteApplication',
] as const;
export type JobErrorContext = (typeof errorContexts)[number];

/** BG_CERT_STORE_LOCATION by value. */
export const certificateStoreLocations = [
  'currentUser',
  'localMachine',
  'currentService',
  'services',
  'users',
  'currentUserGroupPolicy',
  'localMachineGroupPolicy',
  'localMachineEnterprise',
] as const;
export type CertificateStoreLocation = (typeof certificateStoreLocations)[number];

/** BG_JOB_PROXY_USAGE by value. */
export const proxyUsages = ['preconfig', 'noProxy', 'override', 'autodetect'] as const;
export type ProxyUsage = (typeof proxyUsages)[number];

/** One file of a job: class BitsClientFile. Sizes in bytes; `bytesTotal` is sizeUnknown until the server told. */
export interface JobFile {
  readonly remoteUrl: string;
  readonly localFile: string;
  readonly bytesTotal: bigint;
  readonly bytesTransferred: bigint;
  readonly completed: boolean;
}

/** A job at one moment: the properties of class BitsClientJob. Delays and time-outs in seconds. */
export interface JobSnapshot {
  /** GUID in braces, upper case. */
  readonly jobId: string;
  readonly displayName: string;
  readonly description: string;
  readonly priority: JobPriority;
  readonly minimumRetryDelay: number;
  readonly noProgressTimeout: number;
  readonly files: readonly JobFile[];
  readonly jobCreationTime: Filetime;
  readonly jobLastModificationTime: Filetime;
  readonly jobCompletionTime: Filetime;
  readonly bytesTotal: bigint;
  readonly bytesTransferred: bigint;
  readonly filesTotal: number;
  readonly filesTransferred: number;
  readonly transientErrorCount: number;
  readonly state: JobState;
  /** SID of the owner. */
  readonly owner: string;
}

/** In-parameters of CreateJob; what is absent has the documented default (NetworkService, download, not suspended). */
export interface CreateJobParameters {
  readonly displayName: string;
  readonly remoteUrl: string;
  readonly localFile: string;
  readonly serviceAccount?: ServiceAccount | undefined;
  readonly type?: JobType | undefined;
  readonly suspend?: boolean | undefined;
  readonly description?: string | undefined;
}

/** The writable properties of BitsClientJob; what is absent stays. */
export interface JobChanges {
  readonly displayName?: string | undefined;
  readonly description?: string | undefined;
  readonly priority?: JobPriority | undefined;
  readonly minimumRetryDelay?: number | undefined;
  readonly noProgressTimeout?: number | undefined;
}

/** In-parameters of SetCredentials. Both null: the owner's own identity (NTLM and Negotiate only). */
export interface JobCredentials {
  readonly target: CredentialTarget;
  readonly scheme: CredentialScheme;
  readonly userName: string | null;
  readonly password: string | null;
}

/** In-parameters of SetProxySettings; lists are space-delimited and only allowed with `override`. */
export interface ProxySettings {
  readonly usage: ProxyUsage;
  readonly proxyList?: string | null | undefined;
  readonly bypassList?: string | null | undefined;
}

/** A certificate in a store, by name or by SHA-1 thumbprint (20 bytes). */
export type ClientCertificateReference =
  | {
      readonly by: 'name';
      readonly location: CertificateStoreLocation;
      readonly store: string;
      readonly subject: string;
    }
  | {
      readonly by: 'hash';
      readonly location: CertificateStoreLocation;
      readonly store: string;
      readonly hash: Uint8Array;
    };

/** Out-parameters of GetError. */
export interface JobErrorReport {
  readonly context: JobErrorContext;
  /** Unsigned 32-bit HRESULT. */
  readonly code: number;
  readonly contextDescription: string;
  readonly errorDescription: string;
}

/** What remains of a job that is no longer listed: promise 5, a job never vanishes. */
export interface EndedJob {
  readonly jobId: string;
  readonly displayName: string;
  readonly description: string;
  readonly state: 'acknowledged' | 'cancelled';
  readonly owner: string;
  readonly filesTotal: number;
  readonly filesTransferred: number;
  readonly bytesTotal: bigint;
  readonly bytesTransferred: bigint;
  readonly jobCreationTime: Filetime;
  readonly endTime: Filetime;
  /** Why it ended, for people: `completed`, `cancelled by request`, `inactive for 90 days`… */
  readonly reason: string;
  /** The last error the job had, 0 when none. */
  readonly lastError: number;
}

/** What Carmine's client agent knows of a job's file beyond BitsClientFile. */
export interface JobFileDetails {
  readonly jobId: string;
  /** Position in the job, from 0. */
  readonly fileIndex: number;
  /** SHA-256 of the content as received, lower-case hexadecimal; null until known. */
  readonly sha256: string | null;
  /** What the content must have; a mismatch is an error with BG_E_VALIDATION_FAILED. */
  readonly expectedSha256: string | null;
  /** Compute `sha256` before the job is called transferred. */
  readonly computeSha256: boolean;
  /** What happens to this file now: the progress phases of `carmine copy`. */
  readonly phase: TransferPhase;
  /** While phase is `waiting`: why, for people; empty otherwise. */
  readonly waitReason: string;
  /** While phase is `waiting`: when it is tried again; 0 when not known. */
  readonly nextAttempt: Filetime;
}

export const transferPhases = [
  'queued',
  'connecting',
  'transferring',
  'verifying',
  'finishing',
  'waiting',
  'done',
] as const;
export type TransferPhase = (typeof transferPhases)[number];
