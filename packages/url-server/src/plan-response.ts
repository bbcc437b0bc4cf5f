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

/** What to answer; `body`: the bytes to send, undefined for none. */
export interface ResponsePlan {
  readonly status: 200 | 206 | 304 | 412 | 416;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: ByteRange | undefined;
}

/**
 * Plans the answer for one file: preconditions, then range (RFC 9110 sections 13.2.2 and 14). HEAD is GET without a
 * body; every successful answer has a Content-Length ([MC-BUP] 3.5, HTTP Requirements for BITS Downloads).
 */
export function planResponse(request: FileRequest, file: FileFacts): ResponsePlan {
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
  if (file.sha256 !== undefined) common['Repr-Digest'] = `sha-256=:${base64(file.sha256)}:`;
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
  const headers: Record<string, string> = { ...common, 'Content-Type': 'application/octet-stream' };
  const part = range.kind === 'part' ? range.range : { first: 0, last: size - 1 };
  headers['Content-Length'] = String(part.last - part.first + 1);
  if (range.kind === 'part') headers['Content-Range'] = `bytes ${part.first}-${part.last}/${size}`;
  const body = request.method === 'HEAD' || part.last < part.first ? undefined : part;
  return { status: range.kind === 'part' ? 206 : 200, headers, body };
}

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
