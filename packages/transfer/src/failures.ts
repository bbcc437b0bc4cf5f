import { CarmineError } from '@carmine/errors';

/** What a failed request means for the transfer. */
export type FailureVerdict =
  | { readonly kind: 'again' }
  /** Go on with the connections that work. */
  | { readonly kind: 'fewer' }
  /** Ask again after a while: it went well until now. */
  | { readonly kind: 'later' }
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
}

/** spec/bits.md 4.4, or stricter. */
export function judgeFailure(failure: Failure): FailureVerdict {
  const { error, interrupted, ranges, joinable, failures, restarts, others, progressed } = failure;
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
  if (others > 0) return { kind: 'fewer' };
  const busy = error.code === 'transfer/http-status-transient' || error.code === 'transfer/connect';
  return busy && progressed && joinable ? { kind: 'later' } : { kind: 'end', error };
}

/** UNSPECIFIED: how often a dropped connection is retried at once; 3 were seen in the field (spec/bits.md 4.4). */
export const immediateRetries = 3;
