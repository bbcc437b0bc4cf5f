import { CarmineError, isCarmineError } from '@carmine/errors';

/** True for failures that the other side answered with: it did not do what it was asked. */
export function isAnswer(error: unknown): boolean {
  return isCarmineError(error) && ['fatal', 'refused', 'unsupported'].includes(error.kind);
}

/** What came is not what it should be. */
export function mismatch(actual: string, expected: string): CarmineError {
  return new CarmineError('controller/integrity', {
    context: { reason: `SHA-256 is ${actual}, expected ${expected}` },
  });
}

/** The same failure, with what could not be cleaned up. */
export function withLeftovers(thrown: unknown, leftovers: readonly string[]): unknown {
  if (leftovers.length === 0) return thrown;
  const error = CarmineError.from(thrown);
  const message = `${error.message}; left behind: ${leftovers.join(', ')}`;
  return new CarmineError(error.code, {
    message,
    context: { ...error.context, leftovers },
    cause: thrown,
    ...(error.hresult === undefined ? {} : { hresult: error.hresult }),
  });
}
