import { Fields } from './fields.ts';
import type { HeadLimits } from './limits.ts';

/** The head of a request that only one reading is possible of. */
export interface RequestHead {
  readonly method: string;
  /** As it came: visible US-ASCII. */
  readonly target: string;
  readonly minorVersion: 0 | 1;
  readonly fields: Fields;
  /** How its body is delimited (RFC 9112 section 6.3); octets. */
  readonly body: RequestBody;
  /** The client waits for `100 Continue` before it sends the body. */
  readonly expectsContinue: boolean;
  /** The client may send another request on this connection (RFC 9112 section 9.3). */
  readonly keepAlive: boolean;
}

export type RequestBody =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly length: number }
  | { readonly kind: 'chunked' };

/** Why a request cannot be served; the connection must be closed after the answer, as its framing is not to be trusted. */
export type RequestFault = 400 | 413 | 414 | 417 | 431 | 501 | 505;

/**
 * Parses a whole head: `text` has one character for each octet and ends with the empty line. What two readers could
 * understand differently is refused, not repaired: lines that end otherwise than with CR LF, folded lines, blanks before a
 * colon, control characters, Content-Length twice, beside Transfer-Encoding or not a plain number, codings other than
 * `chunked`, Host absent, twice or with what no host has in it (RFC 9112 sections 2.2, 3.2, 5, 6; RFC 9110 section 5.5).
 */
export function parseRequestHead(text: string, limits: HeadLimits): RequestHead | RequestFault {
  if (text.length > limits.head) return 431;
  if (illegal.test(text)) return 400;
  const lineEnd = text.indexOf('\r');
  const methodEnd = text.indexOf(' ');
  const targetEnd = text.indexOf(' ', methodEnd + 1);
  if (methodEnd <= 0 || targetEnd < 0 || targetEnd > lineEnd) return lineEnd > limits.target ? 414 : 400;
  const method = text.slice(0, methodEnd);
  const target = text.slice(methodEnd + 1, targetEnd);
  if (!token.test(method)) return 400;
  if (target.length > limits.target) return 414;
  // A fragment is for the client alone (RFC 9112 section 3.2).
  if (!visible.test(target) || target.includes('#')) return 400;
  const version = text.slice(targetEnd + 1, lineEnd);
  if (version !== 'HTTP/1.1' && version !== 'HTTP/1.0') return /^HTTP\/\d\.\d$/.test(version) ? 505 : 400;
  const minorVersion = version === 'HTTP/1.1' ? 1 : 0;

  const fields = new Fields();
  // The last line is the empty one.
  for (let at = lineEnd + 2; at < text.length - 2; ) {
    if (fields.size >= limits.fields) return 431;
    const end = text.indexOf('\r', at);
    const colon = text.indexOf(':', at);
    if (colon < 0 || colon > end) return 400;
    const name = lowerName(text.slice(at, colon));
    if (name === undefined) return 400;
    let [from, to] = [colon + 1, end];
    while (from < to && isBlank(text.charCodeAt(from))) from++;
    while (to > from && isBlank(text.charCodeAt(to - 1))) to--;
    fields.add(name, text.slice(from, to));
    at = end + 2;
  }
  return withFraming({ method, target, minorVersion, fields });
}

type Unframed = Pick<RequestHead, 'method' | 'target' | 'minorVersion' | 'fields'>;

function withFraming(head: Unframed): RequestHead | RequestFault {
  const { fields, minorVersion } = head;
  const hosts = fields.count('host');
  if (hosts > 1 || (hosts === 0 && minorVersion === 1) || !host.test(fields.get('host') ?? '')) return 400;
  const body = bodyOf(head);
  if (typeof body === 'number') return body;
  const expectation = fields.get('expect');
  if (expectation !== undefined && expectation.toLowerCase() !== '100-continue') return 417;
  const connection = fields.get('connection');
  const options = connection === undefined ? [] : connection.toLowerCase().split(',');
  const says = (option: string) => options.some((each) => each.trim() === option);
  return {
    ...head,
    body,
    // RFC 9110 section 10.1.1: of an HTTP/1.0 client it is ignored.
    expectsContinue: expectation !== undefined && minorVersion === 1 && body.kind !== 'none',
    keepAlive: !says('close') && (minorVersion === 1 || says('keep-alive')),
  };
}

function bodyOf({ fields, minorVersion }: Unframed): RequestBody | RequestFault {
  const [lengths, codings] = [fields.count('content-length'), fields.count('transfer-encoding')];
  if (lengths > 1 || (lengths > 0 && codings > 0)) return 400;
  if (codings > 0) {
    // RFC 9112 section 6.1: a server that gets one with HTTP/1.0 must take the framing as faulty.
    if (minorVersion === 0) return 400;
    return fields.get('transfer-encoding')?.toLowerCase() === 'chunked' ? { kind: 'chunked' } : 501;
  }
  if (lengths === 0) return { kind: 'none' };
  const text = fields.get('content-length')!;
  if (!/^\d{1,16}$/.test(text)) return 400;
  const length = Number(text);
  if (!Number.isSafeInteger(length)) return 413;
  return length === 0 ? { kind: 'none' } : { kind: 'length', length };
}

/** Field names come again and again in the same spelling; undefined when it is no token. */
function lowerName(name: string): string | undefined {
  const known = knownNames.get(name);
  if (known !== undefined) return known;
  if (!token.test(name)) return undefined;
  const lower = name.toLowerCase();
  if (knownNames.size < maximumKnown && name.length <= 40) knownNames.set(name, lower);
  return lower;
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

const knownNames = new Map<string, string>();
const maximumKnown = 512;
/** `tchar`, RFC 9110 section 5.6.2. */
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const visible = /^[\x21-\x7e]+$/;
/** What may not be anywhere: controls but HTAB, and CR and LF that are not together; a line that begins with a blank. */
const illegal = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n|\n[ \t]/;
/** `uri-host [ ":" port ]`, RFC 9110 section 7.2, by its characters; empty for a target without authority. */
const host = /^(?:\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z\-._~%!$&'()*+,;=]{0,255})(?::\d{0,5})?$/;
