import { CarmineError } from '@carmine/errors';
import { ByteReader } from '../byte-reader.ts';

/**
 * A cursor over an NDR stream (C706 chapter 14). Alignment counts from the first octet; what embedded pointers point to comes after
 * the construct that holds them, depth first. Counts are checked against the octets that remain before anything is taken.
 */
export class NdrReader extends ByteReader {
  #deferred: (() => void)[] = [];
  #depth = 0;

  align(alignment: number): void {
    const over = this.position % alignment;
    if (over !== 0) this.skip(alignment - over);
  }

  /** Checks a count of items of at least `size` octets each. */
  checkCount(count: number, size: number, limit = 0xffff_ffff): number {
    const most = Math.min(limit, size === 0 ? limit : Math.floor(this.remaining / size));
    if (count > most)
      throw new CarmineError('wire/limit', { context: { what: this.what, actual: count, limit: most } });
    return count;
  }

  /** What a pointer points to is read by `read`, at the end of the construct. */
  defer(read: () => void): void {
    this.#deferred.push(read);
  }

  /** Reads what was deferred. */
  flush(): void {
    if (this.#deferred.length === 0) return;
    if (++this.#depth > maxDepth)
      throw new CarmineError('wire/limit', { context: { what: this.what, actual: this.#depth, limit: maxDepth } });
    const pending = this.#deferred;
    this.#deferred = [];
    for (const read of pending) {
      read();
      this.flush();
    }
    this.#depth--;
  }
}

/** Pointers behind pointers; nothing that is declared here needs more than five. */
const maxDepth = 32;
