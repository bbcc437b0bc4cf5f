import { CarmineError } from '@carmine/errors';

/**
 * Finds the end of a chunked body that nobody wants (RFC 9112, section 7.1), such as that of a challenge: what follows on the connection is the next
 * answer. Strict, because two readers that find different ends read different answers.
 */
export class ChunkedEnd {
  readonly #origin: string;
  #state: 'size' | 'extension' | 'data' | 'dataEnd' | 'trailer' = 'size';
  /** Octets of the chunk that are to come; of its size, digits that came. */
  #left = 0;
  #digits = 0;
  /** Octets of the line that came, and whether the last of them was CR. */
  #line = 0;
  #cr = false;
  #total = 0;

  constructor(origin: string) {
    this.#origin = origin;
  }

  /** How many of these octets belong to it, when it ends with them; undefined: all, and more is to come. */
  feed(bytes: Uint8Array): number | undefined {
    this.#total += bytes.length;
    if (this.#total > longest) throw this.#invalid('too long a body');
    for (let at = 0; at < bytes.length; ) {
      if (this.#state === 'data') {
        const count = Math.min(this.#left, bytes.length - at);
        this.#left -= count;
        at += count;
        if (this.#left === 0) this.#state = 'dataEnd';
      } else if (this.#take(bytes[at++] as number)) return at;
    }
    return undefined;
  }

  /** One octet of a line; true with the last one of all. */
  #take(octet: number): boolean {
    if (this.#cr) {
      if (octet !== lf) throw this.#invalid('a CR among the chunks is not followed by LF');
      this.#cr = false;
      return this.#endLine();
    }
    if (octet === cr) {
      this.#cr = true;
      return false;
    }
    if (octet < space && octet !== tab) throw this.#invalid('a control character among the chunks');
    if (++this.#line > longestLine) throw this.#invalid('too long a line among the chunks');
    if (this.#state === 'dataEnd') throw this.#invalid('a chunk does not end with its size');
    if (this.#state !== 'size') return false;
    const digit = digits.indexOf(String.fromCharCode(octet).toLowerCase());
    if (digit >= 0) {
      if (++this.#digits > 8) throw this.#invalid('too long a chunk');
      this.#left = this.#left * 16 + digit;
    } else if (this.#digits > 0 && (octet === semicolon || octet === space || octet === tab)) this.#state = 'extension';
    else throw this.#invalid('a malformed size of a chunk');
    return false;
  }

  #endLine(): boolean {
    const empty = this.#line === 0;
    this.#line = 0;
    switch (this.#state) {
      case 'size':
      case 'extension':
        if (this.#digits === 0) throw this.#invalid('a chunk without a size');
        this.#digits = 0;
        this.#state = this.#left === 0 ? 'trailer' : 'data';
        return false;
      case 'dataEnd':
        this.#state = 'size';
        return false;
      case 'trailer':
        return empty;
      case 'data':
        return false;
    }
  }

  #invalid(reason: string): CarmineError {
    return new CarmineError('transfer/invalid-response', { context: { origin: this.#origin, reason } });
  }
}

/** Bytes, framing included. */
const longest = 256 * 1024;
const longestLine = 4_096;
const digits = '0123456789abcdef';
const [tab, lf, cr, space, semicolon] = [9, 10, 13, 32, 59];
