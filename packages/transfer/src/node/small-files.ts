import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  futimesSync,
  lstatSync,
  open,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { CarmineError } from '@carmine/errors';
import { checkLocalPath } from '../destination-path.ts';
import { diskError } from '../disk-errors.ts';
import { temporaryName } from '../file-transfer.ts';
import { fileSystemSync } from './file-system-sync.ts';
import { type NodeDirectory, openDirectory } from './node-disk.ts';

/** A whole file that waits, under a temporary name, for the others of its group. */
export interface WaitingFile {
  readonly path: string;
  readonly done: () => void;
  readonly failed: (error: CarmineError) => void;
}

/** A temporary file that is open. */
export interface Reserved {
  readonly directory: NodeDirectory;
  readonly temporary: string;
  readonly name: string;
  readonly fd: number;
}

type GroupedFile = WaitingFile & Reserved;

/**
 * Whole small files on their way to their names, durable in groups: all contents first, then all names (promise 1), with one sync of the
 * file system each instead of several for every file. Calls of the operating system do not go through Node's threads: into the page
 * cache such a write takes less time than asking a thread for it.
 */
export class SmallFiles {
  readonly #roots: readonly string[] | undefined;
  readonly #mode: number;
  readonly #directories = new Map<string, Promise<NodeDirectory>>();
  #group: GroupedFile[] = [];

  constructor(roots: readonly string[] | undefined, mode: number) {
    this.#roots = roots;
    this.#mode = mode;
  }

  get waiting(): number {
    return this.#group.length;
  }

  /** The directory of the path, checked; opened once. */
  directoryOf(path: string): Promise<NodeDirectory> {
    const { directory } = checkLocalPath(path);
    let opened = this.#directories.get(directory);
    if (opened === undefined) {
      opened = openDirectory(directory, this.#roots);
      this.#directories.set(directory, opened);
    }
    return opened;
  }

  /**
   * Makes a temporary file, while its content is on the way: that waits for the file system's journal at times, and does so on one of
   * Node's threads.
   */
  async reserve(directory: NodeDirectory, path: string): Promise<Reserved> {
    const { name } = checkLocalPath(path);
    const temporary = temporaryName(randomBytes(8));
    const at = directory.pathOf(temporary);
    try {
      const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
      const fd = await new Promise<number>((resolve, reject) => {
        open(at, flags, this.#mode, (error, opened) => (error === null ? resolve(opened) : reject(error)));
      });
      return { directory, name, temporary, fd };
    } catch (thrown) {
      throw diskError(thrown, path);
    }
  }

  /** What was reserved is not needed. */
  giveUp({ directory, temporary, fd }: Reserved): void {
    closeSync(fd);
    remove(directory.pathOf(temporary));
  }

  /** Writes it whole; `modified` in milliseconds. Throws when that fails, and leaves nothing then. */
  add(reserved: Reserved, chunks: readonly Uint8Array[], modified: number | undefined, file: WaitingFile): void {
    const { fd } = reserved;
    try {
      for (const chunk of chunks) for (let from = 0; from < chunk.length; ) from += writeSync(fd, chunk, from);
      if (modified !== undefined) futimesSync(fd, Date.now() / 1_000, modified / 1_000);
      // Without syncfs each one is synced on its own.
      if (fileSystemSync() === undefined) fsyncSync(fd);
    } catch (thrown) {
      this.giveUp(reserved);
      throw diskError(thrown, file.path);
    }
    closeSync(fd);
    this.#group.push({ ...file, ...reserved });
  }

  /** Gives those that wait their names; when it returns, that is durable. */
  commit(): void {
    const group = this.#group;
    this.#group = [];
    if (group.length === 0) return;
    const sync = fileSystemSync();
    const devices = this.#devicesOf(group.map(({ directory }) => directory));
    try {
      sync?.(devices);
    } catch (thrown) {
      for (const { directory, temporary, path, failed } of group) {
        remove(directory.pathOf(temporary));
        failed(diskError(thrown, path));
      }
      return;
    }
    const named = group.filter((file) => this.#name(file));
    try {
      if (sync !== undefined) sync(devices);
      else for (const directory of new Set(named.map((file) => file.directory))) directory.syncNow();
      for (const { done } of named) done();
    } catch (thrown) {
      for (const { path, failed } of named) failed(diskError(thrown, path));
    }
  }

  /** Forgets those that wait. */
  discard(): void {
    for (const { directory, temporary } of this.#group.splice(0)) remove(directory.pathOf(temporary));
  }

  async close(): Promise<void> {
    for (const opening of this.#directories.values()) await (await opening.catch(() => undefined))?.close();
  }

  #name({ directory, temporary, name, path, failed }: GroupedFile): boolean {
    try {
      if (lstatSync(directory.pathOf(name), { throwIfNoEntry: false })?.isDirectory() === true) {
        throw new CarmineError('file/not-a-file', { context: { path } });
      }
      renameSync(directory.pathOf(temporary), directory.pathOf(name));
      return true;
    } catch (thrown) {
      remove(directory.pathOf(temporary));
      failed(diskError(thrown, path));
      return false;
    }
  }

  /** One directory of each file system. */
  #devicesOf(directories: readonly NodeDirectory[]): number[] {
    const devices = new Map<number, number>();
    for (const { fd } of new Set(directories)) if (fd !== undefined) devices.set(fstatSync(fd).dev, fd);
    return [...devices.values()];
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It was not there, or the disk is gone: what is left then is a temporary file.
  }
}
