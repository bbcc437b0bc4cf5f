import { CarmineError, isCarmineError } from '@carmine/errors';
import { retryAfter } from './retry-after.ts';

/** What a failed request means for the transfer. */
export type FailureVerdict =
  | { readonly kind: 'again' }
  /** Go on with the connections that work; for `patience` milliseconds the server says that it wants no more (undefined: it does not say). */
  | { readonly kind: 'fewer'; readonly patience: number | undefined }
  /** Ask again after so many milliseconds: it went well until now, or the server says so itself. */
  | { readonly kind: 'later'; readonly wait: number }
  /** Fetch the same version anew: nothing ties the rest of it to what is there. */
  | { readonly kind: 'anew' }
  /** End, and what is there is of no use. */
  | { readonly kind: 'useless'; readonly error: CarmineError }
  | { readonly kind: 'end'; readonly error: CarmineError };

export interface Failure {
  readonly error: CarmineError;
  /** Some of the answer had arrived. */
  readonly interrupted: boolean;
  /** Whether the server serves ranges, as far as known. */
  readonly ranges: boolean | undefined;
  /** Bytes of different answers may stand in one file. */
  readonly joinable: boolean;
  /** Failures of this connection in a row, and of files begun anew. */
  readonly failures: number;
  readonly restarts: number;
  /** Connections that go on. */
  readonly others: number;
  /** Something came since the last time that nobody was left. */
  readonly progressed: boolean;
  /** Nothing was received yet. */
  readonly untouched: boolean;
  /** Times in a row that the server was waited for. */
  readonly waits: number;
  readonly now: number;
}

/** spec/bits.md 4.4, or stricter. */
export function judgeFailure(failure: Failure): FailureVerdict {
  const { error, interrupted, ranges, joinable, failures, restarts, others, progressed } = failure;
  const told = toldToWait(failure);
  if (error.code === 'transfer/no-ranges' || error.code === 'transfer/length-changed')
    return { kind: 'useless', error };
  if (error.kind !== 'transient') return { kind: 'end', error };
  if (interrupted && ranges === false) return { kind: 'useless', error: new CarmineError('transfer/no-ranges') };
  if (interrupted && !joinable) {
    // Nothing ties the next answer to this version: what we have cannot be continued (promise 1).
    return restarts >= immediateRetries ? { kind: 'useless', error } : { kind: 'anew' };
  }
  if (error.code === 'transfer/connection-lost' && failures < immediateRetries) return { kind: 'again' };
  // The server may allow fewer connections.
  if (others > 0) return { kind: 'fewer', patience: told };
  if (
    told !== undefined &&
    told <= longestWait &&
    failure.waits < immediateRetries &&
    (joinable || failure.untouched)
  ) {
    return { kind: 'later', wait: Math.max(told, shortestWait) };
  }
  const busy = error.code === 'transfer/http-status-transient' || error.code === 'transfer/connect';
  return busy && progressed && joinable ? { kind: 'later', wait: shortestWait } : { kind: 'end', error };
}

/** Milliseconds of Retry-After (RFC 9110, section 10.2.3). */
function toldToWait({ error, now }: Failure): number | undefined {
  if (!isCarmineError(error, 'transfer/http-status-transient')) return undefined;
  return retryAfter((error.context as { readonly retryAfter?: string | undefined }).retryAfter, now);
}

/** UNSPECIFIED: how often a dropped connection is retried at once; 3 were seen in the field (spec/bits.md 4.4). */
export const immediateRetries = 3;
/** Milliseconds: UNSPECIFIED. Who is told to wait longer ends with the error, which says how long. */
const longestWait = 60_000;
const shortestWait = 1_000;
