import { type Extent, ExtentSet } from './extents.ts';
import type { Slot, Stream } from './stream.ts';

/** Sizes of what a connection is given; bytes. */
export interface SegmentSizes {
  /** The smallest worth a request of its own. */
  readonly smallest: number;
  readonly largest: number;
}

/** The far part of what another stream was to fetch, and where that one is to end now. */
export interface Theft {
  readonly victim: Stream;
  readonly start: number;
  readonly end: number;
}

/** What of the file is neither done nor anybody's, in order. */
export function freeExtents(length: number, done: ExtentSet, streams: readonly Stream[]): Extent[] {
  const claimed = new ExtentSet(done.extents);
  for (const stream of streams) {
    claimed.add({ start: stream.journalled, end: stream.state === 'closed' ? stream.received : stream.end });
  }
  return claimed.gaps(length);
}

/**
 * The part of the free extents that `slot` is to ask for. With one connection it is the whole first one. With several it shrinks
 * with what is left, which evens out their speeds: large parts first, so that little time goes by between answer and question.
 */
export function nextSegment(
  free: readonly Extent[],
  slot: Slot,
  streams: readonly Stream[],
  connections: number,
  sizes: SegmentSizes,
  now: number,
): Extent | undefined {
  const gap = free[0];
  if (gap === undefined || connections === 1) return gap;
  const left = free.reduce((sum, { start, end }) => sum + end - start, 0);
  const rate = slot.meter.rate(now);
  const usual = usualRate(streams, now);
  // A slow connection gets less, so that the others need not take it away again. When nobody brings anything, nobody is slow.
  const skill = rate === undefined || !usual ? 1 : Math.min(2, Math.max(1 / 16, rate / usual));
  // As long as nobody knows how fast anybody is, less is at stake.
  const ahead = usual === undefined ? 2 * sharesAhead : sharesAhead;
  const share = (left / (connections * ahead)) * skill;
  const speed = (rate ?? usual ?? 0) / 1_000;
  // Not so little that waiting for the next answer is a large part of it.
  const worthIt = speed * (slot.latency ?? 0) * answersAhead;
  const wanted = Math.min(sizes.largest, Math.max(share, worthIt, leastPiece(sizes, rate ?? usual)));
  // Whole multiples: neighbours meet where file systems like it.
  const size = Math.ceil(wanted / grain(sizes)) * grain(sizes);
  // No crumbs: what would be left of a gap goes with its last piece.
  return gap.end - gap.start <= size * 1.5 ? gap : { start: gap.start, end: gap.start + size };
}

/** Where connections are slow, pieces are smaller than elsewhere: it is time that makes them end together. */
function leastPiece({ smallest }: SegmentSizes, rate: number | undefined): number {
  return rate === undefined ? smallest : Math.min(smallest, Math.max(smallest / 8, (rate * leastTime) / 1_000));
}

/** What pieces are multiples of; bytes. */
function grain({ smallest }: SegmentSizes): number {
  return Math.max(1, Math.floor(smallest / 16));
}

/**
 * Work stealing: what an idle connection takes of the stream that would end last. The far half where both are equally fast, more
 * where the idle one is faster, so that both end together; undefined where nothing would be won.
 * `heardAt`: when anybody brought anything last.
 */
export function chooseTheft(
  streams: readonly Stream[],
  slot: Slot,
  sizes: SegmentSizes,
  now: number,
  heardAt = now,
): Theft | undefined {
  const usual = usualRate(streams, now);
  const mine = slot.meter.rate(now) ?? usual;
  const answer = slot.latency ?? usualLatency(streams) ?? 0;
  // A new connection has to be made first.
  const latency = slot.warm ? answer : 2 * answer;
  let best: (Theft & { readonly left: number }) | undefined;
  for (const victim of streams) {
    if (victim.state === 'closed' || victim.purpose === 'probe' || victim.slot === slot) continue;
    const rest = victim.end - victim.received;
    const theirs = victim.state === 'open' ? (victim.slot.meter.rate(now) ?? usual) : usual;
    // Who has said nothing for a while may say nothing for as long again: TCP waits twice as long after each loss.
    const quiet = victim.paused ? 0 : now - (victim.state === 'open' ? victim.lastAt : victim.askedAt);
    // When nobody brings anything, another connection is no better.
    const patience = Math.max(leastSilence, silentAnswers * answer) * 2 ** victim.takeovers;
    const silent = quiet >= patience && now - heardAt < dark;
    const left = Math.max(theirs === undefined ? (silent ? 0 : rest) : (rest * 1_000) / Math.max(theirs, 1), quiet);
    if (best !== undefined && left <= best.left) continue;
    // Who has not begun yet may be as fast as anybody; and only the silent are robbed of everything, or it would not end.
    const pace = theirs === undefined ? undefined : Math.min(theirs, (rest * 1_000) / Math.max(left, 1));
    const fair = victim.state === 'open' ? portion(rest, mine, pace, latency) : rest / 2;
    const taken = Math.floor(silent && fair >= rest / 2 ? rest : Math.min(fair, rest - 1));
    // In the first moments nobody knows how fast anybody is; then only much is worth it.
    const least = theirs === undefined ? sizes.smallest * 2 : Math.floor(leastPiece(sizes, mine) / 4);
    if (taken < Math.max(1, taken === rest ? 0 : least)) continue;
    // Asking costs an answer's time and, in the end, the victim's connection.
    if (theirs !== undefined && left < 2 * latency + leastLeft) continue;
    best = { victim, start: victim.end - taken, end: victim.end, left };
  }
  return best;
}

/** Of `rest` bytes, how many the idle connection takes so that both end at the same time. */
function portion(rest: number, mine: number | undefined, theirs: number | undefined, latency: number): number {
  if (mine === undefined || theirs === undefined) return rest / 2;
  const meanwhile = (theirs * latency) / 1_000;
  return ((rest - meanwhile) * mine) / Math.max(1, mine + theirs);
}

/** Bytes per second of one connection, the mean of those that receive. */
export function usualRate(streams: readonly Stream[], now: number): number | undefined {
  const rates = streams
    .filter((stream) => stream.state === 'open')
    .map((stream) => stream.slot.meter.rate(now))
    .filter((rate) => rate !== undefined);
  return rates.length === 0 ? undefined : rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
}

function usualLatency(streams: readonly Stream[]): number | undefined {
  return streams.find((stream) => stream.slot.latency !== undefined)?.slot.latency;
}

/** Parts of equal size that each connection would still get. */
const sharesAhead = 2;
/** A part takes at least this many times as long as waiting for its answer. */
const answersAhead = 4;
/** Milliseconds that the smallest part takes, where connections are slow. */
const leastTime = 100;
/** Milliseconds without a word, and as many times an answer's, after which another connection may have all that a stream was to fetch. */
const leastSilence = 400;
const silentAnswers = 4;
/** Milliseconds without anything from anybody, after which it is not the connection. */
const dark = 5_000;
/** Milliseconds that a stream must still need before anybody takes some of it. */
const leastLeft = 100;
