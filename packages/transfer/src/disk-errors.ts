import { CarmineError, type ErrorCode, errnoToHresult, isCarmineError } from '@carmine/errors';

/** What a file operation threw, as an error of the file domain; `path` is for people. */
export function diskError(thrown: unknown, path: string): CarmineError {
  if (isCarmineError(thrown)) return thrown;
  const errno = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : '';
  const reason = thrown instanceof Error ? (errno === '' ? thrown.message : errno) : String(thrown);
  const hresult = errnoToHresult(errno);
  return new CarmineError(table[errno] ?? 'file/io', {
    context: { path, reason },
    cause: thrown,
    ...(hresult === undefined ? {} : { hresult }),
  } as never);
}

const table: Readonly<Record<string, ErrorCode | undefined>> = {
  ENOENT: 'file/not-found',
  ENOTDIR: 'file/path-not-found',
  EACCES: 'file/access-denied',
  EPERM: 'file/access-denied',
  EROFS: 'file/access-denied',
  ENOSPC: 'file/disk-full',
  EDQUOT: 'file/disk-full',
  EFBIG: 'file/disk-full',
  EBUSY: 'file/busy',
  ETXTBSY: 'file/busy',
  EISDIR: 'file/not-a-file',
  ELOOP: 'file/not-a-file',
  ENAMETOOLONG: 'file/invalid-name',
};
