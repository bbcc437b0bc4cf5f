import { CarmineError } from '@carmine/errors';
import { ConnectionGovernor } from './connection-governor.ts';
import type { PlannerState } from './planner-state.ts';
import type { PlannerOptions } from './planner-types.ts';
import { chooseTheft, freeExtents, nextSegment, type SegmentSizes } from './segments.ts';
import type { Source } from './source.ts';
import type { Slot, Stream } from './stream.ts';

/**
 * What is asked for next, and by how many: the missing bytes are shared out among connections (`segments.ts`), as many as pay
 * (`connection-governor.ts`).
 */
export class WorkSharing {
  readonly governor: ConnectionGovernor;
  readonly #state: PlannerState;
  readonly #pieceBytes: number;
  readonly #connections: number | undefined;
  readonly #probe: boolean;
  #governed = false;
  /** Asking for a piece takes next to no time. */
  #near = false;

  constructor(state: PlannerState, options: PlannerOptions) {
    const { connections, largeFile = 32 * 1024 * 1024, pieceBytes = 1024 * 1024, probe = false } = options;
    this.governor = new ConnectionGovernor({ fixed: connections, largeFile });
    this.#state = state;
    this.#pieceBytes = pieceBytes;
    this.#connections = connections;
    this.#probe = probe;
  }

  /** The first answer tells how far away the server is, and `connected`, how long its connection took to come about. */
  govern(latency: number, now: number, connected = latency): void {
    const { known, done } = this.#state;
    if (this.#governed || known.current === undefined) return;
    this.#governed = true;
    this.#near = latency < near;
    this.governor.begin(latency, known.current.length - done.total, now, { inOrder: known.wantsDigest, connected });
  }

  /** The server has something else; the next first answer counts. */
  forget(): void {
    this.#governed = false;
  }

  /** Opens what may be opened; when nothing is missing any more, verifies and completes. */
  advance(now: number): void {
    const state = this.#state;
    const { streams } = state;
    const source = state.known.current;
    state.tickAt ??= now + tickTime;
    if (state.ending || state.verification.underWay || state.resumeAt !== undefined) return;
    if (source === undefined) {
      if (state.preparing === 0 && streams.live.length === 0) this.#askWhatThereIs(now);
      return;
    }
    // The journal is got ready meanwhile; what comes before that waits in memory.
    while (streams.live.length < this.#target(now)) if (!this.#openOne(source, now)) break;
    if (state.preparing > 0) return;
    const { length } = streams.live;
    // There are idle ones: they watch closely whom they can help.
    if (length > 0 && length < this.#target(now)) state.tickAt = Math.min(state.tickAt, now + watchTime);
    if (streams.all.length === 0 && state.done.total === source.length) this.#conclude();
  }

  /** The part of the connection whose answer brings the file from the beginning. */
  firstPart(source: Source, slot: Slot, now: number): number {
    // Until the server shows that it knows ranges, this may have to be all.
    if (this.#state.known.ranges !== true || !this.#state.known.joinable) return source.length;
    const whole = { start: 0, end: source.length };
    return nextSegment([whole], slot, [], this.#sharers(), this.#sizes(), now)?.end ?? 0;
  }

  /** A stream that has all of its part goes on with what follows, when that is nobody's. */
  extend(stream: Stream, now: number): boolean {
    const { known, done, streams } = this.#state;
    if (known.current === undefined) return false;
    const free = freeExtents(known.current.length, done, streams.all);
    const next = free.find(({ start }) => start === stream.end);
    if (next === undefined) return false;
    const part = { start: next.start, end: Math.min(next.end, stream.natural) };
    const segment = nextSegment([part], stream.slot, streams.live, this.#sharers(), this.#sizes(), now);
    stream.end = segment?.end ?? stream.end;
    return segment !== undefined;
  }

  #askWhatThereIs(now: number): void {
    const { known, streams } = this.#state;
    // After a change HEAD is enough: what is there may still be right.
    const probe = (this.#probe || known.previous !== undefined) && !known.headRefused;
    this.#ask(probe ? 'probe' : 'first', streams.freeSlot(), 0, 0, false, now);
  }

  /** Puts one more connection to work; false when there is nothing for it to do. */
  #openOne(source: Source, now: number): boolean {
    const { known, done, streams } = this.#state;
    const slot = streams.freeSlot();
    const { live } = streams;
    const free = freeExtents(source.length, done, streams.all);
    const segment = nextSegment(free, slot, live, this.#sharers(), this.#sizes(), now);
    if (segment !== undefined) {
      const whole = segment.start === 0 && segment.end === source.length;
      this.#ask('data', slot, segment.start, segment.end, !whole, now);
      return true;
    }
    if (live.length === 0 || !known.joinable || known.ranges === false) return false;
    const theft = chooseTheft(live, slot, this.#sizes(), now, this.#state.heardAt);
    if (theft === undefined) return false;
    const { victim } = theft;
    victim.end = theft.start;
    const takeovers = victim.received >= victim.end ? victim.takeovers + 1 : 0;
    // Nothing is left to it: that happens to those that have not begun.
    if (victim.received >= victim.end) this.#state.abort(victim, false);
    this.#ask('data', slot, theft.start, theft.end, true, now, takeovers);
    return true;
  }

  #conclude(): void {
    const next = this.#state.verification.conclude(this.#state.known);
    if (next instanceof CarmineError) this.#state.giveUp(next);
    else if (next.type === 'complete') this.#state.complete(next);
    else this.#state.commands.push(next);
  }

  /** Connections that may be open. */
  #target(now: number): number {
    const { known, streams } = this.#state;
    if (!known.joinable || known.ranges === false) return 1;
    // Until the server shows that it knows ranges, one stream finds out beside the one that has everything.
    const most = known.ranges === true ? Number.POSITIVE_INFINITY : streams.hasWhole ? 2 : 1;
    return Math.min(most, this.governor.target(now));
  }

  /** Connections that what is left is shared by. */
  #sharers(): number {
    const { known } = this.#state;
    if (!known.joinable || known.ranges === false) return 1;
    if (this.#connections !== undefined || this.#governed) return this.governor.wanted;
    return sharersUntilKnown;
  }

  #sizes(): SegmentSizes {
    // A digest follows what is there from the beginning; large pieces would leave most of it for the end.
    const largest = !this.#state.known.wantsDigest ? largestPiece : this.#near ? nearDigestedPiece : digestedPiece;
    return { smallest: this.#pieceBytes, largest: Math.max(largest, this.#pieceBytes) };
  }

  #ask(
    purpose: Stream['purpose'],
    slot: Slot,
    start: number,
    end: number,
    ranged: boolean,
    now: number,
    takeovers = 0,
  ): void {
    const { known, streams, commands } = this.#state;
    const mirror = known.mirrorOf(purpose === 'data' ? slot.number : 0);
    const stream = streams.add({ purpose, slot, mirror, start, end, ranged, now, takeovers });
    commands.push({
      type: 'request',
      stream: stream.id,
      slot: slot.number,
      mirror,
      request: {
        method: purpose === 'probe' ? 'HEAD' : 'GET',
        range: ranged ? { start, end } : undefined,
        validator: purpose === 'data' ? known.validatorFor(mirror) : undefined,
      },
    });
  }
}

/** Until we know how far away the server is. */
const sharersUntilKnown = 4;
/** Bytes of a piece, at most. */
const largestPiece = 256 * 1024 * 1024;
const digestedPiece = 16 * 1024 * 1024;
const nearDigestedPiece = 2 * 1024 * 1024;
/** Milliseconds for an answer, at most, where small pieces cost nothing. */
const near = 2;
/** Milliseconds between two looks at the connections, and while there are idle ones. */
export const tickTime = 500;
const watchTime = 100;
