import { createHash, randomInt } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readFileSync, readlinkSync, rmSync, writevSync } from 'node:fs';
import { hostname } from 'node:os';
import type { CarmineError } from '@carmine/errors';
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
  readonly #directories = new Map<string, Promise<NodeDirectory>>();
  /** Descriptors: of all directories in use, and of one for each file system. */
  readonly #open: number[] = [];
  readonly #devices = new Map<number, number>();
  readonly #worker: FileWorker;
  #lastId = 0;
  readonly #asked = new Map<number, (reply: Exclude<Reply, 'committed'>) => void>();
  #orders: Order[] = [];
  #waiting = 0;
  #committing = 0;
  #idle: (() => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #broken: Error | undefined;

  /** `expected`: files that there will be. */
  constructor(roots: readonly string[] | undefined, mode: number, expected: number) {
    this.#roots = roots;
    this.#mode = mode;
    const onReply = (replies: Reply[]) => this.#onReply(replies);
    this.#worker =
      expected < worthThread
        ? createLocalFileWorker(onReply)
        : startFileThread(onReply, (error) => this.#onError(error));
  }

  /** The directory of the path, checked; opened once. */
  directoryOf(path: string): Promise<NodeDirectory> {
    const { directory } = checkLocalPath(path);
    let opened = this.#directories.get(directory);
    if (opened === undefined) {
      opened = this.#openDirectory(directory);
      this.#directories.set(directory, opened);
    }
    return opened;
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
  add(directory: NodeDirectory, chunks: readonly Uint8Array[], modified: number | undefined, file: WaitingFile): void {
    const { name } = checkLocalPath(file.path);
    const at = directory.pathOf(nextName());
    const fd = this.#write(at, chunks, file.path);
    const id = ++this.#lastId;
    this.#asked.set(id, (reply) => {
      this.#waiting--;
      if ('code' in reply) {
        file.failed(diskError(Object.assign(new Error(reply.message), { code: reply.code }), file.path));
      } else file.done();
    });
    this.#order({ do: 'keep', id, fd, at, name: directory.pathOf(name), modified });
    if (++this.#waiting === 1) this.#timer = setTimeout(() => this.commit(), longestWait);
    this.#commitWhenWorthIt();
  }

  #write(at: string, chunks: readonly Uint8Array[], path: string): number {
    let fd: number | undefined;
    try {
      fd = openSync(at, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, this.#mode);
      writeAll(fd, chunks);
      return fd;
    } catch (thrown) {
      if (fd !== undefined) {
        closeSync(fd);
        rmSync(at, { force: true });
      }
      throw diskError(thrown, path);
    }
  }

  /** Gives those that wait their names. */
  commit(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#waiting === 0) return;
    this.#committing++;
    this.#order({ do: 'commit', devices: [...this.#devices.values()], directories: this.#open });
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
    if (this.#broken === undefined) this.#worker.post(orders);
    else queueMicrotask(() => this.#onError(this.#broken as Error));
  }

  /** All that waits is under its name, or failed. */
  async settled(): Promise<void> {
    this.commit();
    if (this.#committing > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#flush();
    await this.#worker.close();
    for (const opening of this.#directories.values()) await (await opening.catch(() => undefined))?.close();
  }

  #order(order: Order): void {
    this.#orders.push(order);
    if (this.#orders.length >= ordersAtOnce) this.#flush();
  }

  /** One group at a time: those that come while it goes to the disk are the next one. */
  #commitWhenWorthIt(): void {
    if (this.#committing === 0 && this.#waiting >= smallestGroup) this.commit();
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
    if (this.#waiting > 0 && this.#timer === undefined) this.#timer = setTimeout(() => this.commit(), longestWait);
    for (const tell of this.#idle.splice(0)) tell();
  }

  /** The thread is gone: nothing that it was asked for happens. */
  #onError(error: Error): void {
    const { message } = error;
    this.#broken = error;
    this.#committing = 0;
    this.#onReply([...this.#asked.keys()].map((id) => ({ id, code: 'EIO', message })));
  }
}

function writeAll(fd: number, chunks: readonly Uint8Array[]): void {
  let rest = chunks;
  let left = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  while (left > 0) {
    let written = writevSync(fd, rest);
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
function nextName(): string {
  const digits = (value: number) => value.toString(16).toUpperCase().padStart(8, '0').slice(-8);
  return `BIT${thisBoot()}${digits(process.pid)}${digits(++names)}.tmp`;
}

function thisBoot(): string {
  boot ??= createHash('sha256').update(bootFacts()).digest('hex').slice(0, 8).toUpperCase();
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
let names = randomInt(2 ** 31);
const worthThread = 32;
/** Files. */
const smallestGroup = 64;
const ordersAtOnce = 16;
/** Milliseconds. */
const longestWait = 1_000;
