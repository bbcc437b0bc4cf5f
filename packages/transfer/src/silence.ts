import { usualRate } from './segments.ts';
import type { Slot, Stream } from './stream.ts';

/**
 * The streams whose connection is taken for dead: nothing came for so long that a new connection is the better bet. TCP itself
 * waits longer and longer after losses; a new connection finds out at once whether the way is free again. While others bring
 * much, that is soon: the way is free. Each time in vain the wait doubles, so that a server that is merely slow is heard in the end.
 */
export function silentStreams(streams: readonly Stream[], now: number): Stream[] {
  const heard = Math.max(...streams.filter(({ state }) => state === 'open').map(({ lastAt }) => lastAt));
  // Where little comes, a second without anything is nothing unusual.
  const flowing = now - heard <= lately && (usualRate(streams, now) ?? 0) >= much;
  return streams.filter((stream) => {
    if (stream.paused || stream.purpose === 'probe') return false;
    if (stream.state === 'open')
      return now - stream.lastAt >= wait(flowing ? besideOthers(stream) : inBody, stream.slot);
    return stream.state === 'asked' && now - stream.askedAt >= wait(beforeHead, stream.slot);
  });
}

/** Servers that send in bursts are given time for the next one. */
function besideOthers({ longestPause, slot }: Stream): number {
  return Math.min(inBody, Math.max(besideFlow, burstsMissed * longestPause, answersMissed * (slot.latency ?? 0)));
}

function wait(base: number, { silences }: Slot): number {
  return Math.min(base * 2 ** silences, longest);
}

/** UNSPECIFIED: milliseconds. MC-BUP 3.6.2 gives an answer five minutes, which the receivers keep. */
const inBody = 4_000;
const besideFlow = 1_000;
const beforeHead = 10_000;
const longest = 300_000;
const lately = 500;
const burstsMissed = 4;
const answersMissed = 8;
/** Bytes per second of one connection, the mean: some thirty packets. */
const much = 50_000;
