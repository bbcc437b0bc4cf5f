import { CarmineError, isCarmineError } from '@carmine/errors';

/**
 * The inbound entry point of a mechanism: whatever its codecs object to is the peer's fault, `auth/protocol`; decisions
 * about the peer (`refused`) pass through.
 */
export function remoteFault<T>(mechanism: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (isCarmineError(error) && error.kind === 'remote' && error.code.startsWith('wire/')) {
      throw new CarmineError('auth/protocol', { context: { mechanism, reason: error.message }, cause: error });
    }
    throw error;
  }
}
