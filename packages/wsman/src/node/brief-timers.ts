import { atTurnEnd } from '@carmine/http1/node';

interface Waiting {
  readonly began: number;
  readonly delay: number;
  readonly callback: () => void;
  over: boolean;
  timer: NodeJS.Timeout | undefined;
}

let begun: Waiting[] = [];

/**
 * Calls back after `delay` milliseconds unless the function that it returns is called before. Most operations end in the turn of the
 * event loop in which they began: a timer is set only for those that do not.
 */
export function after(delay: number, callback: () => void): () => void {
  const waiting: Waiting = { began: performance.now(), delay, callback, over: false, timer: undefined };
  if (begun.length === 0) atTurnEnd(setTimers);
  begun.push(waiting);
  return () => {
    waiting.over = true;
    clearTimeout(waiting.timer);
  };
}

function setTimers(): void {
  const all = begun;
  begun = [];
  const now = performance.now();
  for (const waiting of all) {
    if (!waiting.over) waiting.timer = setTimeout(waiting.callback, Math.max(0, waiting.delay - (now - waiting.began)));
  }
}
