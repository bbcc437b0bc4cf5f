import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { CarmineError } from '@carmine/errors';

/** Tells one version of a file from the next, without reading it. */
export interface FileVersion {
  readonly inode: bigint;
  readonly size: bigint;
  readonly modified: bigint;
  readonly changed: bigint;
}

/** Undefined when there is no such file. */
export function versionOf(path: string): FileVersion | undefined {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? undefined : toVersion(stat);
}

export function sameVersion(a: FileVersion | undefined, b: FileVersion | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.inode === b.inode && a.size === b.size && a.modified === b.modified && a.changed === b.changed;
}

/** Content and version of the same file, even if it is replaced meanwhile; undefined when there is none. */
export function readVersion(path: string): { readonly text: string; readonly version: FileVersion } | undefined {
  const found = readVersionBytes(path);
  return found === undefined ? undefined : { text: new TextDecoder().decode(found.bytes), version: found.version };
}

export function readVersionBytes(
  path: string,
): { readonly bytes: Uint8Array; readonly version: FileVersion } | undefined {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw unreadable(path, error);
  }
  try {
    const version = toVersion(fstatSync(file, { bigint: true }));
    if (version.size > maxSize) throw unreadable(path, new Error('the file is too large'));
    return { bytes: new Uint8Array(readFileSync(file)), version };
  } catch (error) {
    throw unreadable(path, error);
  } finally {
    closeSync(file);
  }
}

/** Mode bits of group and others; 0 where the platform has none. */
export function foreignMode(path: string): number {
  return process.platform === 'win32' ? 0 : statSync(path).mode & 0o077;
}

/** Replaces a file by one with mode 0600 so that readers, and a power failure, see the old content or the new. */
export function replaceFile(path: string, content: string | Uint8Array): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    rmSync(temporary, { force: true });
    writeDurably(temporary, content);
    renameSync(temporary, path);
    syncFolder(dirname(path));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw unreadable(path, error);
  }
}

/** Makes a file with mode 0600 that must not exist yet. */
export function createFile(path: string, text: string): void {
  try {
    writeDurably(path, text);
    syncFolder(dirname(path));
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** Runs an action while no other process runs one under the same lock file; `configuration/in-use` when one does. */
export function withLock<T>(path: string, what: string, action: () => T): T {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  if (!tryLock(path)) {
    if (!isStale(path)) throw new CarmineError('configuration/in-use', { context: { what } });
    rmSync(path, { force: true });
    if (!tryLock(path)) throw new CarmineError('configuration/in-use', { context: { what } });
  }
  try {
    return action();
  } finally {
    rmSync(path, { force: true });
  }
}

export function unreadable(file: string, cause: unknown): CarmineError {
  if (cause instanceof CarmineError && cause.kind === 'local') return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new CarmineError('configuration/unreadable', { context: { file, reason }, cause });
}

function writeDurably(path: string, content: string | Uint8Array): void {
  const file = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
    for (let written = 0; written < bytes.length; ) written += writeSync(file, bytes, written);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function syncFolder(path: string): void {
  // Windows cannot open folders, and renames there are durable with the journal.
  if (process.platform === 'win32') return;
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function tryLock(path: string): boolean {
  try {
    const file = openSync(path, 'wx', 0o600);
    writeSync(file, String(process.pid));
    closeSync(file);
    return true;
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false;
    throw unreadable(path, error);
  }
}

/** A lock whose process has gone, after a crash. A lock without a number is being made right now. */
function isStale(path: string): boolean {
  const pid = Number(readVersion(path)?.text ?? '');
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return isErrno(error, 'ESRCH');
  }
}

function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

function toVersion(stat: { ino: bigint; size: bigint; mtimeNs: bigint; ctimeNs: bigint }): FileVersion {
  return { inode: stat.ino, size: stat.size, modified: stat.mtimeNs, changed: stat.ctimeNs };
}

/** Thousands of accounts stay far below. */
const maxSize = 64n * 1024n * 1024n;
