import { type ConditionalHeaders, evaluatePreconditions, rangeAllowed } from './preconditions.ts';
import { type ByteRange, parseRange } from './range.ts';
import { lastModifiedHeader, type Validators } from './validators.ts';

/** A request for a file that the caller may read. */
export interface FileRequest extends ConditionalHeaders {
  readonly method: 'GET' | 'HEAD';
  readonly range?: string | undefined;
}

export interface FileFacts {
  readonly size: number;
  readonly validators: Validators;
  /** SHA-256 of this version, once known. */
  readonly sha256?: Uint8Array | undefined;
}

/** Text between parts, or bytes of the file. */
export type BodyPart = string | ByteRange;

/** What to answer; `body`: what to send, one after the other; undefined for none. */
export interface ResponsePlan {
  readonly status: 200 | 206 | 304 | 412 | 416;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: readonly BodyPart[] | undefined;
}

/**
 * Plans the answer for one file: preconditions, then range (RFC 9110 sections 13.2.2 and 14). HEAD is GET without a
 * body; every successful answer has a Content-Length ([MC-BUP] 3.5, HTTP Requirements for BITS Downloads).
 *
 * @param boundary gives text that is in no file, such as 128 random bits, for several ranges.
 */
export function planResponse(request: FileRequest, file: FileFacts, boundary: () => string): ResponsePlan {
  const { size, validators } = file;
  const common: Record<string, string> = {
    'Accept-Ranges': 'bytes',
    ETag: validators.etag,
    'Last-Modified': lastModifiedHeader(validators),
  };
  const outcome = evaluatePreconditions(request, validators);
  if (outcome === 'failed') return { status: 412, headers: { ...common, 'Content-Length': '0' }, body: undefined };
  if (outcome === 'notModified') return { status: 304, headers: common, body: undefined };
  // RFC 9530: a digest of the whole representation, whatever part is sent.
  if (file.sha256 !== undefined) common['Repr-Digest'] = reprDigest(file.sha256);
  // RFC 9110 14.2: Range is defined for GET only; HEAD answers as if it were absent.
  const wanted = request.method === 'GET' && rangeAllowed(request.ifRange, validators) ? request.range : undefined;
  const range = parseRange(wanted, size);
  if (range.kind === 'unsatisfiable') {
    return {
      status: 416,
      headers: { ...common, 'Content-Range': `bytes */${size}`, 'Content-Length': '0' },
      body: undefined,
    };
  }
  if (range.kind === 'parts') return { status: 206, ...multipart(range.ranges, size, common, boundary()) };
  const headers: Record<string, string> = { ...common, 'Content-Type': contentType };
  const part = range.kind === 'part' ? range.range : { first: 0, last: size - 1 };
  headers['Content-Length'] = String(part.last - part.first + 1);
  if (range.kind === 'part') headers['Content-Range'] = contentRange(part, size);
  const body = request.method === 'HEAD' || part.last < part.first ? undefined : [part];
  return { status: range.kind === 'part' ? 206 : 200, headers, body };
}

/**
 * The range of a request that is answered with 206, one range, and without anything else to be thought of: most of those for a
 * file that is fetched in pieces. Undefined for all others, which are planned.
 */
export function plainRange(request: FileRequest, size: number, validators: Validators): ByteRange | undefined {
  if (request.method !== 'GET' || !rangeAllowed(request.ifRange, validators)) return undefined;
  if (evaluatePreconditions(request, validators) !== 'proceed') return undefined;
  const range = parseRange(request.range, size);
  return range.kind === 'part' ? range.range : undefined;
}

/** The fields that all answers with one range of a file have; without Content-Length and Content-Range. */
export function rangeFields(file: FileFacts): readonly (readonly [name: string, value: string])[] {
  const { headers } = planResponse({ method: 'GET', range: 'bytes=0-0' }, file, () => '');
  return Object.entries(headers).filter(([name]) => name !== 'Content-Length' && name !== 'Content-Range');
}

/**
 * RFC 9110 section 14.6. BITS (HTTP Requirements for BITS Downloads) wants the parts as asked for, neither merged nor in
 * another order, at most two line ends before the first boundary, and next to nothing in a part's head but these two fields.
 */
function multipart(ranges: readonly ByteRange[], size: number, common: Record<string, string>, boundary: string) {
  const body: BodyPart[] = [];
  let length = 0;
  const add = (text: string) => {
    body.push(text);
    length += text.length;
  };
  for (const range of ranges) {
    const start = body.length === 0 ? '' : '\r\n';
    add(`${start}--${boundary}\r\nContent-Type: ${contentType}\r\nContent-Range: ${contentRange(range, size)}\r\n\r\n`);
    body.push(range);
    length += range.last - range.first + 1;
  }
  add(`\r\n--${boundary}--\r\n`);
  const headers = {
    ...common,
    'Content-Type': `multipart/byteranges; boundary=${boundary}`,
    'Content-Length': String(length),
  };
  return { headers, body };
}

function contentRange({ first, last }: ByteRange, size: number): string {
  return `bytes ${first}-${last}/${size}`;
}

/** RFC 9530 section 3; asked for again with every range of a file. */
function reprDigest(sha256: Uint8Array): string {
  let text = digestTexts.get(sha256);
  if (text === undefined) {
    text = `sha-256=:${btoa(String.fromCharCode(...sha256))}:`;
    digestTexts.set(sha256, text);
  }
  return text;
}

const digestTexts = new WeakMap<Uint8Array, string>();

const contentType = 'application/octet-stream';
