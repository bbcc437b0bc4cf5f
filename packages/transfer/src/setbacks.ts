import { CarmineError } from '@carmine/errors';
import { immediateRetries, judgeFailure } from './failures.ts';
import type { PlannerState } from './planner-state.ts';
import { silentStreams } from './silence.ts';
import type { Stream } from './stream.ts';
import type { WorkSharing } from './work-sharing.ts';

/** What becomes of the transfer when a request fails (`failures.ts`), a connection falls silent (`silence.ts`) or the file changes. */
export class Setbacks {
  readonly #state: PlannerState;
  readonly #work: WorkSharing;
  /** Files begun anew because nothing tied their parts together. */
  #restarts = 0;
  #changes = 0;
  /** What was received when last nobody was left. */
  #receivedBefore = 0;
  /** Waits since then. */
  #waits = 0;

  constructor(state: PlannerState, work: WorkSharing) {
    this.#state = state;
    this.#work = work;
  }

  /** The stream ends without having brought what it was to bring. */
  failed(stream: Stream, error: CarmineError, now: number): void {
    if (stream.state === 'closed') return;
    this.#state.close(stream, true);
    this.failedBy(stream, error, now);
  }

  /** What came is not what may come: nothing of it is used. */
  rejected(stream: Stream, error: CarmineError, now: number): void {
    this.#state.abort(stream, true);
    this.failedBy(stream, error, now);
  }

  /** The stream is closed already; decides what that means for the transfer. */
  failedBy(stream: Stream, error: CarmineError, now: number): void {
    const state = this.#state;
    const { known } = state;
    if (state.ending) {
      state.drain();
      return;
    }
    // Ranges were only hoped for, and the answer with everything was cut short for them: the file is begun anew, by one alone.
    if (error.code === 'transfer/no-ranges' && !state.continues && known.ranges === undefined) {
      known.ranges = false;
      this.#beginAnew();
      return;
    }
    const others = state.streams.live.length;
    if (this.#leaves(stream, error)) {
      this.#work.advance(now);
      return;
    }
    const progressed = state.received > this.#receivedBefore;
    const verdict = judgeFailure({
      error,
      interrupted: stream.received > stream.start,
      ranges: known.ranges,
      joinable: known.joinable,
      failures: stream.slot.failures++,
      restarts: this.#restarts,
      others,
      progressed,
      untouched: state.received === 0 && state.done.total === 0,
      waits: progressed ? 0 : this.#waits,
      now,
    });
    switch (verdict.kind) {
      case 'again':
        this.#work.advance(now);
        return;
      case 'fewer':
        this.#work.governor.refused(others, now, verdict.patience);
        this.#work.advance(now);
        return;
      case 'later':
        this.#waits = progressed ? 1 : this.#waits + 1;
        this.#receivedBefore = state.received;
        state.resumeAt = now + verdict.wait;
        this.#work.governor.refused(1, now);
        return;
      case 'anew':
        this.#restarts++;
        this.#beginAnew();
        return;
      case 'useless':
        state.giveUp(verdict.error);
        return;
      case 'end':
        state.endWith(verdict.error);
        return;
    }
  }

  /** True when there are other sources to go on with. The first one is left only when it says that it has the file no more. */
  #leaves({ mirror, slot }: Stream, error: CarmineError): boolean {
    const { known } = this.#state;
    if (known.mirrors < 2 || !known.hasMirror(mirror) || known.previous !== undefined) return false;
    if (error.code === 'transfer/connection-lost' && slot.failures++ < immediateRetries) return false;
    // What was received of a version that nothing else ties together cannot be continued elsewhere.
    if (known.current !== undefined && !known.joinable) return false;
    known.dropMirror(mirror);
    return true;
  }

  /** Gives up the connections that are taken for dead; what they were to fetch is asked for again. */
  replaceSilent(now: number): void {
    const { known, streams } = this.#state;
    if (!known.joinable || known.ranges === false) return;
    for (const stream of silentStreams(streams.live, now)) this.#replace(stream, now);
  }

  #replace(stream: Stream, now: number): void {
    const state = this.#state;
    if (state.ending || stream.state === 'closed') return;
    state.abort(stream, false);
    if (++stream.slot.silences <= maximumSilences && now - state.heardAt < longestSilence) return;
    const error = new CarmineError('transfer/timed-out', { context: { origin: 'the server' } });
    this.failedBy(stream, error, now);
  }

  /** The server has another version: ask what it has now. Bounded, or a busy file would keep us for ever. */
  changed(now: number): void {
    this.#state.abandon();
    this.#changes++;
    if (this.#changes > maximumChanges) {
      this.#state.endWith(new CarmineError('transfer/source-keeps-changing', { context: { count: this.#changes } }));
      return;
    }
    this.#state.known.forget();
    this.#work.forget();
    this.#work.advance(now);
  }

  /** Something is in the journal that can be continued: files are not begun anew for ever. */
  progressed(): void {
    if (this.#state.known.joinable) this.#restarts = 0;
  }

  /** Fetches the same version once more, from the beginning. */
  #beginAnew(): void {
    this.#state.abandon();
    this.#state.prepare(this.#state.known.current);
  }
}

const maximumChanges = 5;
/** Times that a connection is given up for silence before that is an error: two minutes, in the middle of a body. */
const maximumSilences = 5;
/** Milliseconds without a word from anybody, the same (MC-BUP 3.6.2: five minutes). */
const longestSilence = 300_000;
