import { CarmineError } from '@carmine/errors';
import { headerLength, isLittleEndian, malformed } from './header.ts';

/** Cuts a stream of octets into PDUs by frag_length. Holds at most one PDU that is not complete. */
export class PduFramer {
  readonly #limit: () => number;
  #pending: Uint8Array = none;

  /** `limit`: octets that a PDU may have now. */
  constructor(limit: () => number) {
    this.#limit = limit;
  }

  /** Octets that wait for the rest of their PDU. */
  get buffered(): number {
    return this.#pending.length;
  }

  /** Takes octets and calls back with each PDU that is complete. Throws `rpc/malformed`, `wire/limit`. */
  push(bytes: Uint8Array, take: (pdu: Uint8Array) => void): void {
    let all = bytes;
    if (this.#pending.length > 0) {
      all = new Uint8Array(this.#pending.length + bytes.length);
      all.set(this.#pending);
      all.set(bytes, this.#pending.length);
    }
    let at = 0;
    while (all.length - at >= headerLength) {
      const head = all.subarray(at, at + headerLength);
      const length = isLittleEndian(head) ? head[8]! | (head[9]! << 8) : (head[8]! << 8) | head[9]!;
      if (length < headerLength) throw malformed('frag_length');
      const limit = this.#limit();
      if (length > limit) throw new CarmineError('wire/limit', { context: { what: 'PDU', actual: length, limit } });
      if (all.length - at < length) break;
      take(all.subarray(at, at + length));
      at += length;
    }
    this.#pending = at === all.length ? none : all.slice(at);
  }
}

const none = new Uint8Array(0);
