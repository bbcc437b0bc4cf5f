import { RateMeter } from './rate-meter.ts';
import type { Slot, Stream } from './stream.ts';

/** The streams of a transfer: those under way, and those that have ended and wait for the journal. */
export class StreamTable {
  #all: Stream[] = [];
  readonly #slots: Slot[] = [];
  #next = 1;

  get all(): readonly Stream[] {
    return this.#all;
  }

  /** Those that a connection is busy with. */
  get live(): readonly Stream[] {
    return this.#all.filter((stream) => stream.state !== 'closed');
  }

  /** Whether one is under way that brings the file without a Range. */
  get hasWhole(): boolean {
    return this.#all.some((stream) => stream.state === 'open' && !stream.ranged);
  }

  find(id: number): Stream | undefined {
    return this.#all.find((stream) => stream.id === id);
  }

  /** The first connection that is not busy, of those that have got going if there is one. */
  freeSlot(): Slot {
    const taken = new Set(this.live.map((stream) => stream.slot));
    const idle = this.#slots.filter((slot) => !taken.has(slot));
    const free = idle.find(({ warm }) => warm) ?? idle[0];
    if (free !== undefined) return free;
    const slot: Slot = {
      number: this.#slots.length,
      meter: new RateMeter(),
      failures: 0,
      silences: 0,
      latency: undefined,
      warm: false,
    };
    this.#slots.push(slot);
    return slot;
  }

  add(
    asked: Pick<Stream, 'purpose' | 'slot' | 'ranged' | 'mirror' | 'start' | 'end'> & {
      readonly now: number;
      readonly takeovers?: number;
    },
  ): Stream {
    const { now, start, end, takeovers = 0, ...rest } = asked;
    const stream: Stream = {
      ...rest,
      id: this.#next++,
      start,
      end,
      natural: end,
      state: 'asked',
      head: undefined,
      paused: false,
      received: start,
      written: start,
      journalled: start,
      askedAt: now,
      lastAt: now,
      longestPause: 0,
      takeovers,
    };
    this.#all.push(stream);
    return stream;
  }

  /** `discard`: nothing more of it goes to the journal. */
  close(stream: Stream, discard: boolean): void {
    stream.state = 'closed';
    if (discard || stream.received === stream.journalled) this.#all = this.#all.filter((other) => other !== stream);
  }

  /** Those that have ended and are in the journal are of no more interest. */
  forgetJournalled(): void {
    this.#all = this.#all.filter((stream) => stream.state !== 'closed' || stream.journalled < stream.received);
  }

  clear(): void {
    this.#all = [];
  }
}
