import { CarmineError, isCarmineError } from '@carmine/errors';

/** What a failed connection or exchange means; `target` is the machine as the user wrote it, without credentials. */
export function transportError(error: unknown, target: string): CarmineError {
  if (isCarmineError(error)) return error;
  const code = codeOf(error);
  if (untrusted.test(code)) {
    return new CarmineError('wsman/untrusted', { context: { target, reason: code }, cause: error });
  }
  if (code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE') {
    return new CarmineError('wsman/unexpected', { context: { reason: 'the response is too large' }, cause: error });
  }
  return new CarmineError('wsman/unreachable', { context: { target, reason: code }, cause: error });
}

function codeOf(error: unknown): string {
  for (let at = error, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth++) {
    const { code } = at as NodeJS.ErrnoException;
    if (typeof code === 'string' && code !== 'UND_ERR_SOCKET') return code;
  }
  return 'the connection was closed';
}

/** OpenSSL's verification results and Node's check of the name. */
const untrusted =
  /^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH|ERR_TLS_CERT_ALTNAME)/;
