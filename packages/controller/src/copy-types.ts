import type {
  AccountDirectory,
  JobExtensions,
  JobPriority,
  JobProvider,
  UrlGroupExtensions,
  UrlGroupProvider,
} from '@carmine/core';

/** The machine that has the file. */
export interface CopySource {
  /** How messages name it. */
  readonly name: string;
  readonly urlGroups: UrlGroupProvider & UrlGroupExtensions;
  readonly accounts: AccountDirectory;
  /** Host that the client reaches it by: takes the place of a wildcard in the prefix. */
  readonly host: string;
  /** Absolute path there. */
  readonly path: string;
}

/** The machine that fetches it. */
export interface CopyDestination {
  readonly name: string;
  readonly jobs: JobProvider & JobExtensions;
  readonly path: string;
}

/** Time and randomness, as values or virtual ones in tests. */
export interface CopyEnvironment {
  /** Milliseconds. */
  now(): number;
  /** Resolves after so many milliseconds; rejects when the signal aborts. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
  randomBytes(length: number): Uint8Array;
}

/**
 * Who the client authenticates as at the source; the URL is limited to this account, which the source must know. `agent`:
 * as whom the client agent has a key for (implicit credentials). Only its configuration says who that is: unless `user`
 * tells it here too, the URL, whose suffix nobody can guess, is for Authenticated Users.
 */
export type FetchAs =
  | { readonly kind: 'password'; readonly user: string; readonly password: string }
  | { readonly kind: 'agent'; readonly user?: string | undefined };

export interface CopyOptions {
  readonly source: CopySource;
  readonly destination: CopyDestination;
  readonly environment: CopyEnvironment;
  /** URL prefix to publish under; created when absent, and then also deleted. */
  readonly urlGroup: string;
  readonly fetchAs: FetchAs;
  readonly priority?: JobPriority | undefined;
  /** Expected SHA-256, lower-case hexadecimal. */
  readonly sha256?: string | undefined;
  /** Leave the URL published. */
  readonly keepUrl?: boolean | undefined;
  readonly displayName?: string | undefined;
  /** Give up waiting after so many seconds; the job goes on. */
  readonly timeout?: number | undefined;
  /** Give up on a client that cannot be reached for so many seconds; default 600. */
  readonly unreachableTimeout?: number | undefined;
  /** Milliseconds between two looks at the job; default 500. */
  readonly pollInterval?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: CopyProgress) => void) | undefined;
}

export type CopyPhase = 'queued' | 'connecting' | 'transferring' | 'verifying' | 'finishing' | 'waiting';

/** Where a copy stands. Bytes never run backwards. */
export interface CopyProgress {
  readonly phase: CopyPhase;
  readonly bytesTransferred: bigint;
  /** Undefined until known. */
  readonly bytesTotal: bigint | undefined;
  /** While waiting: why, and when it is tried again (milliseconds since 1970, when known). */
  readonly reason?: string | undefined;
  readonly nextAttempt?: number | undefined;
  readonly jobId: string | undefined;
}

export interface CopyResult {
  readonly jobId: string;
  readonly url: string;
  readonly bytes: bigint;
  /** SHA-256 of the copy, when the client can tell. */
  readonly sha256: string | null;
  /** What the digest was compared with. */
  readonly verifiedAgainst: readonly ('argument' | 'source')[];
  /** What could not be cleaned up, for people. */
  readonly leftovers: readonly string[];
}
