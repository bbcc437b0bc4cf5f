import { CarmineError } from '@carmine/errors';
import { ChunkedEnd } from '../chunked-body.ts';
import { bodyOf, type HttpHead, headEnd, isChunked, maximumHead, parseHttpHead, staysOpen } from '../http-head.ts';
import type { ReceiveBuffer } from './buffer-pool.ts';

/** How far the reading of one answer has come. */
export type RawAnswer = ReadingHead | ReadingBody;

export interface ReadingHead {
  readonly at: 'head';
  /** Octets of the head that were looked at. */
  seen: number;
  /** Interim answers before it. */
  interim: number;
}

export interface ReadingBody {
  readonly at: 'body';
  /** Octets that are not handed on yet. */
  left: number;
  /** Whether the connection can be used again. */
  reusable: boolean;
  /** Where a body ends of which nothing is handed on. */
  readonly skip: ChunkedEnd | undefined;
}

/** Takes the head out of the buffer, and where it began; undefined: it is not whole. RFC 9110, section 15.2: interim answers may come unasked, and mean nothing here. */
export function takeHead(
  state: ReadingHead,
  buffer: ReceiveBuffer,
  origin: string,
): { readonly head: HttpHead; readonly start: number } | undefined {
  for (;;) {
    const end = headEnd(buffer.fresh.subarray(0, maximumHead), state.seen, origin);
    if (end === undefined) {
      state.seen = buffer.fresh.length;
      return undefined;
    }
    const head = parseHttpHead(buffer.fresh.subarray(0, end), origin);
    const start = buffer.taken;
    buffer.taken += end;
    if (head.status >= 200 || head.status === 101) return { head, start };
    if (++state.interim > maximumInterim) {
      throw new CarmineError('transfer/invalid-response', {
        context: { origin, reason: 'interim answers without end' },
      });
    }
    state.seen = 0;
  }
}

/** How the body behind this head is read; undefined: not by us. `answered`: it is a challenge, and will be answered. */
export function bodyBehind(
  head: HttpHead,
  method: 'HEAD' | 'GET',
  answered: boolean,
  origin: string,
): ReadingBody | undefined {
  const body = bodyOf(head, method);
  // A challenge in chunks ends somewhere too: what NTLM needs is the connection, not what it says to people.
  const skipped = body.kind === 'unusual' && answered && isChunked(head);
  if (body.kind === 'unusual' && (head.status < 300 || answered) && !skipped) return undefined;
  return {
    at: 'body',
    left: body.kind === 'length' ? body.length : 0,
    reusable: (body.kind !== 'unusual' || skipped) && staysOpen(head),
    skip: skipped ? new ChunkedEnd(origin) : undefined,
  };
}

/** Of one request. */
const maximumInterim = 128;
