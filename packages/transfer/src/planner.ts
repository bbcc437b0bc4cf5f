import { CarmineError } from '@carmine/errors';
import { Checkpoints } from './checkpoints.ts';
import { type Extent, ExtentSet } from './extents.ts';
import { acceptsRanges, type ResponseHead } from './headers.ts';
import { nextPiece } from './pieces.ts';
import type { Planner, PlannerCommand, PlannerEvent, PlannerOptions, PlannerPhase } from './planner-types.ts';
import { judgeResponse, readSource } from './response-rules.ts';
import { type Source, sameVersion, validatorOf } from './source.ts';
import type { Stream } from './stream.ts';

/**
 * Plans the transfer of one file (MC-BUP 3.6: SIZE by HEAD, then DOWNLOAD by fragments).
 *
 * The missing bytes are cut into pieces; each connection fetches one piece at a time as a *stream*. A stream's bytes go
 * through three offsets, `received ≥ written ≥ journalled`, and only journalled ones are called transferred. One
 * checkpoint at a time carries written bytes of all streams to the journal. A stream is paused while a whole checkpoint
 * of it is not journalled yet, so a crash costs at most that much per stream.
 */
export function createPlanner(options: PlannerOptions = {}): Planner {
  return new PlannerState(options);
}

type Ending = { readonly kind: 'stopped' } | { readonly kind: 'failed'; readonly error: CarmineError };

class PlannerState implements Planner {
  readonly #connections: number | undefined;
  readonly #checkpoints: Checkpoints;
  readonly #largeFile: number;
  readonly #pieceBytes: number;
  #expectedSha256: string | undefined;
  #computeSha256: boolean;

  readonly #commands: PlannerCommand[] = [];
  #streams: Stream[] = [];
  #nextStream = 1;
  #source: Source | undefined;
  /** The version that was given up; if the server still has it, nothing was lost. */
  #previous: Source | undefined;
  #done = new ExtentSet();
  #verified: string | undefined;
  /** True when the journal's header is that of `#source`. */
  #prepared = false;
  /** A new header, or none, is being written. */
  #preparing = false;
  #headRefused = false;
  /** Whether the server serves ranges; undefined until it says or shows it. */
  #ranges: boolean | undefined;
  /** Connections that may be open at once; lowered when the server refuses more. */
  #cap = Number.POSITIVE_INFINITY;
  #retries = 0;
  #changes = 0;
  #verifying = false;
  #ending: Ending | undefined;
  /** No more commands will come. */
  #over = false;
  #answered = false;

  constructor(options: PlannerOptions) {
    this.#connections = options.connections;
    const { checkpointBytes = 8 * 1024 * 1024, checkpointTime = 1_000 } = options;
    this.#checkpoints = new Checkpoints({ bytes: checkpointBytes, time: checkpointTime });
    this.#largeFile = options.largeFile ?? 32 * 1024 * 1024;
    this.#pieceBytes = options.pieceBytes ?? 8 * 1024 * 1024;
    this.#expectedSha256 = options.expectedSha256;
    this.#computeSha256 = options.computeSha256 ?? false;
    if (options.resumed !== undefined) {
      this.#source = options.resumed.source;
      this.#done = new ExtentSet(options.resumed.done.extents);
      this.#verified = options.resumed.verified;
      this.#prepared = true;
    }
  }

  get phase(): PlannerPhase {
    if (this.#over && this.#ending === undefined) return 'done';
    if (this.#verifying) return 'verifying';
    return this.#answered ? 'transferring' : 'connecting';
  }

  get source(): Source | undefined {
    return this.#source ?? this.#previous;
  }

  get transferred(): number {
    return this.#done.total;
  }

  get contiguous(): number {
    if (this.#preparing) return 0;
    const parts = [
      ...this.#done.extents,
      ...this.#streams.map(({ journalled, written }) => ({ start: journalled, end: written })),
    ];
    return new ExtentSet(parts).extents.find(({ start }) => start === 0)?.end ?? 0;
  }

  get wantsDigest(): boolean {
    return this.#computeSha256 || this.#expectedSha256 !== undefined || this.#source?.digest !== undefined;
  }

  expect(digest: { readonly expectedSha256?: string | undefined; readonly computeSha256?: boolean | undefined }): void {
    this.#expectedSha256 = digest.expectedSha256;
    this.#computeSha256 = digest.computeSha256 ?? false;
  }

  poll(): PlannerCommand | undefined {
    return this.#commands.shift();
  }

  nextTimeout(): number | undefined {
    return this.#over ? undefined : this.#checkpoints.nextTimeout();
  }

  handle(event: PlannerEvent, now: number): void {
    if (this.#over) return;
    switch (event.type) {
      case 'start':
        this.#start();
        return;
      case 'responded':
        this.#withStream(event.stream, (stream) => this.#responded(stream, event.head));
        return;
      case 'received':
        this.#withStream(event.stream, (stream) => this.#received(stream, event.bytes, now));
        return;
      case 'written':
        this.#withStream(event.stream, (stream) => this.#written(stream, event.bytes, now));
        return;
      case 'ended':
        this.#withStream(event.stream, (stream) => this.#ended(stream, now));
        return;
      case 'failed':
        this.#withStream(event.stream, (stream) => this.#failed(stream, event.error));
        return;
      case 'prepared':
        this.#onPrepared();
        return;
      case 'journalled':
        this.#journalled(event.sequence, now);
        return;
      case 'verified':
        this.#onVerified(event.sha256);
        return;
      case 'broken':
        for (const stream of this.#live()) this.#abort(stream, true);
        this.#finish({ kind: 'failed', error: event.error });
        return;
      case 'stop':
        this.#ending ??= { kind: 'stopped' };
        this.#drain();
        return;
      case 'timeout':
        this.#timeout(now);
        return;
    }
  }

  #start(): void {
    // What was received of a version that nothing identifies cannot be continued (promise 1).
    if (this.#source !== undefined && !this.#joinable() && this.#done.total < this.#source.length) {
      this.#source = undefined;
    }
    this.#advance();
  }

  // --- what the server says ------------------------------------------------------------------------------------------

  #responded(stream: Stream, head: ResponseHead): void {
    if (stream.state !== 'asked') return;
    this.#answered = true;
    if (stream.purpose === 'probe') {
      // The answer to HEAD ends at once; waiting for that keeps the connection.
      stream.head = head;
      stream.state = 'open';
      return;
    }
    try {
      if (stream.purpose === 'data') {
        this.#judge(stream, head);
      } else {
        this.#abort(stream, true);
        this.#learn(stream, head);
      }
    } catch (thrown) {
      this.#abort(stream, true);
      this.#failedBy(stream, CarmineError.from(thrown));
    }
  }

  #learn(stream: Stream, head: ResponseHead): void {
    if (stream.purpose === 'probe' && (head.status === 405 || head.status === 501)) {
      // A server without HEAD: a GET without Range tells the same.
      this.#headRefused = true;
      this.#advance();
      return;
    }
    const source = readSource(head);
    if (stream.purpose === 'probe' && source.length === 0) {
      // Servers that do not know HEAD say 0 too: only a GET tells whether the file is empty.
      this.#headRefused = true;
      this.#advance();
      return;
    }
    this.#ranges = acceptsRanges(head.headers);
    this.#source = source;
    // A false alarm: the server has the version whose bytes are on the disk.
    const unchanged = this.#previous !== undefined && sameVersion(this.#previous, source);
    this.#previous = undefined;
    if (unchanged && this.#prepared) this.#advance();
    else this.#prepare(source);
  }

  #judge(stream: Stream, head: ResponseHead): void {
    const source = this.#source;
    if (source === undefined) return;
    const verdict = judgeResponse(stream, source, head);
    if (verdict.kind === 'changed') {
      this.#restart();
      return;
    }
    if (verdict.whole) {
      // 200 to `bytes=0-n`: the server ignores ranges. Good enough when this stream is all there is.
      if (this.#done.total > 0 || this.#streams.length > 1) throw new CarmineError('transfer/no-ranges');
      this.#ranges = false;
    } else if (stream.ranged) {
      this.#ranges = true;
    }
    stream.end = verdict.end;
    stream.state = 'open';
    this.#regulate(stream);
    if (verdict.digest !== undefined && source.digest === undefined) {
      this.#source = { ...source, digest: verdict.digest };
      this.#commands.push({ type: 'noteDigest', sha256: verdict.digest });
    }
    this.#advance();
  }

  #received(stream: Stream, bytes: number, now: number): void {
    if (stream.state !== 'open') return;
    if (stream.received + bytes > stream.end) {
      this.#abort(stream, true);
      const error = new CarmineError('transfer/invalid-response', {
        context: { origin: 'the server', reason: 'more data than announced' },
      });
      this.#failedBy(stream, error);
      return;
    }
    stream.received += bytes;
    this.#checkpoints.received(now);
    this.#regulate(stream);
  }

  #ended(stream: Stream, now: number): void {
    if (stream.head !== undefined) {
      this.#close(stream);
      try {
        this.#learn(stream, stream.head);
      } catch (thrown) {
        this.#failedBy(stream, CarmineError.from(thrown));
      }
      return;
    }
    if (stream.state !== 'open' || stream.received < stream.end) {
      const error = new CarmineError('transfer/connection-lost', { context: { origin: 'the server' } });
      this.#failed(stream, error);
      return;
    }
    this.#close(stream);
    this.#advance();
    this.#maybeCheckpoint(now);
  }

  #failed(stream: Stream, error: CarmineError): void {
    if (stream.state === 'closed') return;
    this.#close(stream);
    this.#failedBy(stream, error);
  }

  /** The stream is closed already; decides what that means for the transfer. */
  #failedBy(stream: Stream, error: CarmineError): void {
    if (this.#ending !== undefined) {
      this.#drain();
      return;
    }
    if (error.code === 'transfer/no-ranges' || error.code === 'transfer/length-changed') {
      this.#giveUp(error);
      return;
    }
    if (error.kind !== 'transient') {
      this.#endWith(error);
      return;
    }
    const interrupted = stream.received > stream.start;
    if (interrupted && this.#ranges === false) {
      this.#giveUp(new CarmineError('transfer/no-ranges'));
      return;
    }
    if (interrupted && !this.#joinable()) {
      // Nothing ties the next answer to this version: what we have cannot be continued (promise 1).
      if (this.#retries >= immediateRetries) {
        this.#giveUp(error);
        return;
      }
      this.#retries++;
      this.#restartSameSource();
      return;
    }
    if (error.code === 'transfer/connection-lost' && this.#retries < immediateRetries) {
      this.#retries++;
      this.#advance();
      return;
    }
    const others = this.#live().length;
    if (others === 0) {
      this.#endWith(error);
      return;
    }
    // The server may allow fewer connections: go on with those that work.
    this.#cap = others;
    this.#advance();
  }

  // --- the disk ------------------------------------------------------------------------------------------------------

  #onPrepared(): void {
    this.#preparing = false;
    this.#prepared = true;
    if (this.#ending !== undefined) {
      this.#drain();
      return;
    }
    this.#advance();
  }

  #written(stream: Stream, bytes: number, now: number): void {
    stream.written += bytes;
    this.#regulate(stream);
    this.#maybeCheckpoint(now);
    if (this.#ending !== undefined) this.#drain();
  }

  #journalled(sequence: number, now: number): void {
    const extents = this.#checkpoints.journalled(sequence);
    if (extents === undefined) return;
    for (const extent of extents) this.#done.add(extent);
    if (this.#joinable()) this.#retries = 0;
    this.#streams = this.#streams.filter((stream) => stream.state !== 'closed' || stream.journalled < stream.received);
    this.#checkpoints.settle(this.#streams, now);
    for (const stream of this.#streams) this.#regulate(stream);
    if (this.#ending === undefined) this.#advance();
    this.#maybeCheckpoint(now);
    if (this.#ending !== undefined) this.#drain();
  }

  #onVerified(sha256: string): void {
    if (!this.#verifying) return;
    this.#verifying = false;
    if (this.#ending !== undefined) {
      this.#drain();
      return;
    }
    this.#verified = sha256;
    this.#advance();
  }

  #timeout(now: number): void {
    if (!this.#checkpoints.timeout(now)) return;
    for (const stream of this.#streams) {
      if (stream.received > stream.written) this.#commands.push({ type: 'flush', stream: stream.id });
    }
    this.#maybeCheckpoint(now);
  }

  #maybeCheckpoint(now?: number): void {
    if (!this.#prepared || this.#verifying) return;
    const command = this.#checkpoints.begin(this.#streams, now);
    if (command !== undefined) this.#commands.push(command);
  }

  #regulate(stream: Stream): void {
    this.#commands.push(...this.#checkpoints.regulate(this.#streams, stream));
  }

  // --- moving on -----------------------------------------------------------------------------------------------------

  /** Opens what may be opened; when nothing is missing any more, verifies and completes. */
  #advance(): void {
    const source = this.#source;
    if (this.#ending !== undefined || this.#preparing || this.#verifying) return;
    if (source === undefined) {
      if (this.#live().length === 0) this.#ask(this.#headRefused ? 'learn' : 'probe', 0, 0, false);
      return;
    }
    for (;;) {
      const live = this.#live();
      const target = Math.min(this.#target(source), this.#cap);
      if (live.length >= Math.max(1, target)) return;
      const gap = this.#nextGap(source);
      if (gap === undefined) break;
      const whole = gap.start === 0 && gap.end === source.length;
      this.#ask('data', gap.start, gap.end, !whole);
    }
    if (this.#streams.length === 0 && this.#done.total === source.length) this.#conclude(source);
  }

  #conclude(source: Source): void {
    if (this.wantsDigest && this.#verified === undefined) {
      this.#verifying = true;
      this.#commands.push({ type: 'verify' });
      return;
    }
    const actual = this.#verified;
    const expected = [this.#expectedSha256, source.digest].find((wanted) => wanted !== undefined && wanted !== actual);
    if (actual !== undefined && expected !== undefined) {
      this.#giveUp(new CarmineError('transfer/digest-mismatch', { context: { actual, expected } }));
      return;
    }
    this.#over = true;
    this.#commands.push({ type: 'complete', sha256: this.#verified });
  }

  #target(source: Source): number {
    if (!this.#joinable() || this.#ranges === false) return 1;
    const wanted = this.#wantedConnections(source);
    // Until the server shows that it knows ranges, one stream finds out.
    return this.#ranges === true ? wanted : 1;
  }

  #wantedConnections(source: Source): number {
    return this.#connections ?? (source.length >= this.#largeFile ? 4 : 1);
  }

  /** The next piece to fetch: neither done nor claimed by a stream. */
  #nextGap(source: Source): Extent | undefined {
    const several = this.#joinable() && this.#ranges !== false;
    const connections = several ? this.#wantedConnections(source) : 1;
    // A digest follows what is there from the beginning; large pieces would leave most of it for the end.
    const largest = this.wantsDigest ? digestedPiece : largestPiece;
    return nextPiece(source.length, this.#done, this.#streams, connections, this.#pieceBytes, largest);
  }

  /** Whether bytes of different answers may stand in one file. */
  #joinable(): boolean {
    const source = this.#source;
    if (source === undefined) return false;
    return validatorOf(source) !== undefined || source.digest !== undefined || this.#expectedSha256 !== undefined;
  }

  #ask(purpose: Stream['purpose'], start: number, end: number, ranged: boolean): void {
    const taken = new Set(this.#live().map((stream) => stream.slot));
    let slot = 0;
    while (taken.has(slot)) slot++;
    const id = this.#nextStream++;
    this.#streams.push({
      id,
      slot,
      purpose,
      ranged,
      start,
      end,
      state: 'asked',
      head: undefined,
      paused: false,
      received: start,
      written: start,
      journalled: start,
    });
    const source = purpose === 'data' ? this.#source : undefined;
    this.#commands.push({
      type: 'request',
      stream: id,
      slot,
      request: {
        method: purpose === 'probe' ? 'HEAD' : 'GET',
        range: ranged ? { start, end } : undefined,
        validator: source === undefined ? undefined : validatorOf(source),
      },
    });
  }

  /** Voids what the journal holds; `source` is what it will hold from now on, undefined when that is not known. */
  #prepare(source: Source | undefined): void {
    this.#prepared = false;
    this.#preparing = true;
    this.#done = new ExtentSet();
    this.#verified = undefined;
    this.#checkpoints.forget();
    this.#commands.push({ type: 'prepare', source });
  }

  /** The server has another version: ask what it has now. Bounded, or a busy file would keep us for ever. */
  #restart(): void {
    for (const stream of this.#streams) if (stream.state !== 'closed') this.#abort(stream, true);
    this.#discardStreams();
    this.#changes++;
    if (this.#changes > maximumChanges) {
      this.#endWith(new CarmineError('transfer/source-keeps-changing', { context: { count: this.#changes } }));
      return;
    }
    this.#previous = this.#source;
    this.#source = undefined;
    this.#ranges = undefined;
    this.#advance();
  }

  #restartSameSource(): void {
    for (const stream of this.#live()) this.#abort(stream, true);
    this.#discardStreams();
    this.#prepare(this.#source);
  }

  /** Ends with an error after which nothing on the disk is of use: Resume begins at 0. */
  #giveUp(error: CarmineError): void {
    for (const stream of this.#live()) this.#abort(stream, true);
    this.#discardStreams();
    this.#ending = { kind: 'failed', error };
    this.#prepare(undefined);
  }

  #discardStreams(): void {
    this.#streams = [];
    this.#checkpoints.forget();
  }

  #endWith(error: CarmineError): void {
    this.#ending ??= { kind: 'failed', error };
    this.#drain();
  }

  /** Stops receiving, carries to the journal what was received, then ends. */
  #drain(): void {
    const ending = this.#ending;
    if (ending === undefined || this.#over) return;
    for (const stream of this.#live()) this.#abort(stream, false);
    this.#verifying = false;
    if (this.#preparing) return;
    this.#maybeCheckpoint();
    if (!this.#checkpoints.underWay && this.#streams.length === 0) this.#finish(ending);
  }

  #finish(ending: Ending): void {
    this.#ending = ending;
    this.#over = true;
    this.#commands.push(ending.kind === 'stopped' ? { type: 'stopped' } : { type: 'fail', error: ending.error });
  }

  // --- streams -------------------------------------------------------------------------------------------------------

  #withStream(id: number, use: (stream: Stream) => void): void {
    // Events of a stream that was given up meanwhile are late, not wrong.
    const stream = this.#streams.find((candidate) => candidate.id === id);
    if (stream !== undefined) use(stream);
  }

  #live(): Stream[] {
    return this.#streams.filter((stream) => stream.state !== 'closed');
  }

  #abort(stream: Stream, discard: boolean): void {
    if (stream.state === 'closed') return;
    stream.state = 'closed';
    this.#commands.push({ type: 'abort', stream: stream.id, discard });
    if (discard || stream.received === stream.journalled)
      this.#streams = this.#streams.filter((other) => other !== stream);
    else if (stream.received > stream.written) this.#commands.push({ type: 'flush', stream: stream.id });
  }

  #close(stream: Stream): void {
    stream.state = 'closed';
    if (stream.received === stream.journalled) this.#streams = this.#streams.filter((other) => other !== stream);
    else if (stream.received > stream.written) this.#commands.push({ type: 'flush', stream: stream.id });
  }
}

/** UNSPECIFIED: how often a dropped connection is retried at once; 3 were seen in the field (spec/bits.md 4.4). */
const immediateRetries = 3;
const maximumChanges = 5;
/** Bytes of a piece, at most. */
const largestPiece = 256 * 1024 * 1024;
const digestedPiece = 16 * 1024 * 1024;
