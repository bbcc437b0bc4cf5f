import { CarmineError } from '@carmine/errors';
import { diskError } from './disk-errors.ts';
import { FollowingDigest } from './following-digest.ts';
import { JournalWork } from './journal-work.ts';
import { Pace } from './pace.ts';
import { createPlanner } from './planner.ts';
import type { Planner, PlannerCommand, PlannerEvent } from './planner-types.ts';
import type { Run, RunningDigest, RunPlatform } from './run-types.ts';
import { RunningStreams } from './running-streams.ts';
import type { TransferResult } from './transfer-progress.ts';
import { YieldProbe } from './yield-probe.ts';

export interface TransferRun {
  readonly finished: Promise<TransferResult>;
  stop(): void;
  expect: Planner['expect'];
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

class Runner {
  readonly planner: Planner;
  readonly #clock: RunPlatform['clock'];
  readonly #run: Run;
  /** Follows what is written as long as that stays as it is. */
  readonly #digest: FollowingDigest;
  readonly #pace: Pace;
  readonly #streams: RunningStreams;
  readonly #journal: JournalWork;
  #cancelTimer: (() => void) | undefined;
  #timerAt: number | undefined;
  #draining = false;
  #ended = false;
  #resolve: (result: TransferResult) => void = () => undefined;
  #reject: (error: CarmineError) => void = () => undefined;
  #reported = '';

  constructor(platform: RunPlatform, run: Run) {
    const { clock } = platform;
    this.#clock = clock;
    this.#run = run;
    // What is on its way cannot be held back: little of it, then.
    const connections = run.background === true ? 1 : run.connections;
    this.planner = createPlanner({ ...run, connections, mirrors: 1 + (run.mirrorUrls?.length ?? 0) });
    this.#digest = new FollowingDigest((length) => platform.digest(run.file, length));
    this.#pace = new Pace({
      clock,
      limits: run.rateLimits ?? [],
      probe: run.background === true ? new YieldProbe(clock, run.receivers(run.url)) : undefined,
      onChange: (heldBack, now) => {
        this.planner.handle({ type: heldBack ? 'heldBack' : 'letGo' }, now);
        this.#streams.regulate();
      },
    });
    const isOver = () => this.#ended;
    const tell = (event: PlannerEvent) => this.tell(event);
    const broken = (thrown: unknown) => this.#broken(thrown);
    this.#streams = this.#createStreams({ isOver, tell, broken });
    const { planner } = this;
    const [streams, digest] = [this.#streams, this.#digest];
    this.#journal = new JournalWork({ platform, run, planner, streams, digest, isOver, tell, broken });
  }

  #createStreams(common: {
    readonly isOver: () => boolean;
    readonly tell: (event: PlannerEvent) => void;
    readonly broken: (thrown: unknown) => void;
  }): RunningStreams {
    const { file, checkpointBytes, receivers, url, mirrorUrls } = this.#run;
    return new RunningStreams({
      ...common,
      file,
      checkpointBytes,
      openReceiver: (mirror) => receivers(mirror === 0 ? url : (mirrorUrls?.[mirror - 1] ?? '')),
      isHeldBack: () => this.#pace.heldBack,
      wantsDigest: () => this.planner.wantsDigest,
      digestNow: () => this.#digestNow(),
      take: (stream, bytes) => {
        const now = this.#clock.now();
        const taken = this.#ended ? 0 : this.planner.receive(stream, bytes, now);
        this.#pace.spend(bytes, now);
        return taken;
      },
      taken: () => {
        this.#pace.holdBack();
        this.#follow();
      },
      written: (stream, bytes) => {
        this.tell({ type: 'written', stream, bytes });
        if (this.#digestNow() !== undefined) this.#digest.follow(this.planner.contiguous);
      },
    });
  }

  start(): Promise<TransferResult> {
    const finished = new Promise<TransferResult>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#pace.start();
    this.tell({ type: 'start' });
    return finished;
  }

  tell(event: PlannerEvent): void {
    this.planner.handle(event, this.#clock.now());
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
        this.#streams.request(command);
        return;
      case 'abort':
        this.#streams.abort(command.stream, command.discard);
        // What was written of it will be written again.
        if (command.discard && this.planner.contiguous < this.#digest.followed) void this.#digest.restart();
        return;
      case 'pause':
      case 'resume':
        this.#streams.pause(command.stream, command.type === 'pause');
        return;
      case 'flush':
        this.#streams.flush(command.stream, command.blocks === true);
        return;
      case 'prepare':
        // What arrives meanwhile is of the new version, and the journal may still speak of the old one.
        this.#streams.hold();
        this.#journal.enqueue(command);
        return;
      case 'checkpoint':
      case 'noteDigest':
      case 'verify':
      case 'findBad':
      case 'forget':
      case 'adopt':
        this.#journal.enqueue(command);
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

  #digestNow(): RunningDigest | undefined {
    if (this.#ended || this.#streams.held || !this.planner.wantsDigest) return undefined;
    return this.#digest.begin(this.planner.source?.length);
  }

  #broken(thrown: unknown): void {
    if (!this.#ended) this.tell({ type: 'broken', error: diskError(thrown, this.#run.path) });
  }

  async #end(settle: () => void): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancelTimer?.();
    this.#pace.stop();
    this.#streams.close();
    void this.#digest.restart();
    await this.#streams.discard();
    await this.#journal.idle();
    await this.#digest.stopped();
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
        : this.#clock.after(Math.max(0, at - this.#clock.now()), () => {
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
}
