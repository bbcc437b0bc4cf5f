import { CarmineError, isCarmineError } from '@carmine/errors';

/** What a provider threw, as a caller of CIM gets it. */
export function toCimError(thrown: unknown): CarmineError {
  if (isNotFound(thrown))
    return new CarmineError('cim/not-found', { context: { what: 'the instance' }, cause: thrown });
  const error = CarmineError.from(thrown);
  if (error.code !== 'internal/unexpected' && error.hresult !== undefined) return error;
  // Our own bugs, and what concerns only this machine (its files, its keys): the cause stays for the log; the peer learns
  // only that it was not his fault.
  return new CarmineError('cim/failed', { context: { reason: 'internal error' }, cause: error });
}

export function isNotFound(thrown: unknown): boolean {
  return (
    isCarmineError(thrown, 'job/not-found') ||
    isCarmineError(thrown, 'url-group/not-found') ||
    isCarmineError(thrown, 'cim/not-found')
  );
}
