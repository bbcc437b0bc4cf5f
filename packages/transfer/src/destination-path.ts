import { CarmineError } from '@carmine/errors';

/**
 * Checks a local path as text (spec/bits.md 4.3 and 4.6): absolute, no wildcards, no NUL. Throws `file/invalid-name`.
 * UNSPECIFIED: Windows allows 260 characters; elsewhere that is no natural limit, so 4,096 (PATH_MAX) are.
 */
export function checkLocalPath(path: string): { readonly directory: string; readonly name: string } {
  const fail = (reason: string): never => {
    throw new CarmineError('file/invalid-name', { context: { reason } });
  };
  if (path.length > maximumPath) fail(`longer than ${maximumPath} characters`);
  if (path.includes('\0')) fail('it has a NUL character');
  if (/[*?]/.test(path)) fail('it has a wildcard');
  const windows = /^[A-Za-z]:[\\/]/.test(path);
  if (!windows && !path.startsWith('/')) fail('it is not absolute');
  // The name of an alternate stream: `C:\dir\file:stream`.
  if (windows && path.slice(2).includes(':')) fail('it names an alternate stream');
  const separator = windows ? Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) : path.lastIndexOf('/');
  const name = path.slice(separator + 1);
  if (name === '' || name === '.' || name === '..') fail('it names no file');
  const root = windows ? 2 : 0;
  return { directory: path.slice(0, Math.max(separator, root + 1)), name };
}

const maximumPath = 4_096;
