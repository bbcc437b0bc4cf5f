import type { CopyProgress } from '@carmine/controller';
import { formatBytes, formatDuration, printable } from './output.ts';

/** Where progress goes, and what time it is; the terminal and the clock of the process, or a test's. */
export interface ProgressSink {
  readonly isTerminal: boolean;
  write(text: string): void;
  /** Milliseconds. */
  now(): number;
}

/**
 * Shows progress for people: a live line on a terminal, otherwise plain lines at every change of phase, at most every
 * 10 s, and at each 10 %.
 */
export class ProgressDisplay {
  readonly #sink: ProgressSink;
  readonly #start: number;
  #phase = '';
  #lastLine = Number.NEGATIVE_INFINITY;
  #lastTenth = 0;
  #rates: { readonly at: number; readonly bytes: bigint }[] = [];
  #live = false;

  constructor(sink: ProgressSink) {
    this.#sink = sink;
    this.#start = sink.now();
  }

  show(progress: CopyProgress): void {
    const now = this.#sink.now();
    this.#measure(progress, now);
    const text = printable(this.#text(progress, now));
    if (this.#sink.isTerminal) {
      this.#sink.write(`\r\u001b[K${text}`);
      this.#live = true;
      return;
    }
    const tenth =
      progress.bytesTotal === undefined || progress.bytesTotal === 0n
        ? 0
        : Number((progress.bytesTransferred * 10n) / progress.bytesTotal);
    const changed = progress.phase !== this.#phase;
    if (!changed && tenth <= this.#lastTenth && now - this.#lastLine < plainInterval) return;
    this.#phase = progress.phase;
    this.#lastTenth = Math.max(tenth, this.#lastTenth);
    this.#lastLine = now;
    this.#sink.write(`${text}\n`);
  }

  /** Ends the live line, so that what follows starts on one of its own. */
  end(): void {
    if (this.#live) this.#sink.write('\n');
    this.#live = false;
  }

  #measure({ bytesTransferred }: CopyProgress, now: number): void {
    this.#rates.push({ at: now, bytes: bytesTransferred });
    while (this.#rates.length > 2 && now - (this.#rates[0]?.at ?? 0) > rateWindow) this.#rates.shift();
  }

  /** Bytes per second over the last seconds. */
  #rate(): number {
    const [first, last] = [this.#rates[0], this.#rates.at(-1)];
    if (first === undefined || last === undefined || last.at === first.at) return 0;
    return (Number(last.bytes - first.bytes) * 1000) / (last.at - first.at);
  }

  #text(progress: CopyProgress, now: number): string {
    const { phase, bytesTransferred, bytesTotal } = progress;
    const parts = [phase.padEnd(12)];
    if (bytesTotal !== undefined) {
      const percent = bytesTotal === 0n ? 100 : Math.floor((Number(bytesTransferred) * 100) / Number(bytesTotal));
      parts.push(`${String(percent).padStart(3)} %  ${formatBytes(bytesTransferred)} of ${formatBytes(bytesTotal)}`);
      const rate = this.#rate();
      if (phase === 'transferring' && rate > 0) {
        const left = Math.ceil(Number(bytesTotal - bytesTransferred) / rate);
        parts.push(`${formatBytes(Math.round(rate))}/s`, `${formatDuration(left)} left`);
      }
    }
    if (progress.reason !== undefined && progress.reason !== '') parts.push(progress.reason);
    if (progress.nextAttempt !== undefined)
      parts.push(`next try in ${formatDuration(Math.max(0, Math.ceil((progress.nextAttempt - now) / 1000)))}`);
    if (bytesTotal === undefined && phase !== 'waiting')
      parts.push(formatDuration(Math.floor((now - this.#start) / 1000)));
    return parts.join('  ');
  }
}

const plainInterval = 10_000;
const rateWindow = 5000;
