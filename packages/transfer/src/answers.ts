import { CarmineError } from '@carmine/errors';
import { AnswerTimes } from './answer-times.ts';
import { describedBy, type ResponseHead } from './headers.ts';
import type { PlannerState } from './planner-state.ts';
import { judgeResponse, readSource } from './response-rules.ts';
import type { Setbacks } from './setbacks.ts';
import type { Source } from './source.ts';
import type { Stream } from './stream.ts';
import type { WorkSharing } from './work-sharing.ts';

/** What the heads of answers tell: which version there is, and whether an answer is the part of it that was asked for (`response-rules.ts`). */
export class Answers {
  readonly times = new AnswerTimes();
  readonly #state: PlannerState;
  readonly #work: WorkSharing;
  readonly #setbacks: Setbacks;
  #any = false;

  constructor(state: PlannerState, work: WorkSharing, setbacks: Setbacks) {
    this.#state = state;
    this.#work = work;
    this.#setbacks = setbacks;
  }

  /** Somebody answered. */
  get any(): boolean {
    return this.#any;
  }

  responded(stream: Stream, head: ResponseHead, now: number): void {
    if (stream.state !== 'asked') return;
    this.#any = true;
    this.#state.heardAt = now;
    stream.lastAt = now;
    // The time that connecting took, perhaps while nothing passed, says little about the next answer.
    stream.slot.latency = head.elapsed ?? now - stream.askedAt;
    if (head.elapsed !== undefined) this.times.add(head.elapsed, now);
    stream.slot.meter.begin(now);
    if (stream.purpose === 'probe') {
      // The answer to HEAD ends at once; waiting for that keeps the connection.
      stream.head = head;
      stream.state = 'open';
      return;
    }
    try {
      if (stream.purpose === 'data') this.#judge(stream, head, now);
      else this.#learn(stream, head, now);
    } catch (thrown) {
      this.#setbacks.rejected(stream, CarmineError.from(thrown), now);
    }
  }

  /** A probe has ended: now its answer is read. */
  probed(stream: Stream, head: ResponseHead, now: number): void {
    this.#state.close(stream, false);
    try {
      this.#learn(stream, head, now);
    } catch (thrown) {
      this.#setbacks.failedBy(stream, CarmineError.from(thrown), now);
    }
  }

  #learn(stream: Stream, head: ResponseHead, now: number): void {
    const state = this.#state;
    const { known } = state;
    if (stream.purpose === 'probe' && (head.status === 405 || head.status === 501)) {
      // A server without HEAD: a GET tells the same.
      known.headRefused = true;
      this.#work.advance(now);
      return;
    }
    if (stream.purpose === 'first' && (head.status === 412 || head.status === 416)) {
      // Nobody asked for a part, and on no condition: something between us and the server is confused.
      this.#setbacks.changed(now);
      return;
    }
    const source = readSource(head);
    if (stream.purpose === 'probe' && source.length === 0) {
      // Servers that do not know HEAD say 0 too: only a GET tells whether the file is empty.
      known.headRefused = true;
      this.#work.advance(now);
      return;
    }
    const unchanged = known.learn(source, head);
    if (unchanged && state.prepared) {
      if (known.adopt()) state.commands.push({ type: 'adopt', source });
      if (stream.purpose === 'first') state.abort(stream, true);
      this.#work.advance(now);
      return;
    }
    state.prepare(source);
    this.#work.govern(head.elapsed ?? (now - stream.askedAt) / 2, now, head.connected);
    if (stream.purpose !== 'first') return;
    stream.state = 'open';
    stream.natural = source.length;
    stream.end = this.#work.firstPart(source, stream.slot, now);
    this.#work.advance(now);
  }

  #judge(stream: Stream, head: ResponseHead, now: number): void {
    const { known, commands } = this.#state;
    const source = known.current;
    if (source === undefined) return;
    if (this.#goesOnWhole(stream, head)) {
      this.#work.advance(now);
      return;
    }
    if (!known.isFirst(stream.mirror) && !known.isProven(source, head)) {
      // It has something else, or does not say what it has: the others go on without it.
      this.#state.abort(stream, true);
      known.dropMirror(stream.mirror);
      this.#work.advance(now);
      return;
    }
    if (stream.mirror === 0) known.noteBlockList(head);
    const pinned = known.isFirst(stream.mirror) ? source : describedLike(source, head);
    const verdict = judgeResponse({ start: stream.start, end: stream.natural, ranged: stream.ranged }, pinned, head);
    if (verdict.kind === 'changed') {
      this.#setbacks.changed(now);
      return;
    }
    if (verdict.whole) this.#takeWhole();
    else if (stream.ranged) known.ranges = true;
    stream.natural = verdict.end;
    stream.end = verdict.whole ? verdict.end : Math.min(stream.end, verdict.end);
    stream.state = 'open';
    this.#work.govern(head.elapsed ?? (now - stream.askedAt) / 2, now, head.connected);
    this.#state.regulate(stream, now);
    if (verdict.digest !== undefined && source.digest === undefined) {
      known.current = { ...source, digest: verdict.digest };
      commands.push({ type: 'noteDigest', sha256: verdict.digest });
    }
    this.#work.advance(now);
  }

  /** 200 to `bytes=0-n`: the server ignores ranges. Good enough when this stream is all there is. */
  #takeWhole(): void {
    const { known, done, streams } = this.#state;
    if (done.total > 0 || streams.all.length > 1) throw new CarmineError('transfer/no-ranges');
    known.ranges = false;
  }

  /** A server that never said that it knows ranges does not: the stream that brings the whole file goes on alone. */
  #goesOnWhole(stream: Stream, head: ResponseHead): boolean {
    const { known, streams } = this.#state;
    if (head.status !== 200 || !stream.ranged || known.ranges === true) return false;
    const whole = streams.live.find((other) => !other.ranged && other.state === 'open');
    if (whole === undefined) return false;
    known.ranges = false;
    for (const other of streams.live) if (other !== whole) this.#state.abort(other, true);
    whole.end = whole.natural;
    return true;
  }
}

/** The source as a mirror's answer must describe it: its own validators are what they are, and were compared. */
function describedLike(source: Source, head: ResponseHead): Source {
  return { length: source.length, ...describedBy(head.headers) };
}
