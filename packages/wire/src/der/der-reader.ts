import { ByteReader } from '../byte-reader.ts';
import { decodeObjectIdentifier } from './object-identifier.ts';
import { derTags } from './tags.ts';

/** One element: its identifier octet, its contents, and the element as it stood on the wire (for signatures over it). */
export interface DerElement {
  readonly tag: number;
  readonly contents: Uint8Array;
  readonly raw: Uint8Array;
}

/**
 * Reads Distinguished Encoding Rules, ITU-T X.690 clause 10, strictly: definite lengths in their shortest form, low tag
 * numbers. Whatever else is `wire/invalid`; a length beyond what remains is `wire/truncated`. Everything returned is a
 * view on the input.
 */
export class DerReader {
  readonly #bytes: Uint8Array;
  readonly #reader: ByteReader;

  constructor(bytes: Uint8Array, what = 'DER') {
    this.#bytes = bytes;
    this.#reader = new ByteReader(bytes, { what, littleEndian: false });
  }

  get atEnd(): boolean {
    return this.#reader.remaining === 0;
  }

  /** Identifier octet of the next element; undefined at the end. */
  peekTag(): number | undefined {
    return this.#reader.peek();
  }

  /** The next element, whatever it is. */
  element(): DerElement {
    const start = this.#reader.position;
    const tag = this.#reader.u8();
    if ((tag & 0x1f) === 0x1f) throw this.#reader.invalid('tag numbers above 30 are not supported');
    const contents = this.#reader.take(this.#length());
    return { tag, contents, raw: this.#bytes.subarray(start, this.#reader.position) };
  }

  /** Contents of the next element, which must have this tag. */
  expect(tag: number): Uint8Array {
    const found = this.#reader.peek();
    if (found !== tag) {
      const text = found === undefined ? 'the end' : `tag 0x${found.toString(16)}`;
      throw this.#reader.invalid(`expected tag 0x${tag.toString(16)}, found ${text}`);
    }
    return this.element().contents;
  }

  /** A reader over the contents of the next element, which must have this tag. */
  enter(tag: number): DerReader {
    return new DerReader(this.expect(tag), this.#reader.what);
  }

  /** Like `enter`, but undefined, reading nothing, when another element (or nothing) follows: OPTIONAL fields. */
  enterIf(tag: number): DerReader | undefined {
    return this.#reader.peek() === tag ? this.enter(tag) : undefined;
  }

  sequence(): DerReader {
    return this.enter(derTags.sequence);
  }

  octetString(): Uint8Array {
    return this.expect(derTags.octetString);
  }

  objectIdentifier(): string {
    return decodeObjectIdentifier(this.expect(derTags.objectIdentifier));
  }

  /** Two's complement of any length up to 64 octets. */
  integer(): bigint {
    return this.#signed(this.expect(derTags.integer));
  }

  /** An ENUMERATED that fits in 32 bits. */
  enumerated(): number {
    const value = this.#signed(this.expect(derTags.enumerated));
    if (value < 0n || value > 0xffff_ffffn) throw this.#reader.invalid('ENUMERATED is out of range');
    return Number(value);
  }

  boolean(): boolean {
    const contents = this.expect(derTags.boolean);
    if (contents.length !== 1 || (contents[0] !== 0 && contents[0] !== 0xff)) {
      throw this.#reader.invalid('BOOLEAN is neither 00 nor ff');
    }
    return contents[0] === 0xff;
  }

  /** Fails with `wire/trailing` when elements are left. */
  expectEnd(): void {
    this.#reader.expectEnd();
  }

  /** X.690 10.1: "the definite form of length encoding shall be used, encoded in the minimum number of octets". */
  #length(): number {
    const first = this.#reader.u8();
    if (first < 0x80) return first;
    const count = first & 0x7f;
    if (count === 0) throw this.#reader.invalid('indefinite length');
    if (count > 4) throw this.#reader.invalid(`length of ${count} octets`);
    let length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + this.#reader.u8();
    if (length < 0x80 || length < 256 ** (count - 1)) throw this.#reader.invalid('length is not in its shortest form');
    return length;
  }

  #signed(contents: Uint8Array): bigint {
    const [first, second] = contents;
    if (first === undefined) throw this.#reader.invalid('INTEGER without contents');
    if (contents.length > 64) throw this.#reader.invalid('INTEGER of more than 64 octets');
    // X.690 8.3.2: the first nine bits are neither all ones nor all zero.
    if (second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))) {
      throw this.#reader.invalid('INTEGER is not in its shortest form');
    }
    let value = first >= 0x80 ? -1n : 0n;
    for (const octet of contents) value = (value << 8n) | BigInt(octet);
    return value;
  }
}
