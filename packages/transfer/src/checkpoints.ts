import type { Extent } from './extents.ts';
import type { PlannerCommand } from './planner-types.ts';
import type { Slot, Stream } from './stream.ts';

export interface CheckpointOptions {
  /** Bytes of one checkpoint; undefined: 8 MiB, more where a connection brings that in no time. */
  readonly bytes: number | undefined;
  /** Milliseconds after which less is made durable too. */
  readonly time: number;
}

/**
 * When written bytes go to the journal, and which streams must wait for that. One checkpoint at a time carries written bytes of
 * all streams; a stream is paused while a whole checkpoint of its connection is not journalled yet, so a crash costs at
 * most that much per connection.
 */
export class Checkpoints {
  readonly #bytes: number;
  readonly #mostBytes: number;
  readonly #time: number;
  #sequence = 0;
  /** The checkpoint under way. */
  #current: { readonly sequence: number; readonly parts: readonly Part[] } | undefined;
  /** Since when bytes wait for the journal. */
  #dirtySince: number | undefined;
  /** True from a timeout until the next checkpoint begins. */
  #due = false;

  constructor({ bytes, time }: CheckpointOptions) {
    this.#bytes = bytes ?? defaultBytes;
    this.#mostBytes = bytes ?? largestCheckpoint;
    this.#time = time;
  }

  get underWay(): boolean {
    return this.#current !== undefined;
  }

  nextTimeout(): number | undefined {
    return this.#due || this.#dirtySince === undefined ? undefined : this.#dirtySince + this.#time;
  }

  received(now: number): void {
    this.#dirtySince ??= now;
  }

  /** True when it is time to make little durable too. */
  timeout(now: number): boolean {
    const timeout = this.nextTimeout();
    if (timeout === undefined || now < timeout) return false;
    this.#due = true;
    return true;
  }

  /** Everything before is void. */
  forget(): void {
    this.#current = undefined;
    this.#dirtySince = undefined;
    this.#due = false;
  }

  /** Begins a checkpoint if it is time for one. `now` undefined: the end has come, and time does not matter. */
  begin(streams: readonly Stream[], now: number | undefined): PlannerCommand | undefined {
    if (this.#current !== undefined) return undefined;
    const idle = streams.every((stream) => stream.state === 'closed');
    const enough = ({ slot }: Stream) => unsafe(streams, slot, 'written') >= this.#pauseAt(slot, now) / 2;
    if (!this.#due && !idle && !streams.some(enough)) return undefined;
    // At the end one checkpoint for all is better than one per stream.
    if (idle && !this.#due && streams.some((stream) => stream.written < stream.received)) return undefined;
    const parts = streams
      .filter((stream) => stream.written > stream.journalled)
      .map((stream) => ({ stream, start: stream.journalled, end: stream.written }));
    if (parts.length === 0) return undefined;
    this.#due = false;
    const more = streams.some((stream) => stream.received > stream.written);
    this.#dirtySince = more ? (now ?? this.#dirtySince) : undefined;
    this.#current = { sequence: ++this.#sequence, parts };
    const extents: Extent[] = parts.map(({ start, end }) => ({ start, end }));
    return { type: 'checkpoint', sequence: this.#sequence, extents };
  }

  /** The checkpoint is durable: its parts, undefined when it is not the one under way. */
  journalled(sequence: number): readonly Part[] | undefined {
    const checkpoint = this.#current;
    if (checkpoint?.sequence !== sequence) return undefined;
    this.#current = undefined;
    for (const { stream, end } of checkpoint.parts) stream.journalled = end;
    return checkpoint.parts;
  }

  /** Bytes may wait although none came lately. */
  settle(streams: readonly Stream[], now: number): void {
    const dirty = streams.some((stream) => stream.received > stream.journalled);
    this.#dirtySince = dirty ? (this.#dirtySince ?? now) : undefined;
  }

  /** Holds a stream back while too much of it is not on the disk, and lets it go on again. */
  regulate(streams: readonly Stream[], stream: Stream, now: number): readonly PlannerCommand[] {
    if (stream.state === 'closed') return [];
    const loose = unsafe(streams, stream.slot, 'received');
    const unwritten = stream.received - stream.written;
    const pauseAt = this.#pauseAt(stream.slot, now);
    const backlog = backlogOfOne(streams);
    if (!stream.paused && (loose >= pauseAt || unwritten >= backlog)) {
      stream.paused = true;
      const pause: PlannerCommand = { type: 'pause', stream: stream.id };
      return unwritten > 0 ? [pause, { type: 'flush', stream: stream.id, blocks: true }] : [pause];
    }
    if (stream.paused && loose <= pauseAt * 0.75 && unwritten <= backlog / 2) {
      stream.paused = false;
      return [{ type: 'resume', stream: stream.id }];
    }
    return [];
  }

  /**
   * Below a whole checkpoint by what may be told at once: a whole receive buffer of 2 MiB, and a little. Checkpoints below 4.25 MiB
   * are passed by as much.
   */
  #pauseAt(slot: Slot, now: number | undefined): number {
    // Not known yet: whatever it brings until then, it brings quickly.
    const rate = now === undefined ? 0 : (slot.meter.rate(now) ?? Number.POSITIVE_INFINITY);
    const bytes = Math.max(this.#bytes, Math.min(this.#mostBytes, (rate * swiftTime) / 1_000));
    return Math.max(bytes - 2176 * 1024, bytes / 2);
  }
}

interface Part extends Extent {
  readonly stream: Stream;
}

/** Bytes of a connection that a crash would cost: its last streams may still wait for the journal too. */
function unsafe(streams: readonly Stream[], slot: Slot, reached: 'received' | 'written'): number {
  let sum = 0;
  for (const stream of streams) if (stream.slot === slot) sum += stream[reached] - stream.journalled;
  return sum;
}

function backlogOfOne(streams: readonly Stream[]): number {
  const open = streams.filter(({ state }) => state !== 'closed').length;
  return Math.max(leastBacklog, Math.min(mostBacklog, allBacklog / open));
}

const defaultBytes = 8 * 1024 * 1024;
/** A crash may cost what a connection brings in so many milliseconds, at most so many bytes: more often than that, syncing holds up a quick one. */
const swiftTime = 100;
export const largestCheckpoint = 32 * 1024 * 1024;
/**
 * Bytes of one stream that may wait in memory. With less than the receivers' own limit (8 MiB of all) each of a few connections stops while the disk
 * has work for some milliseconds only, and begins again when it has none.
 */
const leastBacklog = 4 * 1024 * 1024;
const mostBacklog = 8 * 1024 * 1024;
/** Of all together, where they are not that many. */
const allBacklog = 24 * 1024 * 1024;
