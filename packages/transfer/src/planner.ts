import { CarmineError } from '@carmine/errors';
import { Answers } from './answers.ts';
import { type Extent, ExtentSet } from './extents.ts';
import { PlannerState } from './planner-state.ts';
import type { Planner, PlannerCommand, PlannerEvent, PlannerOptions, PlannerPhase } from './planner-types.ts';
import { Setbacks } from './setbacks.ts';
import type { Source } from './source.ts';
import type { Stream } from './stream.ts';
import { tickTime, WorkSharing } from './work-sharing.ts';

/**
 * Plans the transfer of one file (MC-BUP 3.6, DOWNLOAD by fragments; the first GET tells what SIZE would).
 *
 * The missing bytes are shared out among connections (`work-sharing.ts`); each fetches one segment at a time as a *stream*. A
 * stream's bytes go through three offsets, `received ≥ written ≥ journalled`, and only journalled ones are called transferred
 * (`checkpoints.ts`). What answers tell is in `answers.ts`, what failures and silence mean in `setbacks.ts`, all on one
 * `planner-state.ts`. Each of them calls only those before it: state, work, setbacks, answers.
 */
export function createPlanner(options: PlannerOptions = {}): Planner {
  return new FilePlanner(options);
}

class FilePlanner implements Planner {
  readonly #state: PlannerState;
  readonly #work: WorkSharing;
  readonly #setbacks: Setbacks;
  readonly #answers: Answers;
  /** A rate limit lets all wait. */
  #heldBack = false;

  constructor(options: PlannerOptions) {
    this.#state = new PlannerState(options);
    this.#work = new WorkSharing(this.#state, options);
    this.#setbacks = new Setbacks(this.#state, this.#work);
    this.#answers = new Answers(this.#state, this.#work, this.#setbacks);
  }

  get phase(): PlannerPhase {
    if (this.#state.over && !this.#state.ending) return 'done';
    if (this.#state.verification.underWay) return 'verifying';
    return this.#answers.any ? 'transferring' : 'connecting';
  }

  get source(): Source | undefined {
    return this.#state.known.current ?? this.#state.known.previous;
  }

  get transferred(): number {
    return this.#state.done.total;
  }

  get contiguous(): number {
    const { preparing, done, streams } = this.#state;
    if (preparing > 0) return 0;
    const parts = [
      ...done.extents,
      ...streams.all.map(({ journalled, written }) => ({ start: journalled, end: written })),
    ];
    return new ExtentSet(parts).extents.find(({ start }) => start === 0)?.end ?? 0;
  }

  get wantsDigest(): boolean {
    return this.#state.known.wantsDigest;
  }

  expect(digest: { readonly expectedSha256?: string | undefined; readonly computeSha256?: boolean | undefined }): void {
    this.#state.known.expect(digest);
  }

  poll(): PlannerCommand | undefined {
    return this.#state.commands.shift();
  }

  nextTimeout(): number | undefined {
    const { over, checkpoints, streams, tickAt, resumeAt } = this.#state;
    if (over) return undefined;
    const due = checkpoints.nextTimeout();
    const tick = streams.live.length > 0 ? tickAt : resumeAt;
    return due === undefined || tick === undefined ? (due ?? tick) : Math.min(due, tick);
  }

  handle(event: PlannerEvent, now: number): void {
    const state = this.#state;
    if (state.over) return;
    switch (event.type) {
      case 'start':
        this.#start(now);
        return;
      case 'responded':
        this.#withStream(event.stream, (stream) => this.#answers.responded(stream, event.head, now));
        return;
      case 'received':
        this.receive(event.stream, event.bytes, now);
        return;
      case 'written':
        this.#withStream(event.stream, (stream) => this.#written(stream, event.bytes, now));
        return;
      case 'ended':
        this.#withStream(event.stream, (stream) => this.#ended(stream, now));
        return;
      case 'failed':
        this.#withStream(event.stream, (stream) => this.#setbacks.failed(stream, event.error, now));
        return;
      case 'prepared':
        this.#prepared(now);
        return;
      case 'journalled':
        this.#journalled(event.sequence, now);
        return;
      case 'verified':
        if (state.verification.verified(event.sha256)) this.#goOn(now);
        return;
      case 'bad':
        this.#found(event.extents, now);
        return;
      case 'broken':
        state.breakOff(event.error);
        return;
      case 'stop':
        state.stop();
        return;
      case 'crowded':
      case 'eased':
        this.#work.governor.crowded(event.type === 'crowded', now);
        return;
      case 'heldBack':
        this.#heldBack = true;
        return;
      case 'letGo':
        this.#heldBack = false;
        state.heardAt = now;
        for (const stream of state.streams.live) stream.lastAt = now;
        return;
      case 'timeout':
        this.#timeout(now);
        return;
    }
  }

  receive(id: number, bytes: number, now: number): number {
    const state = this.#state;
    const stream = state.over ? undefined : state.streams.find(id);
    if (stream?.state !== 'open') return 0;
    if (stream.received + bytes > stream.natural) {
      const error = new CarmineError('transfer/invalid-response', {
        context: { origin: 'the server', reason: 'more data than announced' },
      });
      this.#setbacks.rejected(stream, error, now);
      return 0;
    }
    // What comes after its part may still be nobody's: then it is its part too.
    while (stream.received + bytes >= stream.end && stream.end < stream.natural && this.#work.extend(stream, now));
    const taken = Math.min(bytes, stream.end - stream.received);
    stream.received += taken;
    stream.longestPause = Math.max(stream.longestPause, now - stream.lastAt);
    stream.lastAt = now;
    state.heardAt = now;
    stream.slot.silences = 0;
    stream.slot.meter.add(taken, now);
    state.received += taken;
    state.checkpoints.received(now);
    state.regulate(stream, now);
    if (stream.received === stream.end && stream.end < stream.natural) {
      state.abort(stream, false);
      this.#work.advance(now);
      state.maybeCheckpoint(now);
    }
    return taken;
  }

  #start(now: number): void {
    const { known, done } = this.#state;
    this.#state.heardAt = now;
    // What was received of a version that nothing identifies cannot be continued (promise 1).
    if (known.current !== undefined && !known.joinable && done.total < known.current.length) known.current = undefined;
    this.#work.advance(now);
  }

  #ended(stream: Stream, now: number): void {
    if (stream.head !== undefined) {
      this.#answers.probed(stream, stream.head, now);
      return;
    }
    if (stream.state !== 'open' || stream.received < stream.end) {
      const error = new CarmineError('transfer/connection-lost', { context: { origin: 'the server' } });
      this.#setbacks.failed(stream, error, now);
      return;
    }
    this.#state.close(stream, false);
    stream.slot.warm = true;
    this.#work.advance(now);
    this.#state.maybeCheckpoint(now);
  }

  #prepared(now: number): void {
    const state = this.#state;
    if (--state.preparing > 0) return;
    state.prepared = true;
    if (this.#goOn(now)) state.maybeCheckpoint(now);
  }

  #written(stream: Stream, bytes: number, now: number): void {
    stream.written += bytes;
    this.#state.regulate(stream, now);
    this.#state.maybeCheckpoint(now);
    this.#state.drain();
  }

  #journalled(sequence: number, now: number): void {
    const state = this.#state;
    const parts = state.checkpoints.journalled(sequence);
    if (parts === undefined) return;
    for (const { stream, start, end } of parts) {
      state.done.add({ start, end });
      stream.slot.failures = 0;
    }
    this.#setbacks.progressed();
    state.streams.forgetJournalled();
    state.checkpoints.settle(state.streams.all, now);
    for (const stream of state.streams.all) state.regulate(stream, now);
    if (!state.ending) this.#work.advance(now);
    state.maybeCheckpoint(now);
    state.drain();
  }

  /** Blocks that are not what they must be are fetched again, and nothing else. */
  #found(extents: readonly Extent[], now: number): void {
    const state = this.#state;
    const error = state.verification.found();
    if (error === undefined) return;
    if (state.ending) {
      state.drain();
      return;
    }
    if (extents.length === 0) {
      state.giveUp(error);
      return;
    }
    state.forget(extents);
    this.#work.advance(now);
  }

  #timeout(now: number): void {
    const state = this.#state;
    if (state.checkpoints.timeout(now)) {
      for (const stream of state.streams.all) state.flush(stream);
      state.maybeCheckpoint(now);
    }
    if (state.resumeAt !== undefined && now >= state.resumeAt) {
      state.resumeAt = undefined;
      this.#work.advance(now);
    }
    if (state.tickAt !== undefined && now >= state.tickAt) this.#tick(now);
  }

  /** Now and then: connections that are dead, and whether more of them would pay. */
  #tick(now: number): void {
    const state = this.#state;
    const { streams } = state;
    state.tickAt = now + tickTime;
    if (state.ending || state.preparing > 0 || state.verification.underWay) return;
    // While the disk is behind, silence may be our own.
    const behind = streams.all.some((stream) => stream.received > stream.written);
    if (!behind && !this.#heldBack) this.#setbacks.replaceSilent(now);
    this.#work.governor.observe(state.received, streams.live.length, now, this.#answers.times.isFree(now));
    if (!state.ending) this.#work.advance(now);
  }

  /** Something that was waited for is done: the next thing. False: it is to end. */
  #goOn(now: number): boolean {
    const { ending } = this.#state;
    if (ending) this.#state.drain();
    else this.#work.advance(now);
    return !ending;
  }

  #withStream(id: number, use: (stream: Stream) => void): void {
    // Events of a stream that was given up meanwhile are late, not wrong.
    const stream = this.#state.streams.find(id);
    if (stream !== undefined) use(stream);
  }
}
