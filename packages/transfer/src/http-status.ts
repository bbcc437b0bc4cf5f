import { CarmineError, hresultFromHttpStatus } from '@carmine/errors';

/**
 * True when a job may try again after this status (spec/bits.md 4.4, page *Handling Server Application Errors*):
 * 3xx fatal are 300–305 and 307; 4xx transient are 408 and 409; 5xx fatal are 501 and 505; anything else is transient.
 */
export function isTransientStatus(status: number): boolean {
  if (status >= 300 && status < 400) return !(status <= 305 || status === 307);
  if (status >= 400 && status < 500) return status === 408 || status === 409;
  if (status >= 500 && status < 600) return status !== 501 && status !== 505;
  return true;
}

/** The error for a final status that is not the one hoped for; its hresult is 0x80190000 | status. `retryAfter`: the field. */
export function statusError(status: number, retryAfter?: string): CarmineError {
  const hresult = hresultFromHttpStatus(status);
  if (status === 401) return new CarmineError('transfer/authentication');
  if (status === 407) return new CarmineError('transfer/proxy-authentication');
  // DEVIATION: 429 is fatal as every 4xx but two, unless the server says when to come again.
  return isTransientStatus(status) || (status === 429 && retryAfter !== undefined)
    ? new CarmineError('transfer/http-status-transient', { context: { status, retryAfter }, hresult })
    : new CarmineError('transfer/http-status', { context: { status }, hresult });
}
