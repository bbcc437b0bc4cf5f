import type {
  ClientCertificateReference,
  EndedJob,
  Filetime,
  JobCredentials,
  JobErrorContext,
  JobPriority,
  JobState,
  ProxySettings,
  ServiceAccount,
} from '@carmine/core';

/** Part of a remote file. */
export interface StoredRange {
  readonly offset: number;
  /** Bytes; absent: to the end of the file. */
  readonly length?: number | undefined;
}

/** One file of a stored job. */
export interface StoredFile {
  readonly remoteUrl: string;
  readonly localFile: string;
  /** All that is wanted of the remote file, one after the other; null: the whole of it. */
  readonly ranges: readonly StoredRange[] | null;
  /** In the directory of `localFile`; chosen before the file exists, so that none is orphaned. */
  readonly temporaryName: string;
  /** Bytes; sizeUnknown until the server told. Of a file with ranges, theirs. */
  readonly bytesTotal: bigint;
  /** Bytes that the journal has; the journal itself may be ahead. */
  readonly bytesTransferred: bigint;
  /** Every byte is on the disk and verified. */
  readonly transferred: boolean;
  /** It came whole, with others: that it is transferred is known by this record, there is no journal. Absent is false. */
  readonly whole?: boolean | undefined;
  /** Of such a file: it may have got its final name, as that was begun. */
  readonly naming?: boolean | undefined;
  /** It has its final name. */
  readonly renamed: boolean;
  /** Lower-case hexadecimal. */
  readonly sha256: string | null;
  readonly expectedSha256: string | null;
  readonly computeSha256: boolean;
}

/** Why a job is, or was last, in error. */
export interface StoredError {
  /** Unsigned 32-bit HRESULT. */
  readonly code: number;
  readonly context: JobErrorContext;
  /** For people. */
  readonly message: string;
  /** Position of the file that failed; null when no file did. */
  readonly fileIndex: number | null;
}

/** A job as it survives a restart. Delays and time-outs in seconds. */
export interface StoredJob {
  /** GUID in braces, upper case. */
  readonly jobId: string;
  /** Order of creation. */
  readonly sequence: number;
  readonly displayName: string;
  readonly description: string;
  readonly priority: JobPriority;
  readonly minimumRetryDelay: number;
  readonly noProgressTimeout: number;
  readonly serviceAccount: ServiceAccount;
  /** SID. */
  readonly owner: string;
  readonly state: JobState;
  readonly files: readonly StoredFile[];
  readonly creationTime: Filetime;
  readonly modificationTime: Filetime;
  readonly completionTime: Filetime;
  readonly transientErrorCount: number;
  /** While the job is in error or waits after one. */
  readonly error: StoredError | null;
  /** The code of the last error it ever had, 0 when none. */
  readonly lastError: number;
  /** When a waiting job is tried again; 0 when it does not wait. */
  readonly nextAttempt: Filetime;
  /** When bytes were last journalled, or the job was last resumed. */
  readonly lastProgress: Filetime;
  /** When bytes were last journalled or a property changed: what the inactivity time-out counts from. */
  readonly lastActivity: Filetime;
  /** Seconds in connecting and transferring since the last Resume. */
  readonly activeSeconds: number;
  /** What was begun and must be ended after a crash; null when nothing was. */
  readonly ending: { readonly action: 'complete' | 'cancel'; readonly reason: string } | null;
  /** Secret: encrypted at rest, never listed. */
  readonly credentials: readonly JobCredentials[];
  readonly clientCertificate: ClientCertificateReference | null;
  readonly proxy: ProxySettings;
}

/** Durable jobs. What a method did is durable when its promise resolves; a job is written wholly or not at all. */
export interface JobStore {
  /** Every job that has not ended, in order of creation. */
  load(): Promise<readonly StoredJob[]>;
  /** Adds the job or replaces the one with its id. A file that is the same object as before is taken to be unchanged. */
  save(job: StoredJob): Promise<void>;
  /** Removes the job and adds what remains of it to the history, both or neither. */
  end(ended: EndedJob): Promise<void>;
  /** The history, oldest first. */
  listEnded(): AsyncIterable<EndedJob>;
  close(): Promise<void>;
}
