import { CarmineError } from '@carmine/errors';
import { faultError } from '../protocol/faults.ts';
import type { WsmanEnvironment } from './types.ts';

/** Something that may end early. Most never ask for the signal, so it is made when somebody does. */
export interface Abortable {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs an operation for `timeout` milliseconds, then aborts its signal. An operation that heeds it answers with what it
 * has, as Pull does, or throws; one that does not is left behind a moment later with w:TimedOut.
 */
export function withTimeout<T>(
  environment: WsmanEnvironment,
  timeout: number,
  outer: Abortable,
  operation: (deadline: { readonly signal: AbortSignal }) => Promise<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let controller: AbortController | undefined;
    let ended = false;
    const abort = (): void => {
      ended = true;
      controller?.abort(new CarmineError('internal/aborted'));
      cancel();
      cancel = environment.after(grace, () => reject(faultError('timedOut')));
    };
    let cancel = environment.after(timeout, abort);
    const deadline = {
      get signal(): AbortSignal {
        if (controller === undefined) {
          controller = new AbortController();
          outer.signal?.addEventListener('abort', abort, { once: true });
          if (ended) controller.abort(new CarmineError('internal/aborted'));
          else if (outer.signal?.aborted === true) abort();
        }
        return controller.signal;
      },
    };
    const finish = (): void => {
      cancel();
      if (controller !== undefined) outer.signal?.removeEventListener('abort', abort);
    };
    operation(deadline).then(
      (value) => {
        finish();
        resolve(value);
      },
      (error: unknown) => {
        finish();
        reject(error);
      },
    );
  });
}

/** Milliseconds. */
const grace = 250;
