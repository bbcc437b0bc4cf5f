import { type Extent, ExtentSet } from './extents.ts';
import type { Stream } from './stream.ts';

/**
 * The next part of the file to ask for: neither done nor claimed by a stream; undefined when there is none. With one
 * connection it is the whole gap. With several, gaps are cut so that each connection has a few pieces to go, which evens out
 * their speeds.
 */
export function nextPiece(
  length: number,
  done: ExtentSet,
  streams: readonly Stream[],
  connections: number,
  pieceBytes: number,
  largestPiece: number,
): Extent | undefined {
  const claimed = new ExtentSet(done.extents);
  for (const stream of streams) {
    claimed.add({ start: stream.journalled, end: stream.state === 'closed' ? stream.received : stream.end });
  }
  const gap = claimed.gaps(length)[0];
  if (gap === undefined || connections === 1) return gap;
  const share = Math.ceil((length - claimed.total) / (connections * piecesPerConnection));
  // Whole multiples: neighbours meet where file systems like it.
  const piece = Math.ceil(share / pieceBytes) * pieceBytes;
  const size = Math.min(piece, Math.max(largestPiece, pieceBytes));
  // No crumbs: what would be left of a gap goes with its last piece.
  return gap.end - gap.start <= size * 1.5 ? gap : { start: gap.start, end: gap.start + size };
}

const piecesPerConnection = 4;
