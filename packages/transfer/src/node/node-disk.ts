import { constants, fsyncSync } from 'node:fs';
import { type FileHandle, lstat, open, readlink, realpath, rename, unlink } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { CarmineError } from '@carmine/errors';
import type { Disk, DiskDirectory, DiskFile, WriteWay } from '../disk.ts';
import { diskError } from '../disk-errors.ts';
import { type PlannedWrite, planWrites } from './direct-writes.ts';
import { type KernelRing, takeRing } from './kernel-ring.ts';
import { reserveBlocks } from './reserve.ts';
import { type Lane, WriteQueue } from './write-queue.ts';

/** The operating system's files. */
export const nodeDisk: Disk = { openDirectory };

/**
 * Opens first and checks then: on Linux every later operation goes through the open handle (`/proc/self/fd/N/name` is
 * what openat(2) would do), so a directory that is swapped for a symbolic link afterwards changes nothing. Elsewhere
 * operations use the real path that was checked.
 */
export async function openDirectory(path: string, roots: readonly string[] | undefined): Promise<NodeDirectory> {
  let handle: FileHandle | undefined;
  try {
    let realPath: string;
    let base: string;
    if (process.platform === 'linux') {
      handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
      base = `/proc/self/fd/${handle.fd}`;
      realPath = await readlink(base);
    } else {
      realPath = await realpath(path);
      base = realPath;
      // Windows cannot open a directory for syncing; there the file system's own journal has to do.
      if (process.platform !== 'win32') handle = await open(realPath, constants.O_RDONLY | constants.O_DIRECTORY);
    }
    if (roots !== undefined && !(await isBelow(realPath, roots))) {
      throw new CarmineError('file/outside-roots', { context: { path } });
    }
    return new NodeDirectory(realPath, base, handle);
  } catch (thrown) {
    await handle?.close();
    const error = diskError(thrown, path);
    throw error.code === 'file/not-found' ? new CarmineError('file/path-not-found', { context: { path } }) : error;
  }
}

async function isBelow(realPath: string, roots: readonly string[]): Promise<boolean> {
  let problem: unknown;
  for (const root of roots) {
    try {
      const real = await realpath(root);
      if (realPath === real || realPath.startsWith(real.endsWith(sep) ? real : real + sep)) return true;
    } catch (thrown) {
      // A root that does not exist permits nothing. What cannot be looked at just now is another matter.
      if (errno(thrown) !== 'ENOENT' && errno(thrown) !== 'ENOTDIR') problem ??= thrown;
    }
  }
  if (problem !== undefined) throw problem;
  return false;
}

export class NodeDirectory implements DiskDirectory {
  readonly realPath: string;
  readonly #base: string;
  readonly #handle: FileHandle | undefined;

  constructor(realPath: string, base: string, handle: FileHandle | undefined) {
    this.realPath = realPath;
    this.#base = base;
    this.#handle = handle;
  }

  async create(name: string): Promise<DiskFile> {
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | noFollow;
    return new NodeFile(await open(this.pathOf(name), flags, 0o600));
  }

  async open(name: string): Promise<DiskFile | undefined> {
    let handle: FileHandle | undefined;
    try {
      handle = await open(this.pathOf(name), constants.O_RDWR | noFollow);
      if ((await handle.stat()).isFile()) return new NodeFile(handle);
      throw new CarmineError('file/not-a-file', { context: { path: join(this.realPath, name) } });
    } catch (thrown) {
      await handle?.close().catch(() => undefined);
      if (errno(thrown) === 'ENOENT') return undefined;
      throw thrown;
    }
  }

  async kind(name: string): Promise<'file' | 'directory' | 'other' | undefined> {
    try {
      const stat = await lstat(this.pathOf(name));
      return stat.isFile() ? 'file' : stat.isDirectory() ? 'directory' : 'other';
    } catch (thrown) {
      if (errno(thrown) === 'ENOENT') return undefined;
      throw thrown;
    }
  }

  rename(from: string, to: string): Promise<void> {
    return rename(this.pathOf(from), this.pathOf(to));
  }

  async remove(name: string): Promise<boolean> {
    try {
      await unlink(this.pathOf(name));
      return true;
    } catch (thrown) {
      if (errno(thrown) === 'ENOENT') return false;
      throw thrown;
    }
  }

  async sync(): Promise<void> {
    await this.#handle?.sync();
  }

  syncNow(): void {
    if (this.#handle !== undefined) fsyncSync(this.#handle.fd);
  }

  get fd(): number | undefined {
    return this.#handle?.fd;
  }

  async close(): Promise<void> {
    await this.#handle?.close();
  }

  /** Where the operating system finds a name in it. */
  pathOf(name: string): string {
    return name === '' ? this.#base : this.#base + sep + name;
  }
}

class NodeFile implements DiskFile {
  readonly #handle: FileHandle;
  /** The same file, opened for writing past the page cache; undefined where that is not possible. */
  #direct: Promise<FileHandle | undefined> | undefined;
  #directRefused = false;
  #ring: { readonly taken: KernelRing | undefined } | undefined;
  /** Where threads write, those past the page cache keep those through it waiting in the kernel, and the other way round. */
  readonly #writes = new WriteQueue(() => this.#takeRing() !== undefined);

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  get fd(): number {
    return this.#handle.fd;
  }

  /** Past the page cache what is on the way to the disk already needs no syncing later, and no copying. */
  async write(chunks: readonly Uint8Array[], position: number, way: WriteWay = 'kept'): Promise<void> {
    const whole = way === 'kept' || this.#directRefused;
    const plan = whole ? [{ chunks, position, direct: false }] : planWrites(chunks, position);
    const passes = plan.some((part) => part.direct) && (way !== 'soonest' || this.#takeRing() !== undefined);
    const direct = passes ? await this.#openDirect() : undefined;
    for (const part of plan) {
      const end = part.chunks.reduce((sum, chunk) => sum + chunk.length, part.position);
      const lanes = lanesOf[part.direct && direct !== undefined ? way : 'kept'];
      const work = (lane: Lane) => this.#write(part, lane === 'direct' ? direct : undefined);
      await this.#writes.add(part.position, end, lanes, work);
    }
  }

  async #write({ chunks, position }: PlannedWrite, direct: FileHandle | undefined): Promise<void> {
    if (direct !== undefined) {
      try {
        const ordered = this.#takeRing()?.write(direct.fd, chunks, position);
        const bytesWritten = (await ordered) ?? (await direct.writev(chunks, position)).bytesWritten;
        if (bytesWritten === chunks.reduce((sum, chunk) => sum + chunk.length, 0)) return;
      } catch (thrown) {
        // Some file systems and devices say so only now. Errors of the disk itself come again below.
        const code = errno(thrown);
        if (code === 'EINVAL' || code === 'EOPNOTSUPP') this.#directRefused = true;
        else if (code !== 'EAGAIN' && code !== 'EINTR' && code !== 'ECANCELED') throw thrown;
      }
    }
    let rest = chunks as Uint8Array[];
    let at = position;
    while (rest.length > 0) {
      const { bytesWritten } = await this.#handle.writev(rest, at);
      if (bytesWritten === 0 && rest.some((chunk) => chunk.length > 0))
        throw Object.assign(new Error('nothing was written'), { code: 'EIO' });
      at += bytesWritten;
      rest = skip(rest, bytesWritten);
    }
  }

  /** When something is written past the page cache; until the file is closed. */
  #takeRing(): KernelRing | undefined {
    this.#ring ??= { taken: takeRing() };
    return this.#ring.taken;
  }

  /** By its descriptor: it is the same file, whatever happened to its name. */
  #openDirect(): Promise<FileHandle | undefined> {
    const flag = process.platform === 'linux' ? constants.O_DIRECT : undefined;
    this.#direct ??=
      flag === undefined
        ? Promise.resolve(undefined)
        : open(`/proc/self/fd/${this.#handle.fd}`, constants.O_WRONLY | flag).catch(() => undefined);
    return this.#direct;
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    const { bytesRead } = await this.#handle.read(buffer, 0, buffer.length, position);
    return bytesRead;
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  truncate(length: number): Promise<void> {
    return this.#handle.truncate(length);
  }

  reserve(length: number): Promise<void> {
    return reserveBlocks(this.#handle, length);
  }

  datasync(): Promise<void> {
    return this.#handle.datasync();
  }

  sync(): Promise<void> {
    return this.#handle.sync();
  }

  async touch(mode: number, modified: number | undefined): Promise<void> {
    await this.#handle.chmod(mode);
    if (modified !== undefined) await this.#handle.utimes(new Date(), new Date(modified));
  }

  async close(): Promise<void> {
    this.#ring?.taken?.release();
    try {
      await (await this.#direct)?.close();
    } finally {
      await this.#handle.close();
    }
  }
}

const lanesOf: Readonly<Record<WriteWay, readonly Lane[]>> = {
  kept: ['cached'],
  past: ['direct'],
  inOrder: ['direct'],
  soonest: ['direct', 'cached'],
};

/** What remains of the chunks after their first `count` bytes. */
function skip(chunks: Uint8Array[], count: number): Uint8Array[] {
  let index = 0;
  let left = count;
  while (index < chunks.length && left >= chunks[index]!.length) left -= chunks[index++]!.length;
  const rest = chunks.slice(index);
  if (left > 0) rest[0] = rest[0]!.subarray(left);
  return rest;
}

function errno(thrown: unknown): string | undefined {
  return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : undefined;
}

/** Absent on Windows. */
const noFollow = constants.O_NOFOLLOW ?? 0;
