import { CarmineError } from '@carmine/errors';
import { AnswerTimes } from './answer-times.ts';
import { blockListUrl } from './block-list.ts';
import { Checkpoints } from './checkpoints.ts';
import { ConnectionGovernor } from './connection-governor.ts';
import { type Extent, ExtentSet } from './extents.ts';
import { immediateRetries, judgeFailure } from './failures.ts';
import { acceptsRanges, describedBy, parseContentRange, type ResponseHead } from './headers.ts';
import type { Planner, PlannerCommand, PlannerEvent, PlannerOptions, PlannerPhase } from './planner-types.ts';
import { judgeResponse, readSource } from './response-rules.ts';
import { chooseTheft, freeExtents, nextSegment, type SegmentSizes } from './segments.ts';
import { silentStreams } from './silence.ts';
import { type Source, sameContent, sameVersion, validatorOf } from './source.ts';
import type { Slot, Stream } from './stream.ts';
import { StreamTable } from './stream-table.ts';

/**
 * Plans the transfer of one file (MC-BUP 3.6, DOWNLOAD by fragments; the first GET tells what SIZE would).
 *
 * The missing bytes are shared out among connections (`segments.ts`), as many as pay (`connection-governor.ts`); each fetches one
 * segment at a time as a *stream*. A stream's bytes go through three offsets, `received ≥ written ≥ journalled`, and only
 * journalled ones are called transferred (`checkpoints.ts`). What failures mean is in `failures.ts`, silence in `silence.ts`.
 */
export function createPlanner(options: PlannerOptions = {}): Planner {
  return new PlannerState(options);
}

type Ending = { readonly kind: 'stopped' } | { readonly kind: 'failed'; readonly error: CarmineError };

class PlannerState implements Planner {
  readonly #checkpoints: Checkpoints;
  readonly #governor: ConnectionGovernor;
  readonly #answerTimes = new AnswerTimes();
  readonly #pieceBytes: number;
  readonly #connections: number | undefined;
  readonly #probe: boolean;
  readonly #url: string | undefined;
  /** Sources that may be used, as far as known. */
  #mirrors: number[];
  /** What is there is of another URL: it counts when the one that we have now has the same. */
  #moved = false;
  #blockList: string | undefined;
  #mismatch: { readonly actual: string; readonly expected: string } | undefined;
  #repairs = 0;
  #expectedSha256: string | undefined;
  #computeSha256: boolean;

  readonly #commands: PlannerCommand[] = [];
  readonly #streams = new StreamTable();
  #source: Source | undefined;
  /** The version that was given up; if the server still has it, nothing was lost. */
  #previous: Source | undefined;
  #done = new ExtentSet();
  #verified: string | undefined;
  /** True when the journal's header is that of `#source`. */
  #prepared = false;
  /** Headers, or none, that are being written. */
  #preparing = 0;
  #headRefused = false;
  /** Whether the server serves ranges; undefined until it says or shows it. */
  #ranges: boolean | undefined;
  /** Something was there at the beginning. */
  readonly #resumed: boolean;
  #governed = false;
  /** Files begun anew because nothing tied their parts together. */
  #restarts = 0;
  #changes = 0;
  #received = 0;
  /** What was received when last nobody was left. */
  #receivedBefore = 0;
  /** Waits since then. */
  #waits = 0;
  /** When to ask again. */
  #resumeAt: number | undefined;
  #tickAt: number | undefined;
  #verifying = false;
  #ending: Ending | undefined;
  /** No more commands will come. */
  #over = false;
  #answered = false;
  #heldBack = false;
  /** When anything was last heard of anybody. */
  #heardAt = 0;

  constructor(options: PlannerOptions) {
    const { checkpointBytes, checkpointTime = 1_000, largeFile = 32 * 1024 * 1024 } = options;
    this.#checkpoints = new Checkpoints({ bytes: checkpointBytes, time: checkpointTime });
    this.#governor = new ConnectionGovernor({ fixed: options.connections, largeFile });
    this.#connections = options.connections;
    this.#probe = options.probe ?? false;
    this.#url = options.url;
    this.#mirrors = Array.from({ length: options.mirrors ?? 1 }, (_, index) => index);
    this.#pieceBytes = options.pieceBytes ?? 1024 * 1024;
    this.#expectedSha256 = options.expectedSha256;
    this.#computeSha256 = options.computeSha256 ?? false;
    this.#resumed = options.resumed !== undefined;
    if (options.resumed !== undefined) {
      this.#source = options.resumed.source;
      this.#done = new ExtentSet(options.resumed.done.extents);
      this.#verified = options.resumed.verified;
      this.#prepared = true;
      if (options.resumed.moved === true) {
        this.#moved = true;
        this.#previous = this.#source;
        this.#source = undefined;
      }
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
    if (this.#preparing > 0) return 0;
    const parts = [
      ...this.#done.extents,
      ...this.#streams.all.map(({ journalled, written }) => ({ start: journalled, end: written })),
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
    if (this.#over) return undefined;
    const due = this.#checkpoints.nextTimeout();
    const tick = this.#streams.live.length > 0 ? this.#tickAt : this.#resumeAt;
    return due === undefined || tick === undefined ? (due ?? tick) : Math.min(due, tick);
  }

  handle(event: PlannerEvent, now: number): void {
    if (this.#over) return;
    switch (event.type) {
      case 'start':
        this.#start(now);
        return;
      case 'responded':
        this.#withStream(event.stream, (stream) => this.#responded(stream, event.head, now));
        return;
      case 'received':
        this.receive(event.stream, event.bytes, now);
        return;
      case 'written':
        this.#withStream(event.stream, (stream) => this.#written(stream, event.bytes, now));
        return;
      case 'ended':
        this.#withStream(event.stream, (stream) => this.#ended(stream, now));
        return;
      case 'failed':
        this.#withStream(event.stream, (stream) => this.#failed(stream, event.error, now));
        return;
      case 'prepared':
        this.#onPrepared(now);
        return;
      case 'journalled':
        this.#journalled(event.sequence, now);
        return;
      case 'verified':
        this.#onVerified(event.sha256, now);
        return;
      case 'bad':
        this.#onBad(event.extents, now);
        return;
      case 'broken':
        for (const stream of this.#streams.live) this.#abort(stream, true);
        this.#finish({ kind: 'failed', error: event.error });
        return;
      case 'stop':
        this.#ending ??= { kind: 'stopped' };
        this.#drain();
        return;
      case 'heldBack':
        this.#heldBack = true;
        return;
      case 'letGo':
        this.#heldBack = false;
        this.#heardAt = now;
        for (const stream of this.#streams.live) stream.lastAt = now;
        return;
      case 'timeout':
        this.#timeout(now);
        return;
    }
  }

  receive(id: number, bytes: number, now: number): number {
    const stream = this.#over ? undefined : this.#streams.find(id);
    if (stream?.state !== 'open') return 0;
    if (stream.received + bytes > stream.natural) {
      this.#abort(stream, true);
      const error = new CarmineError('transfer/invalid-response', {
        context: { origin: 'the server', reason: 'more data than announced' },
      });
      this.#failedBy(stream, error, now);
      return 0;
    }
    // What comes after its part may still be nobody's: then it is its part too.
    while (stream.received + bytes >= stream.end && stream.end < stream.natural && this.#extend(stream, now));
    const taken = Math.min(bytes, stream.end - stream.received);
    stream.received += taken;
    stream.longestPause = Math.max(stream.longestPause, now - stream.lastAt);
    stream.lastAt = now;
    this.#heardAt = now;
    stream.slot.silences = 0;
    stream.slot.meter.add(taken, now);
    this.#received += taken;
    this.#checkpoints.received(now);
    this.#regulate(stream, now);
    if (stream.received === stream.end && stream.end < stream.natural) {
      this.#abort(stream, false);
      this.#advance(now);
      this.#maybeCheckpoint(now);
    }
    return taken;
  }

  #start(now: number): void {
    this.#heardAt = now;
    // What was received of a version that nothing identifies cannot be continued (promise 1).
    if (this.#source !== undefined && !this.#joinable() && this.#done.total < this.#source.length) {
      this.#source = undefined;
    }
    this.#advance(now);
  }

  // --- what the server says ------------------------------------------------------------------------------------------

  #responded(stream: Stream, head: ResponseHead, now: number): void {
    if (stream.state !== 'asked') return;
    this.#answered = true;
    this.#heardAt = now;
    stream.lastAt = now;
    // The time that connecting took, perhaps while nothing passed, says little about the next answer.
    stream.slot.latency = head.elapsed ?? now - stream.askedAt;
    if (head.elapsed !== undefined) this.#answerTimes.add(head.elapsed, now);
    stream.slot.meter.begin(now);
    if (stream.purpose === 'probe') {
      // The answer to HEAD ends at once; waiting for that keeps the connection.
      stream.head = head;
      stream.state = 'open';
      return;
    }
    try {
      if (stream.purpose === 'data') this.#judge(stream, head, now);
      else this.#learn(stream, head, now);
    } catch (thrown) {
      this.#abort(stream, true);
      this.#failedBy(stream, CarmineError.from(thrown), now);
    }
  }

  #learn(stream: Stream, head: ResponseHead, now: number): void {
    if (stream.purpose === 'probe' && (head.status === 405 || head.status === 501)) {
      // A server without HEAD: a GET tells the same.
      this.#headRefused = true;
      this.#advance(now);
      return;
    }
    if (stream.purpose === 'first' && (head.status === 412 || head.status === 416)) {
      // Nobody asked for a part, and on no condition: something between us and the server is confused.
      this.#restart(now);
      return;
    }
    const source = readSource(head);
    if (stream.purpose === 'probe' && source.length === 0) {
      // Servers that do not know HEAD say 0 too: only a GET tells whether the file is empty.
      this.#headRefused = true;
      this.#advance(now);
      return;
    }
    this.#ranges = acceptsRanges(head.headers);
    this.#source = source;
    // A false alarm: the server has the version whose bytes are on the disk.
    const unchanged = this.#previous !== undefined && this.#isSame(this.#previous, source);
    this.#previous = undefined;
    this.#noteBlockList(head);
    if (unchanged && this.#prepared) {
      if (this.#moved) this.#commands.push({ type: 'adopt', source });
      this.#moved = false;
      if (stream.purpose === 'first') this.#abort(stream, true);
      this.#advance(now);
      return;
    }
    this.#prepare(source);
    this.#govern(head.elapsed ?? (now - stream.askedAt) / 2, now);
    if (stream.purpose !== 'first') return;
    stream.state = 'open';
    stream.natural = source.length;
    const own = nextSegment([{ start: 0, end: source.length }], stream.slot, [], this.#sharers(), this.#sizes(), now);
    // Until the server shows that it knows ranges, this may have to be all.
    stream.end = this.#ranges === true && this.#joinable() ? (own?.end ?? 0) : source.length;
    this.#advance(now);
  }

  #isSame(ours: Source, theirs: Source): boolean {
    return this.#moved ? sameContent(ours, theirs, this.#expectedSha256, true) : sameVersion(ours, theirs);
  }

  #noteBlockList(head: ResponseHead): void {
    if (this.#url !== undefined) this.#blockList ??= blockListUrl(head.headers['link'], this.#url);
  }

  /** The first answer tells how far away the server is. */
  #govern(latency: number, now: number): void {
    if (this.#governed || this.#source === undefined) return;
    this.#governed = true;
    this.#governor.begin(latency, this.#source.length - this.#done.total, now, {
      inOrder: this.wantsDigest,
      secure: this.#url?.startsWith('https:') === true,
    });
  }

  #judge(stream: Stream, head: ResponseHead, now: number): void {
    const source = this.#source;
    if (source === undefined) return;
    if (this.#goesOnWhole(stream, head)) {
      this.#advance(now);
      return;
    }
    if (stream.mirror !== this.#mirrors[0] && !this.#isProven(source, head)) {
      // It has something else, or does not say what it has: the others go on without it.
      this.#abort(stream, true);
      this.#dropMirror(stream.mirror);
      this.#advance(now);
      return;
    }
    if (stream.mirror === 0) this.#noteBlockList(head);
    const pinned = stream.mirror === this.#mirrors[0] ? source : describedLike(source, head);
    const verdict = judgeResponse({ start: stream.start, end: stream.natural, ranged: stream.ranged }, pinned, head);
    if (verdict.kind === 'changed') {
      this.#restart(now);
      return;
    }
    if (verdict.whole) {
      // 200 to `bytes=0-n`: the server ignores ranges. Good enough when this stream is all there is.
      if (this.#done.total > 0 || this.#streams.all.length > 1) throw new CarmineError('transfer/no-ranges');
      this.#ranges = false;
    } else if (stream.ranged) {
      this.#ranges = true;
    }
    stream.natural = verdict.end;
    stream.end = verdict.whole ? verdict.end : Math.min(stream.end, verdict.end);
    stream.state = 'open';
    this.#govern(head.elapsed ?? (now - stream.askedAt) / 2, now);
    this.#regulate(stream, now);
    if (verdict.digest !== undefined && source.digest === undefined) {
      this.#source = { ...source, digest: verdict.digest };
      this.#commands.push({ type: 'noteDigest', sha256: verdict.digest });
    }
    this.#advance(now);
  }

  /** A mirror is used for what surely is the same: by its strong tag, or by a digest. */
  #isProven(source: Source, head: ResponseHead): boolean {
    const range = parseContentRange(head.headers['content-range']);
    const length = head.status === 206 ? range?.total : Number(head.headers['content-length'] ?? Number.NaN);
    if (length === undefined) return false;
    return sameContent(source, { length, ...describedBy(head.headers) }, this.#expectedSha256);
  }

  #dropMirror(mirror: number): void {
    this.#mirrors = this.#mirrors.filter((other) => other !== mirror);
  }

  /** A server that never said that it knows ranges does not: the stream that brings the whole file goes on alone. */
  #goesOnWhole(stream: Stream, head: ResponseHead): boolean {
    if (head.status !== 200 || !stream.ranged || this.#ranges === true) return false;
    const whole = this.#streams.live.find((other) => !other.ranged && other.state === 'open');
    if (whole === undefined) return false;
    this.#ranges = false;
    for (const other of this.#streams.live) if (other !== whole) this.#abort(other, true);
    whole.end = whole.natural;
    return true;
  }

  #ended(stream: Stream, now: number): void {
    if (stream.head !== undefined) {
      this.#close(stream);
      try {
        this.#learn(stream, stream.head, now);
      } catch (thrown) {
        this.#failedBy(stream, CarmineError.from(thrown), now);
      }
      return;
    }
    if (stream.state !== 'open' || stream.received < stream.end) {
      const error = new CarmineError('transfer/connection-lost', { context: { origin: 'the server' } });
      this.#failed(stream, error, now);
      return;
    }
    this.#close(stream);
    stream.slot.warm = true;
    this.#advance(now);
    this.#maybeCheckpoint(now);
  }

  #failed(stream: Stream, error: CarmineError, now: number): void {
    if (stream.state === 'closed') return;
    this.#close(stream);
    lose(stream.slot);
    this.#failedBy(stream, error, now);
  }

  /** The stream is closed already; decides what that means for the transfer. */
  #failedBy(stream: Stream, error: CarmineError, now: number): void {
    if (this.#ending !== undefined) {
      this.#drain();
      return;
    }
    // Ranges were only hoped for, and the answer with everything was cut short for them: the file is begun anew, by one alone.
    if (error.code === 'transfer/no-ranges' && !this.#resumed && this.#ranges === undefined) {
      this.#ranges = false;
      this.#restartSameSource();
      return;
    }
    const others = this.#streams.live.length;
    if (this.#leaves(stream, error)) {
      this.#advance(now);
      return;
    }
    const verdict = judgeFailure({
      error,
      interrupted: stream.received > stream.start,
      ranges: this.#ranges,
      joinable: this.#joinable(),
      failures: stream.slot.failures++,
      restarts: this.#restarts,
      others,
      progressed: this.#received > this.#receivedBefore,
      untouched: this.#received === 0 && this.#done.total === 0,
      waits: this.#received > this.#receivedBefore ? 0 : this.#waits,
      now,
    });
    switch (verdict.kind) {
      case 'again':
        this.#advance(now);
        return;
      case 'fewer':
        this.#governor.refused(others, now, verdict.patience);
        this.#advance(now);
        return;
      case 'later':
        this.#waits = this.#received > this.#receivedBefore ? 1 : this.#waits + 1;
        this.#receivedBefore = this.#received;
        this.#resumeAt = now + verdict.wait;
        this.#governor.refused(1, now);
        return;
      case 'anew':
        this.#restarts++;
        this.#restartSameSource();
        return;
      case 'useless':
        this.#giveUp(verdict.error);
        return;
      case 'end':
        this.#endWith(verdict.error);
        return;
    }
  }

  /** True when there are other sources to go on with. The first one is left only when it says that it has the file no more. */
  #leaves({ mirror, slot }: Stream, error: CarmineError): boolean {
    if (this.#mirrors.length < 2 || !this.#mirrors.includes(mirror) || this.#previous !== undefined) return false;
    if (error.code === 'transfer/connection-lost' && slot.failures++ < immediateRetries) return false;
    // What was received of a version that nothing else ties together cannot be continued elsewhere.
    if (this.#source !== undefined && !this.#joinable()) return false;
    this.#dropMirror(mirror);
    return true;
  }

  // --- the disk ------------------------------------------------------------------------------------------------------

  #onPrepared(now: number): void {
    if (--this.#preparing > 0) return;
    this.#prepared = true;
    if (this.#ending !== undefined) {
      this.#drain();
      return;
    }
    this.#advance(now);
    this.#maybeCheckpoint(now);
  }

  #written(stream: Stream, bytes: number, now: number): void {
    stream.written += bytes;
    this.#regulate(stream, now);
    this.#maybeCheckpoint(now);
    if (this.#ending !== undefined) this.#drain();
  }

  #journalled(sequence: number, now: number): void {
    const parts = this.#checkpoints.journalled(sequence);
    if (parts === undefined) return;
    for (const { stream, start, end } of parts) {
      this.#done.add({ start, end });
      stream.slot.failures = 0;
    }
    if (this.#joinable()) this.#restarts = 0;
    this.#streams.forgetJournalled();
    this.#checkpoints.settle(this.#streams.all, now);
    for (const stream of this.#streams.all) this.#regulate(stream, now);
    if (this.#ending === undefined) this.#advance(now);
    this.#maybeCheckpoint(now);
    if (this.#ending !== undefined) this.#drain();
  }

  /** Blocks that are not what they must be are fetched again, and nothing else. */
  #onBad(extents: readonly Extent[], now: number): void {
    const mismatch = this.#mismatch;
    if (!this.#verifying || mismatch === undefined) return;
    this.#verifying = false;
    this.#mismatch = undefined;
    if (this.#ending !== undefined) {
      this.#drain();
      return;
    }
    if (extents.length === 0) {
      this.#giveUp(new CarmineError('transfer/digest-mismatch', { context: mismatch }));
      return;
    }
    this.#done = this.#done.without(extents);
    this.#verified = undefined;
    this.#preparing++;
    this.#commands.push({ type: 'forget', extents });
    this.#advance(now);
  }

  #onVerified(sha256: string, now: number): void {
    if (!this.#verifying) return;
    this.#verifying = false;
    if (this.#ending !== undefined) {
      this.#drain();
      return;
    }
    this.#verified = sha256;
    this.#advance(now);
  }

  #timeout(now: number): void {
    if (this.#checkpoints.timeout(now)) {
      for (const stream of this.#streams.all) this.#flush(stream);
      this.#maybeCheckpoint(now);
    }
    if (this.#resumeAt !== undefined && now >= this.#resumeAt) {
      this.#resumeAt = undefined;
      this.#advance(now);
    }
    if (this.#tickAt !== undefined && now >= this.#tickAt) this.#tick(now);
  }

  #maybeCheckpoint(now?: number): void {
    if (!this.#prepared || this.#verifying) return;
    const command = this.#checkpoints.begin(this.#streams.all, now);
    if (command !== undefined) this.#commands.push(command);
  }

  #regulate(stream: Stream, now: number): void {
    const wasPaused = stream.paused;
    this.#commands.push(...this.#checkpoints.regulate(this.#streams.all, stream, now));
    // What it did not bring while it was held back was no silence of its own.
    if (!wasPaused || stream.paused) return;
    stream.lastAt = this.#tickAt ?? stream.lastAt;
    this.#heardAt = Math.max(this.#heardAt, stream.lastAt);
  }

  #flush(stream: Stream): void {
    if (stream.received > stream.written) this.#commands.push({ type: 'flush', stream: stream.id });
  }

  // --- moving on -----------------------------------------------------------------------------------------------------

  /** Now and then: connections that are dead, and whether more of them would pay. */
  #tick(now: number): void {
    this.#tickAt = now + tickTime;
    if (this.#ending !== undefined || this.#preparing > 0 || this.#verifying) return;
    // While the disk is behind, silence may be our own.
    const behind = this.#streams.all.some((stream) => stream.received > stream.written);
    if (!behind && !this.#heldBack && this.#joinable() && this.#ranges !== false) {
      for (const stream of silentStreams(this.#streams.live, now)) this.#replace(stream, now);
    }
    this.#governor.observe(this.#received, this.#streams.live.length, now, this.#answerTimes.isFree(now));
    if (this.#ending === undefined) this.#advance(now);
  }

  /** Gives up a silent connection; what it was to fetch is asked for again. */
  #replace(stream: Stream, now: number): void {
    if (this.#ending !== undefined || stream.state === 'closed') return;
    this.#abort(stream, false);
    if (++stream.slot.silences <= maximumSilences && now - this.#heardAt < longestSilence) return;
    const error = new CarmineError('transfer/timed-out', { context: { origin: 'the server' } });
    this.#failedBy(stream, error, now);
  }

  /** Opens what may be opened; when nothing is missing any more, verifies and completes. */
  #advance(now: number): void {
    const source = this.#source;
    this.#tickAt ??= now + tickTime;
    if (this.#ending !== undefined || this.#verifying || this.#resumeAt !== undefined) return;
    if (source === undefined) {
      if (this.#preparing > 0) return;
      // After a change HEAD is enough: what is there may still be right.
      const probe = (this.#probe || this.#previous !== undefined) && !this.#headRefused;
      const purpose = probe ? 'probe' : 'first';
      if (this.#streams.live.length === 0) this.#ask(purpose, this.#streams.freeSlot(), 0, 0, false, now);
      return;
    }
    // The journal is got ready meanwhile; what comes before that waits in memory.
    while (this.#streams.live.length < this.#target(now)) if (!this.#openOne(source, now)) break;
    if (this.#preparing > 0) return;
    const { length } = this.#streams.live;
    // There are idle ones: they watch closely whom they can help.
    if (length > 0 && length < this.#target(now)) this.#tickAt = Math.min(this.#tickAt, now + watchTime);
    if (this.#streams.all.length === 0 && this.#done.total === source.length) this.#conclude(source);
  }

  /** Puts one more connection to work; false when there is nothing for it to do. */
  #openOne(source: Source, now: number): boolean {
    const slot = this.#streams.freeSlot();
    const { live } = this.#streams;
    const free = freeExtents(source.length, this.#done, this.#streams.all);
    const segment = nextSegment(free, slot, live, this.#sharers(), this.#sizes(), now);
    if (segment !== undefined) {
      const whole = segment.start === 0 && segment.end === source.length;
      this.#ask('data', slot, segment.start, segment.end, !whole, now);
      return true;
    }
    if (live.length === 0 || !this.#joinable() || this.#ranges === false) return false;
    const theft = chooseTheft(live, slot, this.#sizes(), now, this.#heardAt);
    if (theft === undefined) return false;
    const { victim } = theft;
    victim.end = theft.start;
    const takeovers = victim.received >= victim.end ? victim.takeovers + 1 : 0;
    // Nothing is left to it: that happens to those that have not begun.
    if (victim.received >= victim.end) this.#abort(victim, false);
    this.#ask('data', slot, theft.start, theft.end, true, now, takeovers);
    return true;
  }

  /** A stream that has all of its part goes on with what follows, when that is nobody's. */
  #extend(stream: Stream, now: number): boolean {
    const source = this.#source;
    if (source === undefined) return false;
    const free = freeExtents(source.length, this.#done, this.#streams.all);
    const next = free.find(({ start }) => start === stream.end);
    if (next === undefined) return false;
    const part = { start: next.start, end: Math.min(next.end, stream.natural) };
    const segment = nextSegment([part], stream.slot, this.#streams.live, this.#sharers(), this.#sizes(), now);
    stream.end = segment?.end ?? stream.end;
    return segment !== undefined;
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
      if (this.#blockList !== undefined && this.#repairs < maximumRepairs) {
        this.#repairs++;
        this.#verifying = true;
        this.#mismatch = { actual, expected };
        this.#commands.push({ type: 'findBad', url: this.#blockList });
        return;
      }
      this.#giveUp(new CarmineError('transfer/digest-mismatch', { context: { actual, expected } }));
      return;
    }
    this.#over = true;
    this.#commands.push({ type: 'complete', sha256: this.#verified });
  }

  /** Connections that may be open. */
  #target(now: number): number {
    if (!this.#joinable() || this.#ranges === false) return 1;
    // Until the server shows that it knows ranges, one stream finds out beside the one that has everything.
    const most = this.#ranges === true ? Number.POSITIVE_INFINITY : this.#streams.hasWhole ? 2 : 1;
    return Math.min(most, this.#governor.target(now));
  }

  /** Connections that what is left is shared by. */
  #sharers(): number {
    if (!this.#joinable() || this.#ranges === false) return 1;
    if (this.#connections !== undefined || this.#governed) return this.#governor.wanted;
    return sharersUntilKnown;
  }

  #sizes(): SegmentSizes {
    // A digest follows what is there from the beginning; large pieces would leave most of it for the end.
    const largest = this.wantsDigest ? digestedPiece : largestPiece;
    return { smallest: this.#pieceBytes, largest: Math.max(largest, this.#pieceBytes) };
  }

  /** Whether bytes of different answers may stand in one file. */
  #joinable(): boolean {
    const source = this.#source;
    if (source === undefined) return false;
    return validatorOf(source) !== undefined || source.digest !== undefined || this.#expectedSha256 !== undefined;
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
    const mirror = this.#mirrors[purpose === 'data' ? slot.number % this.#mirrors.length : 0] ?? 0;
    const stream = this.#streams.add({ purpose, slot, mirror, start, end, ranged, now, takeovers });
    // A mirror's tag may be another one although a digest proves that it has the same.
    const known = this.#expectedSha256 !== undefined || this.#source?.digest !== undefined;
    const source = purpose === 'data' && (mirror === this.#mirrors[0] || !known) ? this.#source : undefined;
    this.#commands.push({
      type: 'request',
      stream: stream.id,
      slot: slot.number,
      mirror,
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
    this.#preparing++;
    this.#done = new ExtentSet();
    this.#verified = undefined;
    this.#checkpoints.forget();
    this.#commands.push({ type: 'prepare', source });
  }

  /** The server has another version: ask what it has now. Bounded, or a busy file would keep us for ever. */
  #restart(now: number): void {
    this.#abandon();
    this.#changes++;
    if (this.#changes > maximumChanges) {
      this.#endWith(new CarmineError('transfer/source-keeps-changing', { context: { count: this.#changes } }));
      return;
    }
    this.#previous = this.#source;
    this.#source = undefined;
    this.#ranges = undefined;
    this.#governed = false;
    this.#advance(now);
  }

  #restartSameSource(): void {
    this.#abandon();
    this.#prepare(this.#source);
  }

  /** Ends with an error after which nothing on the disk is of use: Resume begins at 0. */
  #giveUp(error: CarmineError): void {
    this.#abandon();
    this.#ending = { kind: 'failed', error };
    this.#prepare(undefined);
  }

  /** Forgets what is being received and what of it is not journalled. */
  #abandon(): void {
    for (const stream of this.#streams.live) this.#abort(stream, true);
    this.#streams.clear();
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
    for (const stream of this.#streams.live) this.#abort(stream, false);
    this.#verifying = false;
    if (this.#preparing > 0) return;
    this.#maybeCheckpoint();
    if (!this.#checkpoints.underWay && this.#streams.all.length === 0) this.#finish(ending);
  }

  #finish(ending: Ending): void {
    this.#ending = ending;
    this.#over = true;
    this.#commands.push(ending.kind === 'stopped' ? { type: 'stopped' } : { type: 'fail', error: ending.error });
  }

  #withStream(id: number, use: (stream: Stream) => void): void {
    // Events of a stream that was given up meanwhile are late, not wrong.
    const stream = this.#streams.find(id);
    if (stream !== undefined) use(stream);
  }

  #abort(stream: Stream, discard: boolean): void {
    if (stream.state === 'closed') return;
    this.#commands.push({ type: 'abort', stream: stream.id, discard });
    this.#streams.close(stream, discard);
    lose(stream.slot);
    if (!discard) this.#flush(stream);
  }

  #close(stream: Stream): void {
    this.#streams.close(stream, false);
    this.#flush(stream);
  }
}

/** The connection is no more; the next one has to get going, and nobody knows how fast it will be. */
function lose(slot: Slot): void {
  slot.meter.forget();
  slot.warm = false;
}

/** The source as a mirror's answer must describe it: its own validators are what they are, and were compared. */
function describedLike(source: Source, head: ResponseHead): Source {
  return { length: source.length, ...describedBy(head.headers) };
}

const maximumChanges = 5;
const maximumRepairs = 3;
/** Until we know how far away the server is. */
const sharersUntilKnown = 4;
/** Bytes of a piece, at most. */
const largestPiece = 256 * 1024 * 1024;
const digestedPiece = 16 * 1024 * 1024;
/** Milliseconds. */
const tickTime = 500;
const watchTime = 100;
/** Times that a connection is given up for silence before that is an error: two minutes, in the middle of a body. */
const maximumSilences = 5;
/** Milliseconds without a word from anybody, the same (MC-BUP 3.6.2: five minutes). */
const longestSilence = 300_000;
