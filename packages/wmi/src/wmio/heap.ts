import { CarmineError } from '@carmine/errors';
import { ByteReader } from '@carmine/wire';
import { dictionary, dictionaryFlag, nullReference, readEncodedString } from './strings.ts';
import type { HeapLayout } from './types.ts';

/** What one decoding may still do: heap items can be referred to as often as an encoder likes. */
export class DecodeBudget {
  #octets: number;
  #depth = 0;
  /** Whether instances remember how they were laid out. */
  readonly keepLayout: boolean;

  constructor(length: number, keepLayout: boolean) {
    this.keepLayout = keepLayout;
    this.#octets = 8 * length + 4096;
  }

  spend(octets: number): void {
    this.#octets -= octets;
    if (this.#octets < 0) throw limit('heap items', octets);
  }

  /** Objects within objects. */
  nest<T>(read: () => T): T {
    if (++this.#depth > maxDepth) throw limit('embedded objects', this.#depth);
    try {
      return read();
    } finally {
      this.#depth--;
    }
  }
}

/** A heap, [MS-WMIO] 2.2.66: `u32 length | 0x80000000`, then items that references point to. */
export class HeapReader {
  readonly budget: DecodeBudget;
  readonly #bytes: Uint8Array;
  /** Of what was read: offset and end, in the order of reading. */
  readonly #items: { readonly at: number; end: number }[] | undefined;

  constructor(bytes: Uint8Array, budget: DecodeBudget, keepLayout = true) {
    this.#items = keepLayout ? [] : undefined;
    this.#bytes = bytes;
    this.budget = budget;
  }

  /** Reads the item at `reference`. */
  read<T>(reference: number, read: (reader: ByteReader) => T): T {
    const reader = new ByteReader(this.#bytes, { what: 'heap' });
    reader.seek(reference);
    const item = { at: reference, end: reference };
    this.#items?.push(item);
    this.budget.spend(itemCost);
    const value = read(reader);
    item.end = Math.max(item.end, reader.position);
    this.budget.spend(reader.position - reference);
    return value;
  }

  /** A string, of the dictionary if the reference says so; undefined for NULL. */
  string(reference: number): string | undefined {
    if (reference === nullReference) return undefined;
    if ((reference & dictionaryFlag) !== 0) {
      const word = dictionary[(reference & 0x7fff_ffff) >>> 0];
      if (word === undefined) throw invalid(`no word ${reference & 0x7fff_ffff} in the dictionary`);
      return word;
    }
    return this.read(reference, readEncodedString);
  }

  layout(): HeapLayout {
    const items = this.#items ?? [];
    const offsets = items.map(({ at }) => at);
    const sorted = [...items].sort((a, b) => a.at - b.at);
    const gaps: { at: number; octets: Uint8Array }[] = [];
    let at = 0;
    for (const item of sorted) {
      if (item.at > at) gaps.push({ at, octets: this.#bytes.slice(at, item.at) });
      at = Math.max(at, item.end);
    }
    if (at < this.#bytes.length) gaps.push({ at, octets: this.#bytes.slice(at) });
    return { length: this.#bytes.length, offsets, gaps };
  }
}

/** The heap that follows in `reader`. */
export function readHeap(reader: ByteReader): Uint8Array {
  const length = reader.u32();
  if ((length & dictionaryFlag) === 0) throw reader.invalid('length of a heap');
  return reader.take(length & 0x7fff_ffff);
}

/** A heap being written. References are known when an item is reserved, before what it has is. */
export class HeapWriter {
  readonly #layout: HeapLayout | undefined;
  #bytes: Uint8Array;
  #view: DataView;
  #length: number;
  #next = 0;

  constructor(layout?: HeapLayout) {
    this.#layout = layout;
    this.#bytes = new Uint8Array(Math.max(256, layout?.length ?? 0));
    this.#view = new DataView(this.#bytes.buffer);
    this.#length = layout?.length ?? 0;
    for (const { at, octets } of layout?.gaps ?? []) this.#bytes.set(octets, at);
  }

  /** Room for an item; its offset. */
  reserve(length: number): number {
    if (this.#layout !== undefined) {
      const at = this.#layout.offsets[this.#next++];
      if (at === undefined || at + length > this.#layout.length) throw unencodable('the layout is of another object');
      return at;
    }
    const at = this.#length;
    const end = at + length;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, 2 * this.#bytes.length));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#length = end;
    return at;
  }

  put(at: number, octets: Uint8Array): void {
    this.#bytes.set(octets, at);
  }

  u32(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }

  /** A string as an item; its offset. */
  string(text: string): number {
    let wide = false;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit === 0) throw unencodable('a NUL within a string');
      if (unit > 0xff) wide = true;
    }
    const at = this.reserve(wide ? 2 * text.length + 3 : text.length + 2);
    const bytes = this.#bytes;
    bytes[at] = wide ? 1 : 0;
    let position = at + 1;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      bytes[position++] = unit & 0xff;
      if (wide) bytes[position++] = unit >>> 8;
    }
    bytes[position++] = 0;
    if (wide) bytes[position] = 0;
    return at;
  }

  /** The length that stands before it, and the items. */
  toBytes(): Uint8Array {
    const out = new Uint8Array(4 + this.#length);
    new DataView(out.buffer).setUint32(0, (this.#length | dictionaryFlag) >>> 0, true);
    out.set(this.#bytes.subarray(0, this.#length), 4);
    return out;
  }
}

export function invalid(reason: string): CarmineError {
  return new CarmineError('wmi/invalid-object', { context: { reason } });
}

function unencodable(reason: string): CarmineError {
  return new CarmineError('wire/unencodable', { context: { what: 'heap', reason } });
}

function limit(what: string, actual: number): CarmineError {
  return new CarmineError('wire/limit', { context: { what, actual, limit: 'what its length allows' } });
}

const maxDepth = 8;
/** What an item costs beside its octets. */
const itemCost = 8;
