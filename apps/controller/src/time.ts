import { CarmineError } from '@carmine/errors';

/** Resolves after so many milliseconds; rejects with `internal/aborted` when the signal aborts. */
export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const aborted = () => reject(new CarmineError('internal/aborted', { cause: signal?.reason }));
    if (signal?.aborted === true) return aborted();
    const stop = () => {
      clearTimeout(timer);
      aborted();
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener('abort', stop, { once: true });
  });
}
