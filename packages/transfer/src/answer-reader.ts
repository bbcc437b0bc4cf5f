import { CarmineError } from '@carmine/errors';
import { bodyOf, type HttpHead, headEnd, joinedFields, maximumHead, parseHttpHead, staysOpen } from './http-head.ts';
import { readSource } from './response-rules.ts';
import type { Source } from './source.ts';

/** An answer to a GET of a small file. */
export type SmallAnswer =
  /** It has the file: octets `start` to `end` of what was read. `stays`: the connection does so too. */
  | {
      readonly kind: 'file';
      readonly source: Source;
      readonly start: number;
      readonly end: number;
      readonly stays: boolean;
    }
  /** There is no file, and that is final. */
  | { readonly kind: 'refused'; readonly error: CarmineError; readonly end: number; readonly stays: boolean }
  /** The file is not small. */
  | { readonly kind: 'large' }
  /** Redirects, challenges, every other framing, and what is no answer at all: somebody else is to ask again, on another connection. */
  | { readonly kind: 'other' };

/** Reads the answers to GETs of one connection, one after the other. As strict as what reads single ones: it has the same parser and rules. */
export class AnswerReader {
  readonly #origin: string;
  readonly #most: number;
  /** Octets of the head that were looked at. */
  #seen = 0;
  #body: { readonly head: HttpHead; readonly start: number; readonly length: number } | undefined;

  /** `most`: octets that a small file has at most. */
  constructor(origin: string, most: number) {
    this.#origin = origin;
    this.#most = most;
  }

  /** Octets from its beginning to the end of the answer that is being read; undefined as long as its head is not there. */
  get size(): number | undefined {
    return this.#body === undefined ? undefined : this.#body.start + this.#body.length;
  }

  /** `bytes` begins with the answer and has more of it each time; undefined as long as there is not enough. */
  read(bytes: Uint8Array): SmallAnswer | undefined {
    try {
      this.#body ??= this.#readHead(bytes);
    } catch {
      return { kind: 'other' };
    }
    if (this.#body === undefined) return undefined;
    const { head, start, length } = this.#body;
    const { status } = head;
    if (length < 0 || (status >= 300 && status < 400 && status !== 304) || status === 401 || status === 407) {
      return { kind: 'other' };
    }
    if (length > this.#most) return { kind: status === 200 ? 'large' : 'other' };
    const end = start + length;
    if (bytes.length < end) return undefined;
    this.#seen = 0;
    this.#body = undefined;
    const stays = staysOpen(head);
    try {
      const source = readSource({ status, headers: joinedFields(head), origin: this.#origin });
      return { kind: 'file', source, start, end, stays };
    } catch (thrown) {
      return { kind: 'refused', error: CarmineError.from(thrown), end, stays };
    }
  }

  #readHead(bytes: Uint8Array) {
    const begun = bytes.length > maximumHead ? bytes.subarray(0, maximumHead) : bytes;
    const start = headEnd(begun, this.#seen, this.#origin);
    if (start === undefined) {
      this.#seen = begun.length;
      return undefined;
    }
    const head = parseHttpHead(bytes.subarray(0, start), this.#origin);
    const body = bodyOf(head, 'GET');
    return { head, start, length: body.kind === 'length' ? body.length : body.kind === 'none' ? 0 : -1 };
  }
}
