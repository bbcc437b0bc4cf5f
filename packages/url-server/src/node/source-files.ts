import { constants } from 'node:fs';
import { type FileHandle, open, readlink, realpath, stat } from 'node:fs/promises';
import { isAbsolute, sep } from 'node:path';
import { CarmineError } from '@carmine/errors';
import type { SourceFiles } from '../shells.ts';
import type { FileVersion } from '../validators.ts';

/** A source opened for reading, with the version that the handle shows. */
export interface OpenSource {
  readonly file: FileHandle;
  readonly version: FileVersion;
}

export interface SourceFolder extends SourceFiles {
  open(path: string): Promise<OpenSource>;
}

/**
 * Files below `roots`. Where a file lies is asked of the opened handle, not of the string: a link that leads outside,
 * also one exchanged in the last moment, is refused with `url/outside-roots`.
 */
export function createSourceFolder(roots: readonly string[]): SourceFolder {
  const openSource = async (path: string): Promise<OpenSource> => {
    if (!isAbsolute(path) || path.includes('\0'))
      throw new CarmineError('file/invalid-name', { context: { reason: 'an absolute path is needed' } });
    // Without O_NONBLOCK opening a pipe would wait for a writer.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error) => {
      throw openError(error);
    });
    try {
      const facts = await file.stat({ bigint: true });
      if (!facts.isFile()) throw new CarmineError('file/not-a-file', { context: { path: 'the source' } });
      if (!(await isBelow(roots, await pathOf(file, path)))) throw new CarmineError('url/outside-roots');
      return { file, version: toVersion(facts) };
    } catch (error) {
      await file.close();
      throw error;
    }
  };
  return {
    open: openSource,
    async inspect(path) {
      const { file, version } = await openSource(path);
      await file.close();
      return version;
    },
  };
}

export function toVersion(facts: {
  size: bigint;
  dev: bigint;
  ino: bigint;
  mtimeNs: bigint;
  ctimeNs: bigint;
}): FileVersion {
  return {
    size: Number(facts.size),
    device: facts.dev,
    inode: facts.ino,
    modified: facts.mtimeNs,
    changed: facts.ctimeNs,
  };
}

/** The path behind a handle: from the kernel where it tells, else the resolved path if it is the same file. */
async function pathOf(file: FileHandle, path: string): Promise<string> {
  if (process.platform === 'linux') return readlink(`/proc/self/fd/${file.fd}`);
  const resolved = await realpath(path);
  const [byPath, byHandle] = [await stat(resolved, { bigint: true }), await file.stat({ bigint: true })];
  if (byPath.ino !== byHandle.ino || byPath.dev !== byHandle.dev) throw new CarmineError('url/outside-roots');
  return resolved;
}

async function isBelow(roots: readonly string[], path: string): Promise<boolean> {
  for (const root of roots) {
    const resolved = await realpath(root).catch(() => undefined);
    if (resolved === undefined) continue;
    if (path.startsWith(resolved.endsWith(sep) ? resolved : resolved + sep)) return true;
  }
  return false;
}

/** Messages to peers contain no paths. */
function openError(error: NodeJS.ErrnoException): CarmineError {
  const path = 'the source';
  switch (error.code) {
    case 'ENOENT':
      return new CarmineError('file/not-found', { context: { path }, cause: error });
    case 'ENOTDIR':
      return new CarmineError('file/path-not-found', { context: { path }, cause: error });
    case 'EACCES':
    case 'EPERM':
    case 'ELOOP':
      return new CarmineError('file/access-denied', { context: { path }, cause: error });
    case 'ENXIO':
    case 'EISDIR':
      return new CarmineError('file/not-a-file', { context: { path }, cause: error });
    default:
      return new CarmineError('file/io', { context: { path, reason: error.code ?? 'cannot be opened' }, cause: error });
  }
}
