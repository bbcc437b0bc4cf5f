import type { CarmineError } from '@carmine/errors';
import { Checkpoints } from './checkpoints.ts';
import { type Extent, ExtentSet } from './extents.ts';
import { KnownSource } from './known-source.ts';
import type { PlannerCommand, PlannerOptions } from './planner-types.ts';
import type { Source } from './source.ts';
import type { Slot, Stream } from './stream.ts';
import { StreamTable } from './stream-table.ts';
import { Verification } from './verification.ts';

type Ending = { readonly kind: 'stopped' } | { readonly kind: 'failed'; readonly error: CarmineError };

/** What all parts of the planner work on, and the steps that they share: giving up a stream, beginning anew, coming to an end. */
export class PlannerState {
  readonly commands: PlannerCommand[] = [];
  readonly streams = new StreamTable();
  readonly checkpoints: Checkpoints;
  readonly known: KnownSource;
  readonly verification: Verification;
  /** What the journal has. */
  done: ExtentSet;
  /** True when the journal's header is that of the source. */
  prepared: boolean;
  /** It goes on with what an earlier run received. */
  continues: boolean;
  /** Headers, or none, that are being written. */
  preparing = 0;
  /** Bytes, of all streams. */
  received = 0;
  /** When anything was last heard of anybody. */
  heardAt = 0;
  /** When to look after the connections. */
  tickAt: number | undefined;
  /** When to ask again. */
  resumeAt: number | undefined;
  #ending: Ending | undefined;
  /** No more commands will come. */
  #over = false;

  constructor(options: PlannerOptions) {
    const { checkpointBytes, checkpointTime = 1_000, resumed } = options;
    this.checkpoints = new Checkpoints({ bytes: checkpointBytes, time: checkpointTime });
    this.known = new KnownSource(options);
    this.verification = new Verification(resumed?.verified);
    this.done = new ExtentSet(resumed?.done.extents);
    this.prepared = resumed !== undefined;
    this.continues = this.prepared;
  }

  /** It was decided that it ends, and how. */
  get ending(): boolean {
    return this.#ending !== undefined;
  }

  get over(): boolean {
    return this.#over;
  }

  // --- streams -------------------------------------------------------------------------------------------------------

  abort(stream: Stream, discard: boolean): void {
    if (stream.state === 'closed') return;
    this.commands.push({ type: 'abort', stream: stream.id, discard });
    this.streams.close(stream, discard);
    lose(stream.slot);
    if (!discard) this.flush(stream);
  }

  /** It has ended by itself; `lost`: and with it its connection. */
  close(stream: Stream, lost: boolean): void {
    this.streams.close(stream, false);
    this.flush(stream);
    if (lost) lose(stream.slot);
  }

  flush(stream: Stream): void {
    if (stream.received > stream.written) this.commands.push({ type: 'flush', stream: stream.id });
  }

  regulate(stream: Stream, now: number): void {
    const wasPaused = stream.paused;
    this.commands.push(...this.checkpoints.regulate(this.streams.all, stream, now));
    // What it did not bring while it was held back was no silence of its own.
    if (!wasPaused || stream.paused) return;
    stream.lastAt = this.tickAt ?? stream.lastAt;
    this.heardAt = Math.max(this.heardAt, stream.lastAt);
  }

  // --- the journal ---------------------------------------------------------------------------------------------------

  maybeCheckpoint(now?: number): void {
    if (!this.prepared || this.verification.underWay) return;
    const command = this.checkpoints.begin(this.streams.all, now);
    if (command !== undefined) this.commands.push(command);
  }

  /** Voids what the journal holds; `source` is what it will hold from now on, undefined when that is not known. */
  prepare(source: Source | undefined): void {
    this.prepared = false;
    this.continues = false;
    this.preparing++;
    this.done = new ExtentSet();
    this.verification.forget();
    this.checkpoints.forget();
    this.commands.push({ type: 'prepare', source });
  }

  /** These parts are to be fetched again. */
  forget(extents: readonly Extent[]): void {
    this.done = this.done.without(extents);
    this.verification.forget();
    this.preparing++;
    this.commands.push({ type: 'forget', extents });
  }

  /** Forgets what is being received and what of it is not journalled. */
  abandon(): void {
    for (const stream of this.streams.live) this.abort(stream, true);
    this.streams.clear();
    this.checkpoints.forget();
  }

  // --- the end -------------------------------------------------------------------------------------------------------

  stop(): void {
    this.#ending ??= { kind: 'stopped' };
    this.drain();
  }

  /** Ends with an error; what was received counts. */
  endWith(error: CarmineError): void {
    this.#ending ??= { kind: 'failed', error };
    this.drain();
  }

  /** Ends with an error after which nothing on the disk is of use: Resume begins at 0. */
  giveUp(error: CarmineError): void {
    this.abandon();
    this.#ending = { kind: 'failed', error };
    this.prepare(undefined);
  }

  /** Ends at once: nothing can be carried to the journal any more. */
  breakOff(error: CarmineError): void {
    for (const stream of this.streams.live) this.abort(stream, true);
    this.#finish({ kind: 'failed', error });
  }

  complete(command: PlannerCommand): void {
    this.#over = true;
    this.commands.push(command);
  }

  /** Stops receiving, carries to the journal what was received, then ends. Nothing, unless it is to end. */
  drain(): void {
    const ending = this.#ending;
    if (ending === undefined || this.#over) return;
    for (const stream of this.streams.live) this.abort(stream, false);
    this.verification.end();
    if (this.preparing > 0) return;
    this.maybeCheckpoint();
    if (!this.checkpoints.underWay && this.streams.all.length === 0) this.#finish(ending);
  }

  #finish(ending: Ending): void {
    this.#ending = ending;
    this.#over = true;
    this.commands.push(ending.kind === 'stopped' ? { type: 'stopped' } : { type: 'fail', error: ending.error });
  }
}

/** The connection is no more; the next one has to get going, and nobody knows how fast it will be. */
function lose(slot: Slot): void {
  slot.meter.forget();
  slot.warm = false;
}
