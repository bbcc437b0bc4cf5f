import * as fs from 'node:fs';
import { closeSync, constants, fstatSync, openSync, readlinkSync, rmSync, write, writeSync, writevSync } from 'node:fs';
import { hostname } from 'node:os';
import { CarmineError } from '@carmine/errors';
import { crc32 } from '../crc32.ts';
import { checkLocalPath } from '../destination-path.ts';
import { diskError } from '../disk-errors.ts';
import { bootId } from './boot.ts';
import { directLength } from './direct-writes.ts';
import { type FileSystemCalls, openFileSystemCalls } from './file-system-calls.ts';
import { type NodeDirectory, openDirectory } from './node-disk.ts';
import { createFileWork, type FileWork, type Reply } from './small-file-work.ts';

/** A whole file that waits, under a temporary name, for the others of its group. */
export interface WaitingFile {
  readonly path: string;
  readonly done: () => void;
  readonly failed: (error: CarmineError) => void;
}

/**
 * Whole small files on their way to their names, durable in groups: all contents first, then all names (promise 1), with one sync of the
 * file system each instead of several for every file. Contents go to the disk while the next ones come, past the page cache; what the disk
 * does not take at once goes through it.
 */
export class SmallFiles {
  readonly #roots: readonly string[] | undefined;
  readonly #mode: number;
  readonly #durable: boolean;
  readonly #directories = new Map<string, NodeDirectory | Promise<NodeDirectory>>();
  /** Descriptors: of all directories in use, and of one for each file system. */
  readonly #open: number[] = [];
  readonly #devices = new Map<number, number>();
  #work: { readonly system: FileSystemCalls | undefined; readonly orders: FileWork } | undefined;
  /** Directories where files have names from the beginning. */
  readonly #named = new Set<NodeDirectory>();
  /** Directories where nothing goes past the page cache. */
  readonly #buffered = new Set<NodeDirectory>();
  #lastId = 0;
  readonly #asked = new Map<number, (reply: Exclude<Reply, 'committed'>) => void>();
  /** Files that nobody was told of, and those among them that are in no group yet. */
  #waiting = 0;
  #fresh = 0;
  #committing = 0;
  /** There are names that wait for the next commit. */
  #joined = false;
  /** Files that are being written past the page cache, and who waits for them. */
  #writing = 0;
  #written: (() => void)[] = [];
  #idle: (() => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #discarded = false;
  #closed = false;

  /** Not `durable`: nothing is synced. */
  constructor(roots: readonly string[] | undefined, mode: number, durable = true) {
    this.#roots = roots;
    this.#mode = mode;
    this.#durable = durable;
  }

  /** Starts what there is to start, so that the first file does not wait for it; else it is started when it is needed. */
  prepare(path: string): void {
    if (this.#closed) return;
    this.#start();
    try {
      this.placeOf(path);
    } catch {
      // Whoever wants to put a file there will hear of it.
    }
  }

  #start() {
    if (this.#work === undefined) {
      const system = openFileSystemCalls();
      this.#work = { system, orders: createFileWork(fs, system, (replies) => this.#onReply(replies), this.#durable) };
    }
    return this.#work;
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
    this.#start().orders.order({ do: 'sweep', directory: directory.pathOf(''), boot: thisBoot(), now: Date.now() });
    return directory;
  }

  /** Writes it whole; `modified` in milliseconds. Throws when that fails at once, and leaves nothing then. */
  add(directory: NodeDirectory, name: string, content: Content, modified: number | undefined, file: WaitingFile): void {
    const place = { directory, name, modified, file };
    if (this.#addPast(place, content)) return;
    const at = directory.pathOf(nextName());
    this.#keep(place, { at, ...this.#write(directory, at, content.chunks, file.path) });
  }

  /** Past the page cache, where the disk keeps up; who receives has better to do than to copy, and syncing has nothing left to write. */
  #addPast(place: Place, { chunks: [content, ...others], hold }: Content): boolean {
    if (content === undefined || others.length > 0 || hold === undefined || this.#writing >= mostWrites) return false;
    if (directLength(content) < smallestDirect) return false;
    const fd = this.#openNameless(place.directory, this.#buffered, constants.O_DIRECT);
    if (fd === undefined) return false;
    const release = hold();
    this.#writing++;
    writePast(fd, content, (thrown) => {
      release();
      this.#writing--;
      if (thrown === undefined && !this.#discarded) {
        this.#keep(place, { at: place.directory.pathOf(nextName()), fd, nameless: true });
      } else {
        closeSync(fd);
        const { failed, path } = place.file;
        failed(thrown === undefined ? new CarmineError('internal/aborted') : diskError(thrown, path));
      }
      if (this.#writing === 0) for (const tell of this.#written.splice(0)) tell();
    });
    return true;
  }

  #keep({ directory, name, modified, file }: Place, written: Written): void {
    const id = ++this.#lastId;
    this.#asked.set(id, (reply) => {
      this.#waiting--;
      if ('code' in reply) {
        file.failed(diskError(Object.assign(new Error(reply.message), { code: reply.code }), file.path));
      } else file.done();
    });
    this.#start().orders.order({ do: 'keep', id, ...written, name: directory.pathOf(name), modified });
    this.#waiting++;
    if (!this.#durable) return;
    if (++this.#fresh === 1) this.#timer ??= setTimeout(() => this.commit(), longestWait);
    this.#commitWhenWorthIt();
  }

  #write(directory: NodeDirectory, at: string, chunks: readonly Uint8Array[], path: string) {
    let fd = this.#openNameless(directory, this.#named);
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

  /**
   * Undefined: it must have a name from the beginning, or go through the page cache. Those without a name stay open until they get it, and so are not too
   * many. `refused` are the directories whose file system has no such files.
   */
  #openNameless(directory: NodeDirectory, refused: Set<NodeDirectory>, flags = 0): number | undefined {
    if (this.#start().system === undefined || refused.has(directory)) return undefined;
    if (this.#waiting + this.#writing >= mostNameless) return undefined;
    try {
      return openSync(directory.pathOf(''), constants.O_WRONLY | temporaryFlag | flags, this.#mode);
    } catch {
      // What else is in the way will be so with a name too.
      refused.add(directory);
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
    const devices = [...this.#devices.values()];
    this.#start().orders.order({ do: 'commit', devices, directories: [...this.#open], joined });
  }

  /** Forgets those that wait. */
  discard(): void {
    this.#discarded = true;
    this.#work?.orders.order({ do: 'discard' });
  }

  /** All that waits is under its name, or failed. */
  async settled(): Promise<void> {
    if (this.#writing > 0) await new Promise<void>((resolve) => this.#written.push(resolve));
    if (!this.#durable) await this.#work?.orders.settled();
    this.commit();
    if (this.#committing > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#work?.orders.settled();
    this.#work?.system?.close();
    for (const opening of this.#directories.values()) {
      await Promise.resolve(opening).then(
        (directory) => directory.close(),
        () => undefined,
      );
    }
  }

  /**
   * One group at a time: those that come while it goes to the disk are the next one, whose contents and this one's names need one sync together. Names
   * wait a moment for it.
   */
  #commitWhenWorthIt(): void {
    if (this.#committing > 0) return;
    if (this.#fresh >= smallestGroup) this.commit(true);
    else if (this.#joined) this.#timer ??= setTimeout(() => this.commit(), longestJoined);
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
}

interface Content {
  readonly chunks: readonly Uint8Array[];
  /** Keeps them beyond the call, until what it returns is called; undefined: that is not possible. */
  readonly hold?: (() => () => void) | undefined;
}

interface Place {
  readonly directory: NodeDirectory;
  readonly name: string;
  readonly modified: number | undefined;
  readonly file: WaitingFile;
}

interface Written {
  readonly at: string;
  readonly fd: number;
  readonly nameless: boolean;
}

/** Whole blocks past the page cache; the rest, and what the file system does not take so, through it. */
function writePast(fd: number, content: Uint8Array, done: (thrown: unknown) => void): void {
  write(fd, content, 0, directLength(content), 0, (error, written) => {
    try {
      if (error !== null && error.code !== 'EINVAL') throw error;
      const from = error === null ? written : 0;
      if (from < content.length) writeThrough(fd, content, from);
      done(undefined);
    } catch (thrown) {
      done(thrown);
    }
  });
}

/** By another descriptor of the same file, as this one only takes blocks. */
function writeThrough(fd: number, content: Uint8Array, from: number): void {
  const through = openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY);
  try {
    for (let at = from; at < content.length; ) {
      const count = writeSync(through, content, at, content.length - at, at);
      if (count === 0) throw Object.assign(new Error('nothing was written'), { code: 'EIO' });
      at += count;
    }
  } finally {
    closeSync(through);
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
    return (bootId() ?? hostname()) + readlinkSync('/proc/self/ns/pid');
  } catch {
    return hostname();
  }
}

let boot: string | undefined;
// Other threads of this process begin elsewhere.
let names = Math.floor(Math.random() * 2 ** 31);
/** O_TMPFILE of Linux, which is the only system where it is asked for; Node has no name for it. */
const temporaryFlag = 0o20000000 | constants.O_DIRECTORY;
/** Files. */
const smallestGroup = 128;
const mostNameless = 512;
/** Writes past the page cache at the same time; octets that are worth one. */
const mostWrites = 32;
const smallestDirect = 16 * 1024;
/** Milliseconds. */
const longestWait = 1_000;
const longestJoined = 100;
