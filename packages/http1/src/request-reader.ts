import { ChunkedReader } from './chunked.ts';
import { HeadMemory } from './head-memory.ts';
import type { HeadLimits } from './limits.ts';
import type { RequestFault, RequestHead } from './request-head.ts';

/** What the next octets are. After `fault` the connection has no more requests. */
export type RequestEvent =
  | { readonly kind: 'more' }
  | { readonly kind: 'head'; readonly head: RequestHead }
  | { readonly kind: 'data'; readonly bytes: Uint8Array }
  | { readonly kind: 'end' }
  | { readonly kind: 'fault'; readonly status: RequestFault };

/** One character for each octet from `from` to `to`. */
export type Latin1 = (bytes: Uint8Array, from: number, to: number) => string;

/**
 * Cuts what comes in on one connection into requests: a head, the pieces of its body, `end`; then the next head. Pieces are
 * views of what was received. It keeps what it has not been asked for: who stops asking must stop receiving.
 */
export class RequestReader {
  readonly #limits: HeadLimits;
  readonly #latin1: Latin1;
  readonly #heads = new HeadMemory();
  #bytes: Uint8Array = none;
  #at = 0;
  /** Of the present head, octets that are known not to hold its end. */
  #seen = 0;
  /** Of the present head: an empty line before it has been read over. */
  #skipped = false;
  #body: 'none' | 'head' | 'length' | 'chunked' | 'failed' = 'head';
  #left = 0;
  #chunked: ChunkedReader | undefined;

  constructor(limits: HeadLimits, latin1: Latin1) {
    this.#limits = limits;
    this.#latin1 = latin1;
  }

  /** Octets that were received and not used yet. */
  get buffered(): number {
    return this.#bytes.length - this.#at;
  }

  /** Something of a next request is there. */
  get begun(): boolean {
    return this.#body !== 'head' || this.buffered > 0;
  }

  receive(bytes: Uint8Array): void {
    if (this.buffered === 0) {
      this.#bytes = bytes;
    } else {
      const joined = new Uint8Array(this.buffered + bytes.length);
      joined.set(this.#bytes.subarray(this.#at));
      joined.set(bytes, this.buffered);
      this.#bytes = joined;
    }
    this.#at = 0;
  }

  next(): RequestEvent {
    switch (this.#body) {
      case 'head':
        return this.#readHead();
      case 'none':
        this.#body = 'head';
        return end;
      case 'length':
        return this.#readLength();
      case 'chunked':
        return this.#readChunked();
      case 'failed':
        return more;
    }
  }

  #readHead(): RequestEvent {
    // RFC 9112 section 2.2: an empty line before the request line is read over, one.
    if (!this.#skipped && this.buffered >= 2 && this.#octet(0) === cr && this.#octet(1) === lf) {
      this.#skipped = true;
      this.#at += 2;
      this.#seen = 0;
    }
    const length = this.#headLength();
    if (length === undefined || length > this.#limits.head) {
      // What cannot become a head is refused now, not when its time is over.
      if (this.#mustFail()) return this.#fault(400);
      if (this.buffered > this.#limits.head) return this.#fault(this.#tooLong());
      this.#seen = this.buffered;
      return more;
    }
    this.#seen = 0;
    this.#skipped = false;
    const head = this.#heads.parse(this.#latin1(this.#bytes, this.#at, this.#at + length), this.#limits);
    if (typeof head === 'number') return this.#fault(head);
    this.#at += length;
    this.#body = head.body.kind;
    if (head.body.kind === 'length') this.#left = head.body.length;
    if (head.body.kind === 'chunked') this.#chunked = new ChunkedReader();
    return { kind: 'head', head };
  }

  /** Up to and with the empty line. */
  #headLength(): number | undefined {
    const bytes = this.#bytes;
    // Where the last octet of the empty line may be; what it is tells how far on the next such place is.
    let at = this.#at + Math.max(0, this.#seen - 3) + 3;
    while (at < bytes.length) {
      const octet = bytes[at];
      if (octet === cr) at++;
      else if (octet !== lf) at += 4;
      else if (bytes[at - 1] === cr && bytes[at - 2] === lf && bytes[at - 3] === cr) return at + 1 - this.#at;
      else at += 2;
    }
    return undefined;
  }

  /** Looks at what is new of a head that is not complete, for what no complete one may have either. */
  #mustFail(): boolean {
    if (this.#skipped && this.buffered > 0 && this.#octet(0) === cr) return true;
    const length = Math.min(this.buffered, this.#limits.head);
    for (let index = Math.max(0, this.#seen - 1); index < length; index++) {
      const octet = this.#octet(index);
      const next = index + 1 < length ? this.#octet(index + 1) : undefined;
      if (
        octet === cr
          ? next !== undefined && next !== lf
          : (octet < 0x20 && octet !== lf && octet !== tab) || octet === 0x7f
      )
        return true;
      if (octet === lf && (index === 0 || this.#octet(index - 1) !== cr)) return true;
    }
    return false;
  }

  #tooLong(): RequestFault {
    const target = this.#bytes.subarray(this.#at, this.#at + this.#limits.target + 32);
    return target.includes(cr) ? 431 : 414;
  }

  #readLength(): RequestEvent {
    if (this.#left === 0) {
      this.#body = 'head';
      return end;
    }
    const length = Math.min(this.#left, this.buffered);
    if (length === 0) return more;
    const bytes = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    this.#left -= length;
    return { kind: 'data', bytes };
  }

  #readChunked(): RequestEvent {
    const step = this.#chunked!.read(this.#bytes, this.#at);
    this.#at += step.used;
    switch (step.kind) {
      case 'more':
        return more;
      case 'invalid':
        return this.#fault(400);
      case 'end':
        this.#body = 'head';
        this.#chunked = undefined;
        return end;
      case 'data':
        return { kind: 'data', bytes: this.#bytes.subarray(step.from, step.to) };
    }
  }

  #fault(status: RequestFault): RequestEvent {
    this.#body = 'failed';
    this.#bytes = none;
    this.#at = 0;
    return { kind: 'fault', status };
  }

  #octet(index: number): number {
    return this.#bytes[this.#at + index]!;
  }
}

const [tab, lf, cr] = [9, 10, 13];
const none = new Uint8Array(0);
const more: RequestEvent = { kind: 'more' };
const end: RequestEvent = { kind: 'end' };
