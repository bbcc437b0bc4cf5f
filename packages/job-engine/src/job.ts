import { sizeUnknown, toFiletime } from '@carmine/core';
import type { StoredFile, StoredJob, StoredRange } from '@carmine/job-store';
import type { FileTransfer, SmallSet } from '@carmine/transfer';
import type { LiveFile } from './snapshot.ts';

/** One turn of a job: its files, one after the other. */
export interface Turn {
  cancelled: boolean;
  transfer: FileTransfer | undefined;
  fileIndex: number;
  /** Small files under way. */
  set: JobSet | undefined;
  /** Files go one by one from now on. */
  alone: boolean;
}

export interface JobSet extends SmallSet {
  /** Positions in the job, and the files as they were asked for. */
  readonly indexes: readonly number[];
  readonly files: readonly StoredFile[];
}

/** A job in memory: what is stored of it, what is newer than the store, and the order of what is done to it. */
export class Job {
  /** As it is in the store. */
  stored: StoredJob;
  turn: Turn | undefined;
  /** Place in the queue. */
  place = 0;
  turnBegan = 0;
  /** No longer listed. */
  ended = false;
  savedAt = 0;
  #progress:
    | { readonly total: bigint; readonly transferred: bigint; readonly at: bigint; readonly index: number }
    | undefined;
  #live: LiveFile | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(stored: StoredJob) {
    this.stored = stored;
  }

  /** Runs `work` when everything before it is done: one thing at a time happens to a job. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }

  get live(): LiveFile | undefined {
    return this.#live;
  }

  /** The stored job with the progress of its running transfer. */
  get current(): StoredJob {
    const progress = this.#progress;
    const file = progress === undefined ? undefined : this.stored.files[progress.index];
    if (progress === undefined || file === undefined) return this.stored;
    const changed = { bytesTotal: progress.total, bytesTransferred: progress.transferred };
    return {
      ...withFile(this.stored, progress.index, changed),
      modificationTime: later(this.stored.modificationTime, progress.at),
      lastProgress: later(this.stored.lastProgress, progress.at),
      lastActivity: later(this.stored.lastActivity, progress.at),
    };
  }

  /** Takes over what a transfer says; true when bytes moved. */
  follow(turn: Turn, now: number): boolean {
    const { transfer, fileIndex } = turn;
    const file = this.stored.files[fileIndex];
    if (transfer === undefined || file === undefined) return false;
    const { phase, length, transferred } = transfer.progress;
    this.#live = { index: fileIndex, phase };
    const total = length === undefined ? file.bytesTotal : BigInt(length);
    const before = this.current.files[fileIndex];
    if (before?.bytesTransferred === BigInt(transferred) && before.bytesTotal === total) return false;
    this.#progress = { total, transferred: BigInt(transferred), at: toFiletime(now), index: fileIndex };
    return true;
  }

  /** The turn is over, and what was newer is in the store. */
  endTurn(): void {
    this.turn = undefined;
    this.#live = undefined;
    this.#progress = undefined;
  }
}

export function withFile(job: StoredJob, index: number, changes: Partial<StoredFile>): StoredJob {
  return { ...job, files: job.files.map((file, position) => (position === index ? { ...file, ...changes } : file)) };
}

export function newFile(
  remoteUrl: string,
  localFile: string,
  temporaryName: string,
  ranges: readonly StoredRange[] | null = null,
): StoredFile {
  return {
    remoteUrl,
    localFile,
    ranges,
    temporaryName,
    bytesTotal: ranges === null ? sizeUnknown : lengthOf(ranges),
    bytesTransferred: 0n,
    transferred: false,
    renamed: false,
    sha256: null,
    expectedSha256: null,
    computeSha256: false,
  };
}

/** Only the server knows how long a range is that goes to the end of its file. */
function lengthOf(ranges: readonly StoredRange[]): bigint {
  let total = 0n;
  for (const { length } of ranges) {
    if (length === undefined) return sizeUnknown;
    total += BigInt(length);
  }
  return total;
}

function later(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
