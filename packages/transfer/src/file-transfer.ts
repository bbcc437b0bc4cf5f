import { parseHttpDate } from '@carmine/core';
import { CarmineError } from '@carmine/errors';
import { checkLocalPath } from './destination-path.ts';
import type { Disk, DiskDirectory, DiskFile } from './disk.ts';
import { diskError } from './disk-errors.ts';
import { JournalFile, type JournalTrust } from './journal-file.ts';
import type { RateLimit } from './rate-limit.ts';
import type { ReceiverFactory } from './receiver.ts';
import type { RunOptions, RunPlatform } from './run-types.ts';
import type { TransferProgress, TransferResult } from './transfer-progress.ts';
import { runTransfer, type TransferRun } from './transfer-run.ts';
import { unsyncedDisk } from './unsynced-disk.ts';

/** What a transfer stands on. */
export interface TransferPlatform extends RunPlatform {
  readonly disk: Disk;
  /** Mode of a finished file. */
  readonly finalMode: number;
  /** Says which start of the system this is: never the same after the power was lost. */
  boot(): string;
}

export interface FileTransferOptions extends RunOptions {
  /**
   * Where the file is. With the same temporary name and another URL the transfer goes on with what is there, if the length and a
   * strong tag, a digest or the time of the last change are the same; else it begins anew.
   */
  readonly url: string;
  /**
   * Gives way to whatever else uses its path (delay-based, as LEDBAT): takes what others leave, and hardly anything while they want it all. One
   * connection, and a small question beside it three times a second.
   */
  readonly background?: boolean | undefined;
  /** How fast bytes may come, all limits together; a limit may be shared by transfers, and changed while they run. */
  readonly rateLimits?: readonly RateLimit[] | undefined;
  /** Other places that may have it; each is used for what a strong tag or a digest proves to be the same. */
  readonly mirrorUrls?: readonly string[] | undefined;
  /** Where the file ends up: absolute, in an existing directory. */
  readonly path: string;
  /**
   * Name of the temporary file in the same directory. The caller chooses it at random (`temporaryName`) and keeps it
   * before it starts the transfer, so that nothing is orphaned; with the same name the transfer goes on where it was.
   */
  readonly temporaryName: string;
  /**
   * False: what was written outlives this process, as it is with most programs, but nothing is synced. After a power failure what was not finished begins
   * anew, and a file that got its name before the system wrote all of it (by itself, mostly within half a minute) may not be what it was. Absent or true: what is
   * reported is durable.
   */
  readonly durable?: boolean | undefined;
  /** Directories below which files may be written; absent: everywhere. */
  readonly roots?: readonly string[] | undefined;
  readonly receivers: ReceiverFactory;
  /** Called when something in `progress` changed; must not throw. */
  readonly onProgress?: (() => void) | undefined;
}

/** One file on its way from a URL to its temporary file and at last to its name. Used by one caller at a time. */
export interface FileTransfer {
  /** Rejects when the destination cannot be written to: no such directory, outside the roots, a directory by that name. */
  check(): Promise<void>;
  /** What an earlier run left, without changing anything; undefined when there is nothing. */
  inspect(): Promise<Omit<TransferProgress, 'phase'> | undefined>;
  /** Resolves when every byte is durable (see `durable`) and verified; rejects with the error that ended it. May be called again then. */
  run(): Promise<TransferResult>;
  /** Ends `run` with `internal/aborted` once what was received is journalled. */
  stop(): Promise<void>;
  /** Changes the digest that is wanted; takes effect until `run` has verified. */
  expect(digest: { readonly expectedSha256?: string | undefined; readonly computeSha256?: boolean | undefined }): void;
  /**
   * Gives the complete file its name: contents, times and rename are durable when this resolves. `repeat`: it may have
   * been done before a crash, then it succeeds as well.
   */
  finish(options?: { readonly repeat?: boolean | undefined }): Promise<void>;
  /** Removes the temporary file and the journal; succeeds when there are none. */
  discard(): Promise<void>;
  readonly progress: TransferProgress;
}

/** Checks the path as text at once (`file/invalid-name`); everything else when it runs. */
export function createFileTransfer(platform: TransferPlatform, options: FileTransferOptions): FileTransfer {
  const { directory: directoryPath, name } = checkLocalPath(options.path);
  const temporary = options.temporaryName;
  const journalName = `${temporary}.journal`;
  const synced = options.durable !== false;
  const disk = synced ? platform.disk : unsyncedDisk(platform.disk);
  const trust = { boot: platform.boot(), synced };
  let current: TransferRun | undefined;
  let running: Promise<TransferResult> | undefined;
  let stopped = false;
  let digest: { readonly expectedSha256?: string | undefined; readonly computeSha256?: boolean | undefined } = options;
  let progress: TransferProgress = { phase: 'connecting', length: undefined, transferred: 0 };

  async function withDirectory<T>(use: (directory: DiskDirectory) => Promise<T>): Promise<T> {
    let directory: DiskDirectory | undefined;
    try {
      directory = await disk.openDirectory(directoryPath, options.roots);
      return await use(directory);
    } catch (thrown) {
      throw diskError(thrown, options.path);
    } finally {
      // There is nothing in a directory's handle that could be lost.
      await directory?.close().catch(() => undefined);
    }
  }

  async function check(directory: DiskDirectory): Promise<void> {
    if ((await directory.kind(name)) === 'directory') {
      throw new CarmineError('file/not-a-file', { context: { path: options.path } });
    }
  }

  async function run(directory: DiskDirectory): Promise<TransferResult> {
    await check(directory);
    const journal = await JournalFile.open(directory, journalName, trust);
    try {
      const { file, resumed } = await openTemporary(directory, temporary, journal, { url: options.url, synced });
      try {
        if (stopped) throw new CarmineError('internal/aborted');
        // The origin is asked meanwhile. Whoever needs the journal hears of it when this fails.
        journal.create().catch(() => undefined);
        const started = runTransfer(platform, { ...options, ...digest, file, journal, resumed, onProgress: update });
        current = started;
        // Who was told of the first progress may have stopped it before it was known here.
        if (stopped) started.stop();
        return await started.finished;
      } finally {
        await file.close();
      }
    } finally {
      current = undefined;
      await journal.close();
    }
  }

  function update(next: TransferProgress): void {
    progress = next;
    options.onProgress?.();
  }

  return {
    get progress() {
      return progress;
    },
    check: () => withDirectory(check),
    inspect: () =>
      withDirectory(async (directory) => {
        const state = await JournalFile.peek(directory, journalName, trust.boot);
        if (state === undefined || (await directory.kind(temporary)) !== 'file') return undefined;
        return { length: state.source.length, transferred: state.done.total };
      }),
    async run() {
      if (running !== undefined)
        throw new CarmineError('internal/unexpected', { context: { message: 'runs already' } });
      stopped = false;
      running = withDirectory(run);
      try {
        return await running;
      } finally {
        running = undefined;
      }
    },
    async stop() {
      stopped = true;
      current?.stop();
      await running?.catch(() => undefined);
    },
    expect(changed) {
      digest = changed;
      current?.expect(changed);
    },
    finish: (finishOptions) =>
      withDirectory((directory) =>
        finish(
          directory,
          { name, temporary, journalName, trust, path: options.path },
          platform.finalMode,
          finishOptions?.repeat,
        ),
      ),
    discard: () =>
      withDirectory(async (directory) => {
        const removed = [
          await directory.remove(temporary),
          await directory.remove(journalName),
          await directory.remove(`${journalName}.new`),
        ];
        if (removed.includes(true)) await directory.sync();
      }),
  };
}

/** `BIT`, 16 hexadecimal digits, `.tmp`. UNSPECIFIED: documents name no pattern; people know `BITxxxx.tmp`. */
export function temporaryName(random: Uint8Array): string {
  const digits = Array.from(random.subarray(0, 8), (byte) => byte.toString(16).padStart(2, '0'));
  return `BIT${digits.join('').toUpperCase()}.tmp`;
}

/** The temporary file with what of it can be trusted; without a journal that fits, from the beginning. */
async function openTemporary(
  directory: DiskDirectory,
  temporary: string,
  journal: JournalFile,
  { url, synced }: { readonly url: string; readonly synced: boolean },
) {
  const existing = await directory.open(temporary);
  const state = journal.state;
  if (existing === undefined) {
    // A journal whose file is gone says nothing.
    if (state !== undefined) await journal.clear();
    const file = await directory.create(temporary);
    try {
      // With a new journal its name becomes durable.
      if (!journal.isNew) await directory.sync();
      return { file, resumed: undefined };
    } catch (thrown) {
      await file.close().catch(() => undefined);
      throw thrown;
    }
  }
  try {
    const end = state?.done.extents.at(-1)?.end ?? 0;
    if (state === undefined || (await existing.size()) < end) {
      if (state !== undefined) await journal.clear();
      await existing.truncate(0);
      return { file: existing, resumed: undefined };
    }
    await existing.truncate(state.source.length);
    if (synced && state.boot !== undefined) {
      // An earlier run synced nothing; from now on what is there is to last.
      await existing.sync();
      await journal.noteSynced();
    }
    return { file: existing, resumed: state.url === url ? state : { ...state, moved: true } };
  } catch (thrown) {
    await existing.close();
    throw thrown;
  }
}

interface Names {
  readonly name: string;
  readonly temporary: string;
  readonly journalName: string;
  readonly trust: JournalTrust;
  readonly path: string;
}

async function finish(directory: DiskDirectory, names: Names, mode: number, repeat = false): Promise<void> {
  const file = await directory.open(names.temporary);
  try {
    if ((await directory.kind(names.journalName)) !== undefined) {
      const journal = await JournalFile.open(directory, names.journalName, names.trust);
      try {
        await rename(directory, names, mode, file, journal);
      } finally {
        await journal.close();
      }
    } else if (!repeat || file !== undefined || (await directory.kind(names.name)) !== 'file') {
      // Without a journal nothing is known to be complete; after a crash it may be gone because all was done.
      throw incomplete();
    }
  } finally {
    await file?.close();
  }
  // The name is durable before the journal, which could prove it, goes.
  await directory.sync();
  if (!(await directory.remove(names.journalName))) return;
  // All is done. A journal that comes back after a power failure says so itself, so nobody need hear that this failed.
  await directory.sync().catch(() => undefined);
}

async function rename(
  directory: DiskDirectory,
  names: Names,
  mode: number,
  file: DiskFile | undefined,
  journal: JournalFile,
): Promise<void> {
  const { state } = journal;
  // Promise 1: only a file whose every byte is journalled gets its name.
  if (state === undefined || state.done.total !== state.source.length) throw incomplete();
  const existing = await directory.kind(names.name);
  if (file === undefined) {
    // The rename of an earlier attempt happened, although what followed did not.
    if (state.finishing === true && existing === 'file') return;
    throw new CarmineError('file/not-found', { context: { path: names.path } });
  }
  // Renaming over a directory must fail before anything is touched.
  if (existing === 'directory') throw new CarmineError('file/not-a-file', { context: { path: names.path } });
  await file.touch(mode, parseHttpDate(state.source.lastModified));
  await file.sync();
  if (state.finishing !== true) await journal.noteFinishing();
  await directory.rename(names.temporary, names.name);
}

function incomplete(): CarmineError {
  return new CarmineError('transfer/journal', { context: { reason: 'the file is not complete' } });
}
