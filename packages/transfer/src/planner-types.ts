import type { CarmineError } from '@carmine/errors';
import type { Extent, ExtentSet } from './extents.ts';
import type { ResponseHead } from './headers.ts';
import type { ReceiverRequest } from './receiver.ts';
import type { Source } from './source.ts';

export interface PlannerOptions {
  /** Connections for a file, exactly; absent: several at once for a large file, and as many as pay. */
  readonly connections?: number | undefined;
  /**
   * Bytes of one segment that a crash may cost, exactly; absent: 8 MiB, or as much as its connection brings in a tenth of a second, up to 32 MiB.
   */
  readonly checkpointBytes?: number | undefined;
  /** Milliseconds after which received bytes are made durable anyway; default 1,000. */
  readonly checkpointTime?: number | undefined;
  /** Bytes from which on a file is large on a quick network; default 32 MiB. */
  readonly largeFile?: number | undefined;
  /** Bytes of the smallest piece that several connections share a file by; default 1 MiB. */
  readonly pieceBytes?: number | undefined;
  /**
   * Ask with HEAD before the first GET, as BITS does for some jobs (spec/bits.md 4.7); costs a round trip. Default: the first
   * GET tells.
   */
  readonly probe?: boolean | undefined;
  /** Lower-case hexadecimal. */
  readonly expectedSha256?: string | undefined;
  readonly computeSha256?: boolean | undefined;
  /** Where the file is: block lists are looked for at its origin. */
  readonly url?: string | undefined;
  /** How many sources there are, of which the first counts; the others are used for what proves to be the same. Default 1. */
  readonly mirrors?: number | undefined;
  /** What the journal knows; `moved`: of a file at another URL. */
  readonly resumed?:
    | {
        readonly moved?: boolean | undefined;
        readonly source: Source;
        readonly done: ExtentSet;
        readonly verified?: string | undefined;
      }
    | undefined;
}

/** What happened. `stream` is the number that the planner gave a request. */
export type PlannerEvent =
  | { readonly type: 'start' }
  | { readonly type: 'responded'; readonly stream: number; readonly head: ResponseHead }
  /** `bytes` arrived and wait to be written. */
  | { readonly type: 'received'; readonly stream: number; readonly bytes: number }
  /** `bytes` more of what was received are in the file (not yet durable). */
  | { readonly type: 'written'; readonly stream: number; readonly bytes: number }
  | { readonly type: 'ended'; readonly stream: number }
  | { readonly type: 'failed'; readonly stream: number; readonly error: CarmineError }
  /** `prepare` is done, durably. */
  | { readonly type: 'prepared' }
  /** The checkpoint asked for is durable: data first, then journal. */
  | { readonly type: 'journalled'; readonly sequence: number }
  | { readonly type: 'verified'; readonly sha256: string }
  /** What `findBad` came to: none when nobody knows. */
  | { readonly type: 'bad'; readonly extents: readonly Extent[] }
  /** The disk failed. */
  | { readonly type: 'broken'; readonly error: CarmineError }
  | { readonly type: 'stop' }
  /** A rate limit lets all connections wait, and lets them go on: silence meanwhile is our own. */
  | { readonly type: 'heldBack' | 'letGo' }
  /** Connections wait for buffers, as what came is not written or digested yet; none does any more. */
  | { readonly type: 'crowded' | 'eased' }
  | { readonly type: 'timeout' };

/** What is to be done, in this order. */
export type PlannerCommand =
  | {
      readonly type: 'request';
      readonly stream: number;
      readonly slot: number;
      /** Which of the sources, from 0. */
      readonly mirror: number;
      readonly request: ReceiverRequest;
    }
  /** Stop receiving. What was received is still to be written, unless `discard`. */
  | { readonly type: 'abort'; readonly stream: number; readonly discard: boolean }
  | { readonly type: 'pause' | 'resume'; readonly stream: number }
  /** Write what was gathered, however little; `blocks`: less than a block of it may wait. */
  | { readonly type: 'flush'; readonly stream: number; readonly blocks?: true }
  /**
   * Begin anew: writes in flight end first; then a new journal header, durable; then the file gets its size. Without a
   * source the journal ends up with no header: the next run asks the server again.
   */
  | { readonly type: 'prepare'; readonly source: Source | undefined }
  /** Make the data durable, then append the extents, then make the journal durable. */
  | { readonly type: 'checkpoint'; readonly sequence: number; readonly extents: readonly Extent[] }
  /** The server told a digest after the header was written. */
  | { readonly type: 'noteDigest'; readonly sha256: string }
  | { readonly type: 'verify' }
  /** The content is not what it must be: which blocks are not, by the list at this URL? */
  | { readonly type: 'findBad'; readonly url: string }
  /** These parts are not there any more, durably; `prepared` says when. */
  | { readonly type: 'forget'; readonly extents: readonly Extent[] }
  /** What is there is this version, at the URL that the transfer has now. */
  | { readonly type: 'adopt'; readonly source: Source }
  /** Every byte is durable and, where asked, verified. */
  | { readonly type: 'complete'; readonly sha256: string | undefined }
  | { readonly type: 'fail'; readonly error: CarmineError }
  | { readonly type: 'stopped' };

export type PlannerPhase = 'connecting' | 'transferring' | 'verifying' | 'done';

/** The way of one file, without IO: events in, commands out, time as a value (milliseconds). */
export interface Planner {
  handle(event: PlannerEvent, now: number): void;
  /**
   * The event `received`. Tells how many of the bytes are to be written, from the first on: the rest belongs to another
   * stream, or nobody wants it.
   */
  receive(stream: number, bytes: number, now: number): number;
  /** The next command; undefined when there is none. */
  poll(): PlannerCommand | undefined;
  /** When `timeout` is due. */
  nextTimeout(): number | undefined;
  /** Changes what the content must be; takes effect as long as it is not verified. */
  expect(digest: { readonly expectedSha256?: string | undefined; readonly computeSha256?: boolean | undefined }): void;
  readonly phase: PlannerPhase;
  /** Undefined until the server told. */
  readonly source: Source | undefined;
  /** Journalled bytes: what may be called transferred. */
  readonly transferred: number;
  /** How many bytes from the beginning are written and will not be written again, as it looks now. */
  readonly contiguous: number;
  /** Whether a digest will be asked for in the end. */
  readonly wantsDigest: boolean;
}
