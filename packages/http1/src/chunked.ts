/** What `read` says of a piece: how much of it is content, where it lies, and how much was used up. */
export interface ChunkedStep {
  readonly kind: 'more' | 'data' | 'end' | 'invalid';
  /** Octets used up, those of `data` included. */
  readonly used: number;
  /** With `data`: where the content begins and ends. */
  readonly from: number;
  readonly to: number;
}

type State =
  | 'size'
  | 'blank'
  | 'extension'
  | 'sizeLf'
  | 'data'
  | 'dataCr'
  | 'dataLf'
  | 'trailer'
  | 'trailerLine'
  | 'trailerLineLf'
  | 'trailerLf';

/**
 * Reads `chunked-body` (RFC 9112 section 7.1), strictly: CR LF everywhere, sizes of at most 8 digits, chunk extensions and
 * trailer fields read over as far as `overhead` octets go in all: who sends more than that for its body is refused.
 */
export class ChunkedReader {
  #state: State = 'size';
  #digits = 0;
  #left = 0;
  #overhead: number;
  /** The trailer field has a name. */
  #named = false;

  /** @param overhead octets that are not sizes, content or line ends of chunks. */
  constructor(overhead = 4096) {
    this.#overhead = overhead;
  }

  read(bytes: Uint8Array, start: number): ChunkedStep {
    let at = start;
    for (; at < bytes.length; at++) {
      const octet = bytes[at]!;
      switch (this.#state) {
        case 'size': {
          const digit = hexDigit(octet);
          if (digit >= 0) {
            if (++this.#digits > 8) return invalid(at - start);
            this.#left = this.#left * 16 + digit;
          } else if (this.#digits === 0) return invalid(at - start);
          else if (octet === cr) this.#state = 'sizeLf';
          else if (octet === semicolon) this.#state = 'extension';
          else if (octet === tab || octet === space) this.#state = 'blank';
          else return invalid(at - start);
          break;
        }
        // `chunk-ext = *( BWS ";" ...`: blanks belong to an extension, or are none.
        case 'blank':
          if (octet === semicolon) this.#state = 'extension';
          else if ((octet !== tab && octet !== space) || --this.#overhead < 0) return invalid(at - start);
          break;
        case 'extension':
          if (octet === cr) this.#state = 'sizeLf';
          else if (!isText(octet) || --this.#overhead < 0) return invalid(at - start);
          break;
        case 'sizeLf':
          if (octet !== lf) return invalid(at - start);
          this.#digits = 0;
          this.#state = this.#left === 0 ? 'trailer' : 'data';
          break;
        case 'data': {
          const to = Math.min(bytes.length, at + this.#left);
          this.#left -= to - at;
          if (this.#left === 0) this.#state = 'dataCr';
          return { kind: 'data', used: to - start, from: at, to };
        }
        case 'dataCr':
          if (octet !== cr) return invalid(at - start);
          this.#state = 'dataLf';
          break;
        case 'dataLf':
          if (octet !== lf) return invalid(at - start);
          this.#state = 'size';
          break;
        // Trailer fields are dropped (RFC 9110 section 6.5.1), and told from the empty line that ends the body.
        case 'trailer':
          if (octet === cr) this.#state = 'trailerLf';
          else if (!isText(octet) || octet === space || octet === tab || octet === colon || --this.#overhead < 0)
            return invalid(at - start);
          else {
            this.#state = 'trailerLine';
            this.#named = false;
          }
          break;
        case 'trailerLine':
          if (octet === colon) this.#named = true;
          if (octet === cr && !this.#named) return invalid(at - start);
          if (octet === cr) this.#state = 'trailerLineLf';
          else if (!isText(octet) || --this.#overhead < 0) return invalid(at - start);
          break;
        case 'trailerLineLf':
          if (octet !== lf) return invalid(at - start);
          this.#state = 'trailer';
          break;
        case 'trailerLf':
          if (octet !== lf) return invalid(at - start);
          return { kind: 'end', used: at + 1 - start, from: 0, to: 0 };
      }
    }
    return { kind: 'more', used: at - start, from: 0, to: 0 };
  }
}

function invalid(used: number): ChunkedStep {
  return { kind: 'invalid', used, from: 0, to: 0 };
}

function hexDigit(octet: number): number {
  if (octet >= 0x30 && octet <= 0x39) return octet - 0x30;
  const lower = octet | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** Anything but controls; HTAB is none here. */
function isText(octet: number): boolean {
  return octet === tab || (octet >= space && octet !== 0x7f);
}

const [tab, lf, cr, space, colon, semicolon] = [9, 10, 13, 32, 58, 59];
