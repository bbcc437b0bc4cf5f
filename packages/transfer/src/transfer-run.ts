import { CarmineError } from '@carmine/errors';
import { type BlockDigests, findBadBlocks } from './block-repair.ts';
import type { DiskFile } from './disk.ts';
import { diskError } from './disk-errors.ts';
import type { JournalState } from './journal.ts';
import type { JournalFile } from './journal-file.ts';
import { createPlanner } from './planner.ts';
import type { Planner, PlannerCommand, PlannerEvent, PlannerOptions } from './planner-types.ts';
import type { RateLimit } from './rate-limit.ts';
import type { Receiver, ReceiverExchange, ReceiverFactory } from './receiver.ts';
import { SegmentWriter } from './segment-writer.ts';
import type { Source } from './source.ts';
import type { TransferProgress, TransferResult } from './transfer-progress.ts';
import { YieldProbe } from './yield-probe.ts';

/** What a run needs besides its file. */
export interface RunPlatform {
  readonly clock: { now(): number; after(delay: number, callback: () => void): () => void };
  /** `length`: as far as it is known how long the file will be. */
  digest(file: DiskFile, length?: number): RunningDigest;
  /** For block lists. */
  readonly blockDigests: BlockDigests;
}

/** SHA-256 of a file from its beginning, computed while it grows. */
export interface RunningDigest {
  /**
   * This was written. True when the digest keeps it, so that it need not be read from the file: it calls `release` when it is done with it, at the
   * latest when it has stopped.
   */
  offer(position: number, bytes: Uint8Array, release: () => void, pinned: number): boolean;
  /** What is written there will be taken from memory, as it looks now. */
  follows(position: number): boolean;
  /** The first `end` bytes are in the file and stay as they are. */
  advance(end: number): void;
  /** Of the first `length` bytes, lower-case hexadecimal; rejects when they cannot be read or when it is stopped. */
  finish(length: number): Promise<string>;
  /** Resolves when it reads no more; never rejects. */
  stop(): Promise<void>;
}

export type RunOptions = Omit<PlannerOptions, 'resumed' | 'url' | 'mirrors'>;

export interface TransferRun {
  readonly finished: Promise<TransferResult>;
  stop(): void;
  expect: Planner['expect'];
}

interface Run extends RunOptions {
  readonly url: string;
  /** How fast it may come; others may share a limit. */
  readonly rateLimits?: readonly RateLimit[] | undefined;
  /** It gives way to everybody else on its path. */
  readonly background?: boolean | undefined;
  /** Other places that may have the same file. */
  readonly mirrorUrls?: readonly string[] | undefined;
  readonly path: string;
  readonly receivers: ReceiverFactory;
  readonly file: DiskFile;
  readonly journal: JournalFile;
  readonly resumed: (JournalState & { readonly moved?: boolean | undefined }) | undefined;
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
  /** The planner wants it to wait. */
  paused: boolean;
  /** It waits for buffers. */
  crowded: boolean;
}

class Runner {
  readonly planner: Planner;
  readonly #platform: RunPlatform;
  readonly #run: Run;
  /** By slot; a slot that goes to another source gets another one. */
  readonly #receivers = new Map<number, { readonly mirror: number; readonly receiver: Receiver }>();
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
  /** A rate limit lets everything wait. */
  #heldBack = false;
  /** Connections wait for buffers. */
  #crowded = false;
  #cancelWait: (() => void) | undefined;
  #unwatch: readonly (() => void)[] = [];
  #limits: readonly RateLimit[] = [];
  #probe: YieldProbe | undefined;
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
    // What is on its way cannot be held back: little of it, then.
    const connections = run.background === true ? 1 : run.connections;
    this.planner = createPlanner({ ...run, connections, mirrors: 1 + (run.mirrorUrls?.length ?? 0) });
  }

  start(): Promise<TransferResult> {
    const finished = new Promise<TransferResult>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    if (this.#run.background === true) {
      this.#probe = new YieldProbe(this.#platform.clock, this.#run.receivers(this.#run.url));
    }
    this.#limits = [...(this.#run.rateLimits ?? []), ...(this.#probe === undefined ? [] : [this.#probe.limit])];
    this.#unwatch = this.#limits.map((limit) => limit.watch(() => this.#holdBack()));
    this.#holdBack();
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
          this.#noteCrowd();
          // What was written of it will be written again.
          if (this.planner.contiguous < this.#digested) void this.#restartDigest();
        }
        return;
      }
      case 'pause':
      case 'resume': {
        const stream = this.#streams.get(command.stream);
        if (stream === undefined) return;
        stream.paused = command.type === 'pause';
        this.#regulate(stream);
        return;
      }
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
      case 'findBad':
        this.#enqueue(() => this.#findBad(command.url));
        return;
      case 'forget':
        this.#enqueue(async () => {
          await this.#restartDigest();
          await this.#run.journal.forget(command.extents);
          this.tell({ type: 'prepared' });
        });
        return;
      case 'adopt':
        this.#enqueue(() => this.#run.journal.adopt(this.#run.url, command.source));
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

  #request({ stream, slot, mirror, request }: Extract<PlannerCommand, { type: 'request' }>): void {
    const receiver = this.#receiverFor(slot, mirror);
    this.#forgetEnded();
    let ended = false;
    const start = request.range?.start ?? 0;
    const writer = new SegmentWriter(this.#run.file, start, {
      gather: this.#gather(),
      past: (position) => !this.planner.wantsDigest || this.#digestNow()?.follows(position) === true,
      keep: (...written) => this.#digestNow()?.offer(...written) ?? false,
      onWritten: (bytes) => {
        this.tell({ type: 'written', stream, bytes });
        this.#followDigest();
        this.#relieve();
      },
      onError: (thrown) => this.#broken(thrown),
    });
    if (this.#held > 0) writer.hold();
    this.#writers.add(writer);
    const exchange = receiver.request(request, {
      onHead: (head) => this.tell({ type: 'responded', stream, head }),
      onData: (chunk, release) => {
        const now = this.#platform.clock.now();
        const taken = this.#ended ? 0 : this.planner.receive(stream, chunk.length, now);
        this.#probe?.received(chunk.length);
        for (const limit of this.#limits) limit.spend(chunk.length, now);
        if (taken > 0) writer.push(taken === chunk.length ? chunk : chunk.subarray(0, taken), release);
        else release?.();
        this.#holdBack();
        this.#follow();
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
        this.tell({ type: 'ended', stream });
      },
      onError: (error) => {
        ended = true;
        this.#noteCrowd();
        this.tell({ type: 'failed', stream, error });
      },
    });
    const running: RunningStream = { exchange, writer, ended: () => ended, paused: false, crowded: false };
    this.#streams.set(stream, running);
    if (this.#heldBack) this.#regulate(running);
  }

  #regulate({ exchange, paused }: RunningStream): void {
    if (paused || this.#heldBack) exchange.pause();
    else exchange.resume();
  }

  #noteCrowd(): void {
    const crowded = [...this.#streams.values()].some((running) => running.crowded && !running.ended());
    if (crowded === this.#crowded) return;
    this.#crowded = crowded;
    this.tell({ type: crowded ? 'crowded' : 'eased' });
  }

  /**
   * Buffers that connections wait for may all hold what was gathered for larger writes. Once nothing is being written that would free some, it is
   * written, however little it is; parts of blocks, which cost more, only when nothing else is left.
   */
  #relieve(): void {
    if (this.#ended || !this.#crowded) return;
    for (const blocks of [true, false]) {
      for (const writer of this.#writers) if (writer.busy) return;
      for (const writer of this.#writers) writer.flush(blocks);
    }
  }

  /** Lets all connections wait while a limit says so. */
  #holdBack(): void {
    const limits = this.#limits;
    if (limits.length === 0 || this.#ended) return;
    const now = this.#platform.clock.now();
    const wait = Math.max(...limits.map((limit) => limit.wait(now)));
    if (wait > 0 !== this.#heldBack) {
      this.#heldBack = wait > 0;
      this.planner.handle({ type: this.#heldBack ? 'heldBack' : 'letGo' }, now);
      for (const stream of this.#streams.values()) this.#regulate(stream);
    }
    this.#cancelWait?.();
    this.#cancelWait = wait > 0 ? this.#platform.clock.after(wait, () => this.#holdBack()) : undefined;
  }

  #receiverFor(slot: number, mirror: number): Receiver {
    const there = this.#receivers.get(slot);
    if (there?.mirror === mirror) return there.receiver;
    there?.receiver.close();
    const receiver = this.#run.receivers(mirror === 0 ? this.#run.url : (this.#run.mirrorUrls?.[mirror - 1] ?? ''));
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

  async #prepare(source: Source | undefined): Promise<void> {
    await this.#restartDigest();
    // Writes of the old version must not land after those of the new one.
    for (const writer of this.#writers) await writer.idle();
    // As long as the journal says nothing of the file, that may change before the journal does.
    const silent = source !== undefined && this.#run.journal.state === undefined;
    if (source === undefined) {
      await this.#run.journal.clear();
      await this.#run.file.truncate(0);
    } else {
      const header = this.#run.journal.begin(this.#run.url, source);
      if (!silent) await header;
      const room = this.#makeRoom(source.length, silent);
      // Neither goes on when this has ended.
      for (const each of await Promise.allSettled([header, room])) if (each.status === 'rejected') throw each.reason;
    }
    this.tell({ type: 'prepared' });
    if (!silent) this.#letWrite();
  }

  async #makeRoom(length: number, write: boolean): Promise<void> {
    await this.#run.file.truncate(length);
    await this.#run.file.reserve?.(length);
    if (write) this.#letWrite();
  }

  #letWrite(): void {
    this.#held--;
    if (this.#held === 0) for (const writer of this.#writers) writer.release();
  }

  async #verify(): Promise<void> {
    this.#digest ??= this.#platform.digest(this.#run.file, this.planner.transferred);
    const sha256 = await this.#digest.finish(this.planner.transferred);
    if (this.#ended) return;
    await this.#run.journal.noteVerified(sha256);
    this.tell({ type: 'verified', sha256 });
  }

  /** Without a usable list nobody knows which blocks are bad. */
  async #findBad(url: string): Promise<void> {
    const receiver = this.#run.receivers(this.#run.url);
    const { source } = this.planner;
    try {
      if (source === undefined) return;
      const { file } = this.#run;
      const extents = await findBadBlocks(receiver, url, source, file, this.#platform.blockDigests);
      this.tell({ type: 'bad', extents });
    } catch {
      this.tell({ type: 'bad', extents: [] });
    } finally {
      receiver.close();
    }
  }

  /** Lets the digest know how far the beginning of the file is. */
  #followDigest(): void {
    const digest = this.#digestNow();
    if (digest === undefined) return;
    const end = this.planner.contiguous;
    if (end <= this.#digested) return;
    digest.advance(end);
    this.#digested = end;
  }

  /** The digest, where one is wanted and what is written now will be a part of it. */
  #digestNow(): RunningDigest | undefined {
    if (this.#ended || this.#held > 0 || !this.planner.wantsDigest) return undefined;
    this.#digest ??= this.#platform.digest(this.#run.file, this.planner.source?.length);
    return this.#digest;
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
    this.#cancelWait?.();
    this.#probe?.stop();
    for (const unwatch of this.#unwatch) unwatch();
    for (const { exchange } of this.#streams.values()) exchange.abort();
    for (const { receiver } of this.#receivers.values()) receiver.close();
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
    const KiB = 1024;
    // What a digest keeps comes on top of what all of them gather, and together that must not make them wait.
    const few = this.planner.wantsDigest ? 4 : 6;
    const large = this.#streams.size <= few ? 2048 * KiB : this.#streams.size <= 8 ? 512 * KiB : 256 * KiB;
    return Math.min(large, Math.max(1, (this.#run.checkpointBytes ?? 8192 * KiB) / 4));
  }
}
