import { CarmineError } from '@carmine/errors';
import {
  contentLength,
  describedBy,
  invalidResponse,
  parseContentRange,
  type ResponseHead,
  refuseContentEncoding,
} from './headers.ts';
import { statusError } from './http-status.ts';
import { type Source, sameVersion, validatorOf } from './source.ts';

/** The part of a known source that was asked for. */
export interface Asked {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  /** False when the whole file was asked for, without a Range field. */
  readonly ranged: boolean;
}

export type Verdict =
  /** Bytes from the asked `start` to `end` follow; `whole`: the server sends everything and so ignores ranges. */
  | { readonly kind: 'accept'; readonly end: number; readonly whole: boolean; readonly digest: string | undefined }
  /** It is another version than ours: nothing of it may be joined with what we have. */
  | { readonly kind: 'changed' };

/** Reads what a successful answer to HEAD, or to a first GET without Range, says of the file. Throws where BITS fails. */
export function readSource(head: ResponseHead): Source {
  if (head.status === 206) throw invalidResponse(head, '206 without a Range asked for');
  if (head.status !== 200) throw statusError(head.status, head.headers['retry-after']);
  refuseContentEncoding(head.headers);
  refuseParts(head);
  const length = contentLength(head);
  if (length === undefined) throw new CarmineError('transfer/missing-length');
  return { length, ...describedBy(head.headers) };
}

/**
 * Judges the answer to a GET for part of a known source: spec/bits.md 4.7, or stricter. Throws what ends the request.
 * Nothing is ever accepted whose place in the file, length or version is not what was asked for.
 */
export function judgeResponse(asked: Asked, source: Source, head: ResponseHead): Verdict {
  switch (head.status) {
    case 200:
      return judgeWhole(asked, source, head);
    case 206:
      return judgePartial(asked, source, head);
    // 412: If-Unmodified-Since failed. 416: the file is shorter than it was. Either way it is another file now.
    case 412:
    case 416:
      return { kind: 'changed' };
    default:
      throw statusError(head.status, head.headers['retry-after']);
  }
}

function judgeWhole(asked: Asked, source: Source, head: ResponseHead): Verdict {
  refuseContentEncoding(head.headers);
  refuseParts(head);
  const length = contentLength(head);
  if (differs(source, head)) return { kind: 'changed' };
  if (length === undefined) throw new CarmineError('transfer/missing-length');
  if (length !== source.length) {
    // Without any validator a new length is the only sign of a new version.
    if (validatorOf(source) === undefined) return { kind: 'changed' };
    throw new CarmineError('transfer/length-changed', { context: { expected: source.length, actual: length } });
  }
  const described = { length, ...describedBy(head.headers) };
  requireValidator(source, described, head);
  if (asked.start !== 0) throw new CarmineError('transfer/no-ranges');
  return { kind: 'accept', end: source.length, whole: asked.ranged, digest: described.digest };
}

function judgePartial(asked: Asked, source: Source, head: ResponseHead): Verdict {
  refuseContentEncoding(head.headers);
  if (!asked.ranged) throw invalidResponse(head, '206 without a Range asked for');
  if (differs(source, head)) return { kind: 'changed' };
  refuseParts(head, 'multipart/');
  const range = parseContentRange(head.headers['content-range']);
  if (range === undefined) throw invalidResponse(head, 'no usable Content-Range');
  if (range.total !== undefined && range.total !== source.length) {
    if (validatorOf(source) === undefined) return { kind: 'changed' };
    throw new CarmineError('transfer/length-changed', { context: { expected: source.length, actual: range.total } });
  }
  if (range.start !== asked.start || range.end > asked.end) throw invalidResponse(head, 'another range than asked for');
  const length = contentLength(head);
  if (length !== undefined && length !== range.end - range.start) {
    throw invalidResponse(head, 'Content-Length contradicts Content-Range');
  }
  const described = { length: source.length, ...describedBy(head.headers) };
  requireValidator(source, described, head);
  return { kind: 'accept', end: range.end, whole: false, digest: described.digest };
}

/** RFC 9110 15.3.7.2: such content has its own heads within, whatever Content-Range or the status beside it says. */
function refuseParts(head: ResponseHead, type = 'multipart/byteranges'): void {
  if (head.headers['content-type']?.toLowerCase().startsWith(type) === true)
    throw invalidResponse(head, 'several parts');
}

/** True when a validator or digest that both sides have is not the same. */
function differs(source: Source, head: ResponseHead): boolean {
  const now = describedBy(head.headers);
  const both = (a: string | undefined, b: string | undefined) => a !== undefined && b !== undefined && a !== b;
  // With equal strong tags a moved Last-Modified is noise (a touch(1), another mirror); without tags it decides.
  if (source.etag !== undefined && now.etag !== undefined) return source.etag !== now.etag;
  return both(source.lastModified, now.lastModified) || both(source.digest, now.digest);
}

/**
 * Promise 1: what does not show its version is not joined. RFC 9110 15.3.7 requires of a 206 the ETag that a 200 would
 * have, so a missing validator is a server (or proxy) error and not a new version.
 */
function requireValidator(source: Source, now: Source, head: ResponseHead): void {
  if (validatorOf(source) === undefined || sameVersion(source, now)) return;
  if (source.lastModified !== undefined && source.lastModified === now.lastModified) return;
  throw invalidResponse(head, 'the answer does not say which version of the file it has');
}
