import type { BlockDigests } from './block-repair.ts';
import type { DiskFile } from './disk.ts';
import type { JournalState } from './journal.ts';
import type { JournalFile } from './journal-file.ts';
import type { PlannerOptions } from './planner-types.ts';
import type { RateLimit } from './rate-limit.ts';
import type { ReceiverFactory } from './receiver.ts';
import type { TransferProgress } from './transfer-progress.ts';

/** What a run needs besides its file. */
export interface RunPlatform {
  readonly clock: { now(): number; after(delay: number, callback: () => void): () => void };
  /** `length`: as far as it is known how long the file will be. */
  digest(file: DiskFile, length?: number): RunningDigest;
  /** For block lists. */
  readonly blockDigests: BlockDigests;
}

/** SHA-256 of a file from its beginning, computed while it grows. */
export interface RunningDigest {
  /**
   * This was written. True when the digest keeps it, so that it need not be read from the file: it calls `release` when it is done with it, at the
   * latest when it has stopped.
   */
  offer(position: number, bytes: Uint8Array, release: () => void, pinned: number): boolean;
  /** What is written there will be taken from memory, as it looks now. */
  follows(position: number): boolean;
  /** The first `end` bytes are in the file and stay as they are. */
  advance(end: number): void;
  /** Of the first `length` bytes, lower-case hexadecimal; rejects when they cannot be read or when it is stopped. */
  finish(length: number): Promise<string>;
  /** Resolves when it reads no more; never rejects. */
  stop(): Promise<void>;
}

export type RunOptions = Omit<PlannerOptions, 'resumed' | 'url' | 'mirrors'>;

/** The file of a run, where it comes from, and who is told. */
export interface Run extends RunOptions {
  readonly url: string;
  /** How fast it may come; others may share a limit. */
  readonly rateLimits?: readonly RateLimit[] | undefined;
  /** It gives way to everybody else on its path. */
  readonly background?: boolean | undefined;
  /** Other places that may have the same file. */
  readonly mirrorUrls?: readonly string[] | undefined;
  readonly path: string;
  readonly receivers: ReceiverFactory;
  readonly file: DiskFile;
  readonly journal: JournalFile;
  readonly resumed: (JournalState & { readonly moved?: boolean | undefined }) | undefined;
  readonly onProgress: (progress: TransferProgress) => void;
}
