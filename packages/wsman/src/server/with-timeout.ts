import { CarmineError } from '@carmine/errors';
import { faultError } from '../protocol/faults.ts';
import type { WsmanEnvironment } from './types.ts';

/**
 * Runs an operation for `timeout` milliseconds, then aborts its signal. An operation that heeds it answers with what it
 * has, as Pull does, or throws; one that does not is left behind a moment later with w:TimedOut.
 */
export async function withTimeout<T>(
  environment: WsmanEnvironment,
  timeout: number,
  outer: AbortSignal | undefined,
  operation: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  let giveUp: (error: CarmineError) => void = () => {};
  const givenUp = new Promise<never>((_, reject) => {
    giveUp = reject;
  });
  let cancel: () => void;
  const abort = (): void => {
    controller.abort(new CarmineError('internal/aborted'));
    cancel();
    cancel = environment.after(grace, () => giveUp(faultError('timedOut')));
  };
  cancel = environment.after(timeout, abort);
  outer?.addEventListener('abort', abort, { once: true });
  if (outer?.aborted === true) abort();
  try {
    return await Promise.race([operation(controller.signal), givenUp]);
  } finally {
    cancel();
    outer?.removeEventListener('abort', abort);
  }
}

/** Milliseconds. */
const grace = 250;
