import { findBadBlocks } from './block-repair.ts';
import type { FollowingDigest } from './following-digest.ts';
import type { Planner, PlannerCommand, PlannerEvent } from './planner-types.ts';
import type { Run, RunPlatform } from './run-types.ts';
import type { RunningStreams } from './running-streams.ts';
import type { Source } from './source.ts';

/** What journal work stands on, and whom it tells. */
export interface JournalWorkOptions {
  readonly platform: RunPlatform;
  readonly run: Run;
  readonly planner: Planner;
  readonly streams: RunningStreams;
  readonly digest: FollowingDigest;
  isOver(): boolean;
  tell(event: PlannerEvent): void;
  broken(thrown: unknown): void;
}

/** What it does. */
type JournalCommand = Extract<
  PlannerCommand,
  { readonly type: 'prepare' | 'checkpoint' | 'noteDigest' | 'verify' | 'findBad' | 'forget' | 'adopt' }
>;

/** What a planner wants done with journal and file besides writing content: one piece after the other, in its order. */
export class JournalWork {
  readonly #options: JournalWorkOptions;
  #queue: Promise<void> = Promise.resolve();

  constructor(options: JournalWorkOptions) {
    this.#options = options;
  }

  enqueue(command: JournalCommand): void {
    this.#queue = this.#queue
      .then(() => (this.#options.isOver() ? undefined : this.#do(command)))
      .catch((thrown: unknown) => this.#options.broken(thrown));
  }

  /** Resolves when all of it is done; never rejects. */
  async idle(): Promise<void> {
    await this.#queue;
  }

  async #do(command: JournalCommand): Promise<void> {
    const { run, digest, tell } = this.#options;
    switch (command.type) {
      case 'prepare':
        await this.#prepare(command.source);
        return;
      case 'checkpoint':
        // Order of durability: data, journal, and only then anybody is told.
        await run.file.datasync();
        await run.journal.add(command.extents);
        tell({ type: 'journalled', sequence: command.sequence });
        return;
      case 'noteDigest':
        await run.journal.noteDigest(command.sha256);
        return;
      case 'verify':
        await this.#verify();
        return;
      case 'findBad':
        await this.#findBad(command.url);
        return;
      case 'forget':
        await digest.restart();
        await run.journal.forget(command.extents);
        tell({ type: 'prepared' });
        return;
      case 'adopt':
        await run.journal.adopt(run.url, command.source);
        return;
    }
  }

  async #prepare(source: Source | undefined): Promise<void> {
    const { run, streams, digest, tell } = this.#options;
    await digest.restart();
    // Writes of the old version must not land after those of the new one.
    await streams.idle();
    // As long as the journal says nothing of the file, that may change before the journal does.
    const silent = source !== undefined && run.journal.state === undefined;
    if (source === undefined) {
      await run.journal.clear();
      await run.file.truncate(0);
    } else {
      const header = run.journal.begin(run.url, source);
      if (!silent) await header;
      const room = this.#makeRoom(source.length, silent);
      // Neither goes on when this has ended.
      for (const each of await Promise.allSettled([header, room])) if (each.status === 'rejected') throw each.reason;
    }
    tell({ type: 'prepared' });
    if (!silent) streams.letWrite();
  }

  async #makeRoom(length: number, write: boolean): Promise<void> {
    const { run, streams } = this.#options;
    await run.file.truncate(length);
    await run.file.reserve?.(length);
    if (write) streams.letWrite();
  }

  async #verify(): Promise<void> {
    const { run, planner, digest, isOver, tell } = this.#options;
    const sha256 = await digest.begin(planner.transferred).finish(planner.transferred);
    if (isOver()) return;
    await run.journal.noteVerified(sha256);
    tell({ type: 'verified', sha256 });
  }

  /** Without a usable list nobody knows which blocks are bad. */
  async #findBad(url: string): Promise<void> {
    const { platform, run, planner, tell } = this.#options;
    const receiver = run.receivers(run.url);
    const { source } = planner;
    try {
      if (source === undefined) return;
      const extents = await findBadBlocks(receiver, url, source, run.file, platform.blockDigests);
      tell({ type: 'bad', extents });
    } catch {
      tell({ type: 'bad', extents: [] });
    } finally {
      receiver.close();
    }
  }
}
