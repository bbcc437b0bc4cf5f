import { CarmineError } from '@carmine/errors';
import type { DiskFile } from './disk.ts';
import { diskError } from './disk-errors.ts';
import type { JournalState } from './journal.ts';
import type { JournalFile } from './journal-file.ts';
import { createPlanner } from './planner.ts';
import type { Planner, PlannerCommand, PlannerEvent, PlannerOptions } from './planner-types.ts';
import type { Receiver, ReceiverExchange, ReceiverFactory } from './receiver.ts';
import { SegmentWriter } from './segment-writer.ts';
import type { Source } from './source.ts';
import type { TransferProgress, TransferResult } from './transfer-progress.ts';

/** What a run needs besides its file. */
export interface RunPlatform {
  readonly clock: { now(): number; after(delay: number, callback: () => void): () => void };
  digest(file: DiskFile): RunningDigest;
}

/** SHA-256 of a file from its beginning, computed while it grows. */
export interface RunningDigest {
  /** The first `end` bytes are in the file and stay as they are. */
  advance(end: number): void;
  /** Of the first `length` bytes, lower-case hexadecimal; rejects when they cannot be read or when it is stopped. */
  finish(length: number): Promise<string>;
  /** Resolves when it reads no more; never rejects. */
  stop(): Promise<void>;
}

export type RunOptions = Omit<PlannerOptions, 'resumed'>;

export interface TransferRun {
  readonly finished: Promise<TransferResult>;
  stop(): void;
  expect: Planner['expect'];
}

interface Run extends RunOptions {
  readonly url: string;
  readonly path: string;
  readonly receivers: ReceiverFactory;
  readonly file: DiskFile;
  readonly journal: JournalFile;
  readonly resumed: JournalState | undefined;
  readonly onProgress: (progress: TransferProgress) => void;
}

/** Carries out a planner's commands and tells it what came of them. Ends with the files still open and nothing in flight. */
export function runTransfer(platform: RunPlatform, run: Run): TransferRun {
  const runner = new Runner(platform, run);
  return {
    finished: runner.start(),
    stop: () => runner.tell({ type: 'stop' }),
    expect: (digest) => runner.planner.expect(digest),
  };
}

interface RunningStream {
  readonly exchange: ReceiverExchange;
  readonly writer: SegmentWriter;
  /** The response is over; there may be bytes to write. */
  readonly ended: () => boolean;
}

class Runner {
  readonly planner: Planner;
  readonly #platform: RunPlatform;
  readonly #run: Run;
  readonly #receivers = new Map<number, Receiver>();
  readonly #streams = new Map<number, RunningStream>();
  /** Writers that may still have a write in flight, given up streams included. */
  readonly #writers = new Set<SegmentWriter>();
  /** Follows what is written as long as that stays as it is. */
  #digest: RunningDigest | undefined;
  #digested = 0;
  /** Digests of what was given up. */
  readonly #stopping: Promise<void>[] = [];
  /** Journal work, one piece after the other. */
  #disk: Promise<void> = Promise.resolve();
  #cancelTimer: (() => void) | undefined;
  #timerAt: number | undefined;
  #draining = false;
  /** Nothing may be written until the journal is ready for it: headers that are being written. */
  #held = 0;
  #ended = false;
  #resolve: (result: TransferResult) => void = () => undefined;
  #reject: (error: CarmineError) => void = () => undefined;
  #reported = '';

  constructor(platform: RunPlatform, run: Run) {
    this.#platform = platform;
    this.#run = run;
    this.planner = createPlanner(run);
  }

  start(): Promise<TransferResult> {
    const finished = new Promise<TransferResult>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.tell({ type: 'start' });
    return finished;
  }

  tell(event: PlannerEvent): void {
    this.planner.handle(event, this.#platform.clock.now());
    this.#follow();
  }

  /** Does what the planner wants done. */
  #follow(): void {
    // A command may cause an event at once; the loop that is under way takes care of what follows from it.
    if (this.#draining) return;
    this.#draining = true;
    for (let command = this.planner.poll(); command !== undefined; command = this.planner.poll()) this.#do(command);
    this.#draining = false;
    this.#report();
    this.#setTimer();
  }

  #do(command: PlannerCommand): void {
    switch (command.type) {
      case 'request':
        this.#request(command);
        return;
      case 'abort': {
        const stream = this.#streams.get(command.stream);
        stream?.exchange.abort();
        if (command.discard) {
          stream?.writer.discard();
          this.#streams.delete(command.stream);
          // What was written of it will be written again.
          if (this.planner.contiguous < this.#digested) void this.#restartDigest();
        }
        return;
      }
      case 'pause':
      case 'resume':
        this.#streams.get(command.stream)?.exchange[command.type]();
        return;
      case 'flush':
        this.#streams.get(command.stream)?.writer.flush(command.blocks === true);
        return;
      case 'prepare':
        // What arrives meanwhile is of the new version, and the journal may still speak of the old one.
        this.#held++;
        for (const writer of this.#writers) {
          writer.discard();
          writer.hold();
        }
        this.#enqueue(() => this.#prepare(command.source));
        return;
      case 'checkpoint':
        this.#enqueue(async () => {
          // Order of durability: data, journal, and only then anybody is told.
          await this.#run.file.datasync();
          await this.#run.journal.add(command.extents);
          this.tell({ type: 'journalled', sequence: command.sequence });
        });
        return;
      case 'noteDigest':
        this.#enqueue(() => this.#run.journal.noteDigest(command.sha256));
        return;
      case 'verify':
        this.#enqueue(() => this.#verify());
        return;
      case 'complete': {
        const result = { length: this.planner.transferred, sha256: command.sha256 };
        void this.#end(() => this.#resolve(result));
        return;
      }
      case 'fail':
        void this.#end(() => this.#reject(command.error));
        return;
      case 'stopped':
        void this.#end(() => this.#reject(new CarmineError('internal/aborted')));
        return;
    }
  }

  #request({ stream, slot, request }: Extract<PlannerCommand, { type: 'request' }>): void {
    let receiver = this.#receivers.get(slot);
    if (receiver === undefined) {
      receiver = this.#run.receivers(this.#run.url);
      this.#receivers.set(slot, receiver);
    }
    this.#forgetEnded();
    let ended = false;
    const start = request.range?.start ?? 0;
    const writer = new SegmentWriter(this.#run.file, start, {
      gather: this.#gather(),
      past: !this.planner.wantsDigest,
      onWritten: (bytes) => {
        this.tell({ type: 'written', stream, bytes });
        this.#followDigest();
      },
      onError: (thrown) => this.#broken(thrown),
    });
    if (this.#held > 0) writer.hold();
    this.#writers.add(writer);
    const exchange = receiver.request(request, {
      onHead: (head) => this.tell({ type: 'responded', stream, head }),
      onData: (chunk, release) => {
        const taken = this.#ended ? 0 : this.planner.receive(stream, chunk.length, this.#platform.clock.now());
        if (taken > 0) writer.push(taken === chunk.length ? chunk : chunk.subarray(0, taken), release);
        else release?.();
        this.#follow();
      },
      onEnd: () => {
        ended = true;
        this.tell({ type: 'ended', stream });
      },
      onError: (error) => {
        ended = true;
        this.tell({ type: 'failed', stream, error });
      },
    });
    this.#streams.set(stream, { exchange, writer, ended: () => ended });
  }

  /** What has nothing more to write is of no more use. */
  #forgetEnded(): void {
    for (const [id, { writer, ended }] of this.#streams) {
      if (ended() && writer.empty) this.#streams.delete(id);
    }
    const live = new Set([...this.#streams.values()].map(({ writer }) => writer));
    for (const writer of this.#writers) if (writer.empty && !live.has(writer)) this.#writers.delete(writer);
  }

  async #prepare(source: Source | undefined): Promise<void> {
    await this.#restartDigest();
    // Writes of the old version must not land after those of the new one.
    for (const writer of this.#writers) await writer.idle();
    if (source === undefined) {
      await this.#run.journal.clear();
      await this.#run.file.truncate(0);
    } else {
      await this.#run.journal.begin(this.#run.url, source);
      await this.#run.file.truncate(source.length);
    }
    this.#held--;
    this.tell({ type: 'prepared' });
    if (this.#held === 0) for (const writer of this.#writers) writer.release();
  }

  async #verify(): Promise<void> {
    this.#digest ??= this.#platform.digest(this.#run.file);
    const sha256 = await this.#digest.finish(this.planner.transferred);
    if (this.#ended) return;
    await this.#run.journal.noteVerified(sha256);
    this.tell({ type: 'verified', sha256 });
  }

  /** Lets the digest know how far the beginning of the file is, in large steps. */
  #followDigest(): void {
    if (this.#ended || !this.planner.wantsDigest) return;
    const end = this.planner.contiguous;
    if (end - this.#digested < digestStep) return;
    this.#digest ??= this.#platform.digest(this.#run.file);
    this.#digest.advance(end);
    this.#digested = end;
  }

  async #restartDigest(): Promise<void> {
    const digest = this.#digest;
    this.#digest = undefined;
    this.#digested = 0;
    const stopped = digest?.stop();
    if (stopped !== undefined) this.#stopping.push(stopped);
    await stopped;
  }

  #enqueue(work: () => Promise<void>): void {
    this.#disk = this.#disk
      .then(() => (this.#ended ? undefined : work()))
      .catch((thrown: unknown) => this.#broken(thrown));
  }

  #broken(thrown: unknown): void {
    if (!this.#ended) this.tell({ type: 'broken', error: diskError(thrown, this.#run.path) });
  }

  async #end(settle: () => void): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancelTimer?.();
    for (const { exchange } of this.#streams.values()) exchange.abort();
    for (const receiver of this.#receivers.values()) receiver.close();
    void this.#restartDigest();
    for (const writer of this.#writers) {
      writer.discard();
      await writer.idle();
    }
    await this.#disk;
    await Promise.all(this.#stopping);
    settle();
  }

  #setTimer(): void {
    const at = this.#ended ? undefined : this.planner.nextTimeout();
    if (at === this.#timerAt) return;
    this.#cancelTimer?.();
    this.#timerAt = at;
    this.#cancelTimer =
      at === undefined
        ? undefined
        : this.#platform.clock.after(Math.max(0, at - this.#platform.clock.now()), () => {
            this.#timerAt = undefined;
            this.tell({ type: 'timeout' });
          });
  }

  #report(): void {
    const { phase, source, transferred } = this.planner;
    const key = `${phase} ${source?.length} ${transferred}`;
    if (key === this.#reported) return;
    this.#reported = key;
    this.#run.onProgress({ phase, length: source?.length, transferred });
  }

  /** Large writes are cheaper, but a write must not be a large part of a checkpoint. */
  #gather(): number {
    const large = this.#streams.size <= 8 ? 512 * 1024 : 256 * 1024;
    return Math.min(large, Math.max(1, (this.#run.checkpointBytes ?? 8 * 1024 * 1024) / 8));
  }
}

/** Bytes. */
const digestStep = 1024 * 1024;
