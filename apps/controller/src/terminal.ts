import type { ProgressSink } from './progress.ts';

/** Progress goes to stderr. */
export function stderrSink(): ProgressSink {
  return {
    isTerminal: process.stderr.isTTY === true,
    write: (text) => void process.stderr.write(text),
    now: () => Date.now(),
  };
}
