import type { Slot, Stream } from './stream.ts';

/**
 * The streams whose connection is taken for dead: nothing came for so long that a new connection is the better bet. TCP itself
 * waits longer and longer after losses; a new connection finds out at once whether the way is free again. Each time in vain the
 * wait doubles, so that a server that is merely slow is heard in the end.
 */
export function silentStreams(streams: readonly Stream[], now: number): Stream[] {
  return streams.filter((stream) => {
    if (stream.paused || stream.purpose === 'probe') return false;
    if (stream.state === 'open') return now - stream.lastAt >= wait(inBody, stream.slot);
    return stream.state === 'asked' && now - stream.askedAt >= wait(beforeHead, stream.slot);
  });
}

function wait(base: number, { silences }: Slot): number {
  return Math.min(base * 2 ** silences, longest);
}

/** UNSPECIFIED: milliseconds. MC-BUP 3.6.2 gives an answer five minutes, which the receivers keep. */
const inBody = 4_000;
const beforeHead = 10_000;
const longest = 300_000;
