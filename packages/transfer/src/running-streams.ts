import type { DiskFile } from './disk.ts';
import type { PlannerCommand, PlannerEvent } from './planner-types.ts';
import type { Receiver, ReceiverExchange } from './receiver.ts';
import type { RunningDigest } from './run-types.ts';
import { SegmentWriter } from './segment-writer.ts';

/** Whom the streams ask and tell. */
export interface StreamSurroundings {
  readonly file: DiskFile;
  readonly checkpointBytes: number | undefined;
  openReceiver(mirror: number): Receiver;
  /** The run has come to its end: nothing more is written. */
  isOver(): boolean;
  /** A rate limit lets everything wait. */
  isHeldBack(): boolean;
  wantsDigest(): boolean;
  /** The digest, where one is wanted and what is written now will be a part of it. */
  digestNow(): RunningDigest | undefined;
  /** So many bytes came: how many of them are to be written, from the first on. */
  take(stream: number, bytes: number): number;
  /** What was taken has gone where it belongs. */
  taken(): void;
  written(stream: number, bytes: number): void;
  tell(event: PlannerEvent): void;
  broken(thrown: unknown): void;
}

/** The planner's requests under way: the connections that answer them and the writers that the content goes to. */
export class RunningStreams {
  readonly #around: StreamSurroundings;
  /** By slot; a slot that goes to another source gets another one. */
  readonly #receivers = new Map<number, { readonly mirror: number; readonly receiver: Receiver }>();
  readonly #streams = new Map<number, RunningStream>();
  /** Writers that may still have a write in flight, given up streams included. */
  readonly #writers = new Set<SegmentWriter>();
  /** Nothing may be written until the journal is ready for it: headers that are being written. */
  #held = 0;
  /** Connections wait for buffers. */
  #crowded = false;

  constructor(around: StreamSurroundings) {
    this.#around = around;
  }

  request({ stream, slot, mirror, request }: Extract<PlannerCommand, { type: 'request' }>): void {
    const receiver = this.#receiverFor(slot, mirror);
    this.#forgetEnded();
    const around = this.#around;
    let ended = false;
    const writer = this.#openWriter(stream, request.range?.start ?? 0);
    const exchange = receiver.request(request, {
      onHead: (head) => around.tell({ type: 'responded', stream, head }),
      onData: (chunk, release) => {
        const taken = around.take(stream, chunk.length);
        if (taken > 0) writer.push(taken === chunk.length ? chunk : chunk.subarray(0, taken), release);
        else release?.();
        around.taken();
      },
      onCrowded: (waits) => {
        const running = this.#streams.get(stream);
        if (running !== undefined) running.crowded = waits;
        this.#noteCrowd();
        this.#relieve();
      },
      onEnd: () => {
        ended = true;
        this.#noteCrowd();
        around.tell({ type: 'ended', stream });
      },
      onError: (error) => {
        ended = true;
        this.#noteCrowd();
        around.tell({ type: 'failed', stream, error });
      },
    });
    const running: RunningStream = { exchange, writer, ended: () => ended, paused: false, crowded: false };
    this.#streams.set(stream, running);
    if (around.isHeldBack()) this.#regulate(running);
  }

  #openWriter(stream: number, start: number): SegmentWriter {
    const around = this.#around;
    const writer = new SegmentWriter(around.file, start, {
      gather: this.#gather(),
      way: (position) => {
        if (!around.wantsDigest()) return 'past';
        return around.digestNow()?.follows(position) === true ? 'inOrder' : 'kept';
      },
      keep: (...written) => around.digestNow()?.offer(...written) ?? false,
      onWritten: (bytes) => {
        around.written(stream, bytes);
        this.#relieve();
      },
      onError: (thrown) => around.broken(thrown),
    });
    if (this.#held > 0) writer.hold();
    this.#writers.add(writer);
    return writer;
  }

  /** Large writes are cheaper, but a write must not be a large part of a checkpoint. */
  #gather(): number {
    const KiB = 1024;
    // What a digest keeps comes on top of what all of them gather, and together that must not make them wait.
    const few = this.#around.wantsDigest() ? 4 : 6;
    const large = this.#streams.size <= few ? 2048 * KiB : this.#streams.size <= 8 ? 512 * KiB : 256 * KiB;
    return Math.min(large, Math.max(1, (this.#around.checkpointBytes ?? 8192 * KiB) / 4));
  }

  #receiverFor(slot: number, mirror: number): Receiver {
    const there = this.#receivers.get(slot);
    if (there?.mirror === mirror) return there.receiver;
    there?.receiver.close();
    const receiver = this.#around.openReceiver(mirror);
    this.#receivers.set(slot, { mirror, receiver });
    return receiver;
  }

  /** What has nothing more to write is of no more use. */
  #forgetEnded(): void {
    for (const [id, { writer, ended }] of this.#streams) {
      if (ended() && writer.empty) this.#streams.delete(id);
    }
    const live = new Set([...this.#streams.values()].map(({ writer }) => writer));
    for (const writer of this.#writers) if (writer.empty && !live.has(writer)) this.#writers.delete(writer);
  }

  abort(id: number, discard: boolean): void {
    const stream = this.#streams.get(id);
    stream?.exchange.abort();
    if (!discard) return;
    stream?.writer.discard();
    this.#streams.delete(id);
    this.#noteCrowd();
  }

  pause(id: number, paused: boolean): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    stream.paused = paused;
    this.#regulate(stream);
  }

  /** Whether everything is to wait is another thing now. */
  regulate(): void {
    for (const stream of this.#streams.values()) this.#regulate(stream);
  }

  #regulate({ exchange, paused }: RunningStream): void {
    if (paused || this.#around.isHeldBack()) exchange.pause();
    else exchange.resume();
  }

  flush(id: number, blocks: boolean): void {
    this.#streams.get(id)?.writer.flush(blocks);
  }

  #noteCrowd(): void {
    const crowded = [...this.#streams.values()].some((running) => running.crowded && !running.ended());
    if (crowded === this.#crowded) return;
    this.#crowded = crowded;
    this.#around.tell({ type: crowded ? 'crowded' : 'eased' });
  }

  /**
   * Buffers that connections wait for may all hold what was gathered for larger writes. Once nothing is being written that would free some, it is
   * written, however little it is; parts of blocks, which cost more, only when nothing else is left.
   */
  #relieve(): void {
    if (this.#around.isOver() || !this.#crowded) return;
    for (const blocks of [true, false]) {
      for (const writer of this.#writers) if (writer.busy) return;
      for (const writer of this.#writers) writer.flush(blocks);
    }
  }

  /** Nothing may be written now. */
  get held(): boolean {
    return this.#held > 0;
  }

  /** Forgets what was gathered and begins no write until `letWrite`. */
  hold(): void {
    this.#held++;
    for (const writer of this.#writers) {
      writer.discard();
      writer.hold();
    }
  }

  letWrite(): void {
    this.#held--;
    if (this.#held === 0) for (const writer of this.#writers) writer.release();
  }

  /** Resolves when what was being written is written. */
  async idle(): Promise<void> {
    for (const writer of this.#writers) await writer.idle();
  }

  /** Ends all requests. */
  close(): void {
    for (const { exchange } of this.#streams.values()) exchange.abort();
    for (const { receiver } of this.#receivers.values()) receiver.close();
  }

  /** Forgets what was gathered; resolves when nothing is being written. */
  async discard(): Promise<void> {
    for (const writer of this.#writers) {
      writer.discard();
      await writer.idle();
    }
  }
}

interface RunningStream {
  readonly exchange: ReceiverExchange;
  readonly writer: SegmentWriter;
  /** The response is over; there may be bytes to write. */
  readonly ended: () => boolean;
  /** The planner wants it to wait. */
  paused: boolean;
  /** It waits for buffers. */
  crowded: boolean;
}
