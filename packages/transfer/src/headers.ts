import { CarmineError } from '@carmine/errors';
import type { Source } from './source.ts';

/** Header fields with lower-case names; repeated fields are joined by `, `. */
export type Headers = Readonly<Record<string, string | undefined>>;

/** The head of one response. */
export interface ResponseHead {
  readonly status: number;
  readonly headers: Headers;
  /** Scheme, host and port that answered, for messages. */
  readonly origin: string;
  /** Milliseconds from sending the request, on a connection that was there, to this; undefined where that is not known. */
  readonly elapsed?: number | undefined;
  /** Milliseconds until the connection to the origin was there: a round trip, and nothing that the origin has to think about. */
  readonly connected?: number | undefined;
}

export interface ContentRange {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  /** Undefined for `*`. */
  readonly total: number | undefined;
}

/**
 * RFC 9110, section 14.4: `Content-Range = "bytes" SP first-pos "-" last-pos "/" ( complete-length / "*" )`.
 * Undefined when it is anything else, or when its numbers contradict each other.
 */
export function parseContentRange(value: string | undefined): ContentRange | undefined {
  const match = /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16}|\*)$/i.exec(value ?? '');
  if (match === null) return undefined;
  const start = Number(match[1]);
  const end = Number(match[2]) + 1;
  const total = match[3] === '*' ? undefined : Number(match[3]);
  if (!Number.isSafeInteger(end) || end <= start) return undefined;
  if (total !== undefined && (!Number.isSafeInteger(total) || end > total)) return undefined;
  return { start, end, total };
}

/** `Content-Length = 1*DIGIT`; undefined when absent, `transfer/invalid-response` when malformed. */
export function contentLength(head: ResponseHead): number | undefined {
  const value = head.headers['content-length'];
  if (value === undefined) return undefined;
  const length = /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(length)) throw invalidResponse(head, 'malformed Content-Length');
  return length;
}

/** `entity-tag = [ weak ] opaque-tag`: the tag when it is strong. */
export function strongEtag(value: string | undefined): string | undefined {
  return value !== undefined && /^"[\x21\x23-\x7e\x80-\xff]*"$/.test(value) ? value : undefined;
}

/** RFC 9530, section 3: `Repr-Digest: sha-256=:<base64>:`; hexadecimal, undefined when there is none that we can use. */
export function reprDigest(value: string | undefined): string | undefined {
  const match = /(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):\s*(?:$|,)/.exec(value ?? '');
  if (match === null) return undefined;
  const bytes = atob(match[1] as string);
  return Array.from(bytes, (char) => char.charCodeAt(0).toString(16).padStart(2, '0')).join('');
}

/** `Accept-Ranges`: true for bytes, false for none, undefined when the server does not say. */
export function acceptsRanges(headers: Headers): boolean | undefined {
  const value = headers['accept-ranges']?.toLowerCase();
  if (value === undefined) return undefined;
  return value.split(',').some((unit) => unit.trim() === 'bytes');
}

/** The parts of a source other than its length. */
export function describedBy(headers: Headers): Omit<Source, 'length'> {
  return {
    etag: strongEtag(headers['etag']),
    lastModified: headers['last-modified'],
    digest: reprDigest(headers['repr-digest']),
  };
}

/** Data must come as it is: any Content-Encoding but `identity` is refused, and any Transfer-Encoding but `chunked`. */
export function refuseContentEncoding(headers: Headers): void {
  const coding = headers['transfer-encoding'];
  if (coding !== undefined && coding.trim().toLowerCase() !== 'chunked') {
    throw new CarmineError('transfer/content-encoding', { context: { encoding: coding } });
  }
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding.trim().toLowerCase() !== 'identity') {
    throw new CarmineError('transfer/content-encoding', { context: { encoding } });
  }
}

export function invalidResponse(head: { readonly origin: string }, reason: string): CarmineError {
  return new CarmineError('transfer/invalid-response', { context: { origin: head.origin, reason } });
}
