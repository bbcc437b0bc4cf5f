import { CarmineError } from '@carmine/errors';

export interface ByteReaderOptions {
  /** Names the structure in errors. */
  readonly what?: string | undefined;
  /** Byte order of integers; little-endian unless told otherwise. */
  readonly littleEndian?: boolean | undefined;
}

/**
 * A cursor over bytes. Every read is checked against what remains before anything is taken, and fails with
 * `wire/truncated`; nothing is ever read beyond the end. `take` and `sub` are views, not copies.
 */
export class ByteReader {
  readonly what: string;
  readonly littleEndian: boolean;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #position = 0;

  constructor(bytes: Uint8Array, options: ByteReaderOptions = {}) {
    this.what = options.what ?? 'message';
    this.littleEndian = options.littleEndian ?? true;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Octets consumed so far. */
  get position(): number {
    return this.#position;
  }

  get remaining(): number {
    return this.#bytes.length - this.#position;
  }

  u8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#advance(2), this.littleEndian);
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4), this.littleEndian);
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#advance(8), this.littleEndian);
  }

  /** The next `length` octets, as a view. */
  take(length: number): Uint8Array {
    const start = this.#advance(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** A reader over the next `length` octets, which this reader skips. */
  sub(length: number, what: string = this.what): ByteReader {
    return new ByteReader(this.take(length), { what, littleEndian: this.littleEndian });
  }

  skip(length: number): void {
    this.#advance(length);
  }

  /** Moves to an absolute position at or before the end. */
  seek(position: number): void {
    if (!Number.isInteger(position) || position < 0 || position > this.#bytes.length) {
      this.#fail(position, this.#bytes.length);
    }
    this.#position = position;
  }

  /** The next octet, unread; undefined at the end. */
  peek(): number | undefined {
    return this.#bytes[this.#position];
  }

  /** Fails with `wire/trailing` when octets are left. */
  expectEnd(): void {
    if (this.remaining > 0) {
      throw new CarmineError('wire/trailing', { context: { what: this.what, count: this.remaining } });
    }
  }

  /** Makes the error for a value that is there but wrong. */
  invalid(reason: string): CarmineError {
    return new CarmineError('wire/invalid', { context: { what: this.what, reason, position: this.#position } });
  }

  #advance(length: number): number {
    if (!Number.isInteger(length) || length < 0 || length > this.remaining) this.#fail(length, this.remaining);
    const start = this.#position;
    this.#position = start + length;
    return start;
  }

  #fail(needed: number, available: number): never {
    throw new CarmineError('wire/truncated', { context: { what: this.what, needed, available } });
  }
}
