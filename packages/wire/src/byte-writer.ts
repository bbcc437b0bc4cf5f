import { CarmineError } from '@carmine/errors';

export interface ByteWriterOptions {
  /** Byte order of integers; little-endian unless told otherwise. */
  readonly littleEndian?: boolean | undefined;
}

/** A buffer that grows as octets are appended. Values out of range fail with `wire/unencodable`: they are our own bug. */
export class ByteWriter {
  readonly littleEndian: boolean;
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  constructor(options: ByteWriterOptions = {}) {
    this.littleEndian = options.littleEndian ?? true;
  }

  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    this.#check(value, 0xff, 'u8');
    const start = this.#reserve(1);
    this.#view.setUint8(start, value);
    return this;
  }

  u16(value: number): this {
    this.#check(value, 0xffff, 'u16');
    const start = this.#reserve(2);
    this.#view.setUint16(start, value, this.littleEndian);
    return this;
  }

  u32(value: number): this {
    this.#check(value, 0xffff_ffff, 'u32');
    const start = this.#reserve(4);
    this.#view.setUint32(start, value, this.littleEndian);
    return this;
  }

  u64(value: bigint): this {
    if (value < 0n || value > 0xffff_ffff_ffff_ffffn) unencodable('u64', `${value} is out of range`);
    const start = this.#reserve(8);
    this.#view.setBigUint64(start, value, this.littleEndian);
    return this;
  }

  bytes(value: Uint8Array): this {
    const start = this.#reserve(value.length);
    this.#bytes.set(value, start);
    return this;
  }

  zeros(count: number): this {
    this.#reserve(count);
    return this;
  }

  /** Zero octets up to the next multiple of `alignment`, counted from the start of this writer. */
  align(alignment: number): this {
    return this.zeros((alignment - (this.#length % alignment)) % alignment);
  }

  /** Overwrites octets written before, for lengths that are known only afterwards. */
  patch(position: number, value: Uint8Array): this {
    if (position < 0 || position + value.length > this.#length) {
      unencodable('patch', `${value.length} octets at ${position} of ${this.#length}`);
    }
    this.#bytes.set(value, position);
    return this;
  }

  /** A copy of what was written. */
  toBytes(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #check(value: number, max: number, what: string): void {
    if (!Number.isInteger(value) || value < 0 || value > max) unencodable(what, `${value} is out of range`);
  }

  /** Room for `count` octets of zero; may replace the buffer and its view, so take neither before. */
  #reserve(count: number): number {
    const start = this.#length;
    const needed = start + count;
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#length = needed;
    return start;
  }
}

function unencodable(what: string, reason: string): never {
  throw new CarmineError('wire/unencodable', { context: { what, reason } });
}
