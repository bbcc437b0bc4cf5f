import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeSync,
  writevSync,
} from 'node:fs';
import { hostname } from 'node:os';
import type { CarmineError } from '@carmine/errors';
import { crc32 } from '../crc32.ts';
import { checkLocalPath } from '../destination-path.ts';
import { diskError } from '../disk-errors.ts';
import { type NodeDirectory, openDirectory } from './node-disk.ts';
import { createLocalFileWorker, type FileWorker, startFileThread } from './small-file-thread.ts';
import type { Order, Reply } from './small-file-work.ts';

/** A whole file that waits, under a temporary name, for the others of its group. */
export interface WaitingFile {
  readonly path: string;
  readonly done: () => void;
  readonly failed: (error: CarmineError) => void;
}

/**
 * Whole small files on their way to their names, durable in groups: all contents first, then all names (promise 1), with one sync of the
 * file system each instead of several for every file. Contents are written here: into the page cache that takes less time than asking a
 * thread for it. Everything else is done on one thread, for many files at a time, while the next ones come.
 */
export class SmallFiles {
  readonly #roots: readonly string[] | undefined;
  readonly #mode: number;
  readonly #directories = new Map<string, NodeDirectory | Promise<NodeDirectory>>();
  /** Descriptors: of all directories in use, and of one for each file system. */
  readonly #open: number[] = [];
  readonly #devices = new Map<number, number>();
  readonly #expected: number;
  #worker: FileWorker | undefined;
  /** Directories where files have names from the beginning. */
  readonly #named = new Set<NodeDirectory>();
  #lastId = 0;
  readonly #asked = new Map<number, (reply: Exclude<Reply, 'committed'>) => void>();
  #orders: Order[] = [];
  /** Files that nobody was told of, and those among them that are in no group yet. */
  #waiting = 0;
  #fresh = 0;
  #committing = 0;
  /** There are names that wait for the next commit. */
  #joined = false;
  #idle: (() => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #broken: Error | undefined;
  #closed = false;

  /** `expected`: files that there will be. */
  constructor(roots: readonly string[] | undefined, mode: number, expected: number) {
    this.#roots = roots;
    this.#mode = mode;
    this.#expected = expected;
  }

  /** Starts what there is to start, so that the first file does not wait for it; else it is started when it is needed. */
  prepare(path: string): void {
    if (this.#closed) return;
    this.#startWorker();
    try {
      this.placeOf(path);
    } catch {
      // Whoever wants to put a file there will hear of it.
    }
  }

  #startWorker(): FileWorker {
    const onReply = (replies: Reply[]) => this.#onReply(replies);
    this.#worker ??=
      this.#expected < worthThread
        ? createLocalFileWorker(onReply)
        : startFileThread(onReply, (error) => this.#onError(error));
    return this.#worker;
  }

  /** Name and directory of the path, checked; it is opened once, and a promise until then. */
  placeOf(path: string): { readonly directory: NodeDirectory | Promise<NodeDirectory>; readonly name: string } {
    const { directory, name } = checkLocalPath(path);
    let opened = this.#directories.get(directory);
    if (opened === undefined) {
      opened = this.#openDirectory(directory);
      this.#directories.set(directory, opened);
      opened.then((open) => this.#directories.set(directory, open)).catch(() => undefined);
    }
    return { directory: opened, name };
  }

  async #openDirectory(path: string): Promise<NodeDirectory> {
    const directory = await openDirectory(path, this.#roots);
    const { fd } = directory;
    if (fd !== undefined) {
      this.#open.push(fd);
      this.#devices.set(fstatSync(fd).dev, fd);
    }
    this.#order({ do: 'sweep', directory: directory.pathOf(''), boot: thisBoot(), now: Date.now() });
    return directory;
  }

  /** Writes it whole; `modified` in milliseconds. Throws when that fails, and leaves nothing then. */
  add(
    directory: NodeDirectory,
    name: string,
    chunks: readonly Uint8Array[],
    modified: number | undefined,
    file: WaitingFile,
  ): void {
    const at = directory.pathOf(nextName());
    const { fd, nameless } = this.#write(directory, at, chunks, file.path);
    const id = ++this.#lastId;
    this.#asked.set(id, (reply) => {
      this.#waiting--;
      if ('code' in reply) {
        file.failed(diskError(Object.assign(new Error(reply.message), { code: reply.code }), file.path));
      } else file.done();
    });
    this.#order({ do: 'keep', id, fd, nameless, at, name: directory.pathOf(name), modified });
    this.#waiting++;
    if (++this.#fresh === 1) this.#timer ??= setTimeout(() => this.commit(), longestWait);
    this.#commitWhenWorthIt();
  }

  #write(directory: NodeDirectory, at: string, chunks: readonly Uint8Array[], path: string) {
    let fd = this.#openNameless(directory);
    const nameless = fd !== undefined;
    try {
      fd ??= openSync(at, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, this.#mode);
      writeAll(fd, chunks);
      return { fd, nameless };
    } catch (thrown) {
      if (fd !== undefined) {
        closeSync(fd);
        if (!nameless) rmSync(at, { force: true });
      }
      throw diskError(thrown, path);
    }
  }

  /** Undefined: it must have a name from the beginning. Those without one stay open until they get it, and so are not too many. */
  #openNameless(directory: NodeDirectory): number | undefined {
    if (!this.#startWorker().links || this.#waiting >= mostNameless || this.#named.has(directory)) return undefined;
    try {
      return openSync(directory.pathOf(''), constants.O_WRONLY | temporaryFlag, this.#mode);
    } catch {
      // Not every file system has that. What else is in the way will be so with a name too.
      this.#named.add(directory);
      return undefined;
    }
  }

  /** Gives those that wait their names; `joined`: these become durable with the next commit. */
  commit(joined = false): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#fresh === 0 && !this.#joined) return;
    this.#fresh = 0;
    this.#joined = joined;
    this.#committing++;
    this.#order({ do: 'commit', devices: [...this.#devices.values()], directories: this.#open, joined });
    this.#flush();
  }

  /** Forgets those that wait. */
  discard(): void {
    this.#order({ do: 'discard' });
  }

  /** Sends what there is to do. */
  #flush(): void {
    if (this.#orders.length === 0) return;
    const orders = this.#orders;
    this.#orders = [];
    if (this.#broken === undefined) this.#startWorker().post(orders);
    else queueMicrotask(() => this.#onError(this.#broken as Error));
  }

  /** All that waits is under its name, or failed. */
  async settled(): Promise<void> {
    this.commit();
    if (this.#committing > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#flush();
    await this.#worker?.close();
    for (const opening of this.#directories.values()) {
      await Promise.resolve(opening).then(
        (directory) => directory.close(),
        () => undefined,
      );
    }
  }

  #order(order: Order): void {
    this.#orders.push(order);
    if (this.#orders.length >= ordersAtOnce) this.#flush();
  }

  /**
   * One group at a time: those that come while it goes to the disk are the next one, whose contents and this one's names need one sync together. Where
   * there is no next one, names do not wait for it.
   */
  #commitWhenWorthIt(): void {
    if (this.#committing > 0) return;
    if (this.#fresh >= smallestGroup) this.commit(true);
    else if (this.#joined) this.commit();
  }

  #onReply(replies: readonly Reply[]): void {
    for (const reply of replies) {
      if (reply === 'committed') {
        this.#committing--;
        continue;
      }
      const answer = this.#asked.get(reply.id);
      this.#asked.delete(reply.id);
      answer?.(reply);
    }
    this.#commitWhenWorthIt();
    if (this.#committing > 0) return;
    if (this.#fresh > 0 && this.#timer === undefined) this.#timer = setTimeout(() => this.commit(), longestWait);
    for (const tell of this.#idle.splice(0)) tell();
  }

  /** The thread is gone: nothing that it was asked for happens. */
  #onError(error: Error): void {
    const { message } = error;
    this.#broken = error;
    this.#committing = 0;
    this.#joined = false;
    this.#fresh = 0;
    this.#onReply([...this.#asked.keys()].map((id) => ({ id, code: 'EIO', message })));
  }
}

function writeAll(fd: number, chunks: readonly Uint8Array[]): void {
  let rest = chunks;
  let left = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  while (left > 0) {
    let written = rest.length === 1 ? writeSync(fd, rest[0] as Uint8Array) : writevSync(fd, rest);
    if (written === 0) throw Object.assign(new Error('nothing was written'), { code: 'EIO' });
    left -= written;
    if (left === 0) return;
    while (written >= (rest[0] as Uint8Array).length) {
      written -= (rest[0] as Uint8Array).length;
      rest = rest.slice(1);
    }
    rest = [(rest[0] as Uint8Array).subarray(written), ...rest.slice(1)];
  }
}

/**
 * Says in hexadecimal digits whose it is: this start of this machine (and container), this process, a number. So what a crash leaves can be told from
 * what is in use. UNSPECIFIED, as all temporary names are.
 */
export function nextName(): string {
  owner ??= `BIT${thisBoot()}${digits(process.pid)}`;
  return `${owner}${digits(++names)}.tmp`;
}
let owner: string | undefined;

function digits(value: number): string {
  return value.toString(16).toUpperCase().padStart(8, '0').slice(-8);
}

function thisBoot(): string {
  boot ??= digits(crc32(Buffer.from(bootFacts())));
  return boot;
}

function bootFacts(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1') + readlinkSync('/proc/self/ns/pid');
  } catch {
    return hostname();
  }
}

let boot: string | undefined;
// Other threads of this process begin elsewhere.
let names = Math.floor(Math.random() * 2 ** 31);
const worthThread = 32;
/** O_TMPFILE of Linux, which is the only system where it is asked for; Node has no name for it. */
const temporaryFlag = 0o20000000 | constants.O_DIRECTORY;
/** Files. */
const smallestGroup = 32;
const mostNameless = 512;
const ordersAtOnce = 16;
/** Milliseconds. */
const longestWait = 1_000;
