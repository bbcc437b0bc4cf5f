import { CarmineError } from '@carmine/errors';
import type { Headers } from './headers.ts';

/** The head of one HTTP/1.x response, as it stood on the wire. */
export interface HttpHead {
  readonly minorVersion: 0 | 1;
  readonly status: number;
  /** In their order, names in lower case. */
  readonly fields: readonly (readonly [name: string, value: string])[];
}

/** Where the body of an answer ends (RFC 9112, section 6.3). */
export type HttpBody =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly length: number }
  /** Chunked, until the connection closes, an interim answer, HTTP/1.0: whatever the fast way leaves to others. */
  | { readonly kind: 'unusual' };

/** Octets of a head, the empty line included. */
export const maximumHead = 64 * 1024;

/**
 * Looks for the end of a head in bytes that begin with it; the position behind the empty line, undefined when it is not
 * there yet. `from`: how many of the bytes an earlier call has seen.
 *
 * Strict where RFC 9112, section 2.2 lets recipients be generous: LF without CR, CR without LF, control characters (NUL too)
 * and what does not begin like HTTP/1 are `transfer/invalid-response` as soon as they are seen.
 */
export function headEnd(bytes: Uint8Array, from: number, origin: string): number | undefined {
  for (let index = from; index < Math.min(bytes.length, protocol.length); index++) {
    if (bytes[index] !== protocol.charCodeAt(index)) throw invalid(origin, 'it is not HTTP/1');
  }
  const limit = Math.min(bytes.length, maximumHead);
  for (let index = from; index < limit; index++) {
    const octet = bytes[index] as number;
    const before = index === 0 ? 0 : bytes[index - 1];
    if (octet === lf) {
      if (before !== cr) throw invalid(origin, 'a line of the head ends without CR');
      if (index >= 3 && bytes[index - 2] === lf) return index + 1;
    } else if (before === cr) {
      throw invalid(origin, 'a CR in the head is not followed by LF');
    } else if ((octet < space && octet !== tab && octet !== cr) || octet === del) {
      throw invalid(origin, 'a control character in the head');
    }
  }
  if (bytes.length >= maximumHead) throw invalid(origin, 'the head is too long');
  return undefined;
}

/**
 * Parses a whole head, as `headEnd` found it. Refuses what two readers could understand differently: folded lines
 * (RFC 9112, section 5.2), blanks before the colon (5.1), Content-Length twice or beside Transfer-Encoding (6.3).
 */
export function parseHttpHead(bytes: Uint8Array, origin: string): HttpHead {
  if (bytes.length > maximumHead) throw invalid(origin, 'the head is too long');
  const text = latin1(bytes);
  let lineEnd = text.indexOf('\r\n');
  const match = statusPattern.exec(text.slice(0, lineEnd));
  if (match === null) throw invalid(origin, 'no usable status line');
  const fields: (readonly [name: string, value: string])[] = [];
  let length: string | undefined;
  let encoded = false;
  for (;;) {
    const start = lineEnd + 2;
    lineEnd = text.indexOf('\r\n', start);
    // The empty line.
    if (lineEnd <= start) break;
    if (fields.length === maximumFields) throw invalid(origin, 'too many header fields');
    const colon = text.indexOf(':', start);
    if (colon > lineEnd || colon <= start) throw invalid(origin, 'a malformed header field');
    const name = fieldName(text.slice(start, colon));
    if (name === undefined) throw invalid(origin, 'a malformed header field');
    const value = trimmed(text, colon + 1, lineEnd);
    if (name === 'content-length') {
      if (length !== undefined) throw invalid(origin, 'more than one Content-Length');
      if (lengthOf(value) === undefined) throw invalid(origin, 'malformed Content-Length');
      length = value;
    } else if (name === 'transfer-encoding') encoded = true;
    fields.push([name, value]);
  }
  if (length !== undefined && encoded) throw invalid(origin, 'both Content-Length and Transfer-Encoding');
  return { minorVersion: match[1] === '0' ? 0 : 1, status: Number(match[2]), fields };
}

/** The name in lower case; undefined when it is none. Servers have few, and write them the same each time. */
function fieldName(written: string): string | undefined {
  const known = knownNames.get(written);
  if (known !== undefined) return known;
  const name = written.toLowerCase();
  if (!tokenPattern.test(name)) return undefined;
  if (written.length <= longestKnown && knownNames.size < mostKnown) knownNames.set(written, name);
  return name;
}

/** Repeated fields joined by `, ` (RFC 9110, section 5.3). */
export function joinedFields({ fields }: HttpHead): Headers {
  const joined: Record<string, string> = Object.create(null);
  for (const [name, value] of fields) {
    const before = joined[name];
    joined[name] = before === undefined ? value : `${before}, ${value}`;
  }
  return joined;
}

/** Every value of a field that may not be joined, such as WWW-Authenticate. */
export function fieldValues({ fields }: HttpHead, name: string): readonly string[] {
  return fields.filter((field) => field[0] === name).map((field) => field[1]);
}

/** RFC 9112, section 6.3, as far as the fast way goes. */
export function bodyOf(head: HttpHead, method: 'HEAD' | 'GET'): HttpBody {
  const { minorVersion, status, fields } = head;
  if (minorVersion === 0 || status < 200) return { kind: 'unusual' };
  if (method === 'HEAD' || status === 204 || status === 304) return { kind: 'none' };
  if (fields.some(([name]) => name === 'transfer-encoding')) return { kind: 'unusual' };
  const length = lengthOf(fieldValues(head, 'content-length')[0]);
  return length === undefined ? { kind: 'unusual' } : { kind: 'length', length };
}

/** The body is in chunks, and in nothing else. */
export function isChunked(head: HttpHead): boolean {
  return head.minorVersion === 1 && fieldValues(head, 'transfer-encoding').join().toLowerCase() === 'chunked';
}

/** RFC 9112, section 9.3: in HTTP/1.1 a connection stays unless somebody says otherwise. */
export function staysOpen(head: HttpHead): boolean {
  for (const [name, value] of head.fields) {
    if (name !== 'connection') continue;
    if (
      value
        .toLowerCase()
        .split(',')
        .some((option) => option.trim() === 'close')
    )
      return false;
  }
  return head.minorVersion === 1;
}

function lengthOf(value: string | undefined): number | undefined {
  const length = value !== undefined && /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
  return Number.isSafeInteger(length) ? length : undefined;
}

/** Octets as characters: heads are US-ASCII, and what else is in a value passes as it is. */
function latin1(bytes: Uint8Array): string {
  const ascii = decoder.decode(bytes);
  // What is not ASCII has become fewer characters, or ones that no octet stands for.
  if (ascii.length === bytes.length && !ascii.includes('\ufffd')) return ascii;
  let text = '';
  for (let start = 0; start < bytes.length; start += 4096) {
    text += String.fromCharCode(...bytes.subarray(start, start + 4096));
  }
  return text;
}

/** OWS is SP and HTAB only; String.trim takes more, and a pattern would take its time on many blanks. */
function trimmed(text: string, from: number, to: number): string {
  let [start, end] = [from, to];
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === space || code === tab;
}

function invalid(origin: string, reason: string): CarmineError {
  return new CarmineError('transfer/invalid-response', { context: { origin, reason } });
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const protocol = 'HTTP/1.';
/** `status-line = HTTP-version SP status-code SP [ reason-phrase ]`; the last SP is often missing, which harms nobody. */
const statusPattern = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: .*)?$/;
/** `field-line = field-name ":" OWS field-value OWS`, and `field-name = token`; in lower case. */
const tokenPattern = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
const maximumFields = 256;
const knownNames = new Map<string, string>();
const [mostKnown, longestKnown] = [64, 40];
const [tab, lf, cr, space, del] = [9, 10, 13, 32, 127];
