import { CarmineError } from '@carmine/errors';
import { decodeUtf16, encodeUtf16 } from '../utf16.ts';
import type { NdrReader } from './ndr-reader.ts';
import type { NdrType } from './ndr-type.ts';
import type { NdrWriter } from './ndr-writer.ts';

/** A conformant array (C706 14.3.3.3): the number of elements, then the elements. */
export function ndrArray<T>(item: NdrType<T>, limit?: number): NdrType<readonly T[]> {
  return {
    name: `${item.name}[]`,
    alignment: item.alignment === 8 ? 8 : 4,
    size: 4,
    write(writer, value) {
      writer.align(4).u32(value.length);
      writeItems(writer, item, value);
    },
    read(reader, set) {
      reader.align(4);
      set(readItems(reader, item, reader.checkCount(reader.u32(), item.size, limit)));
    },
  };
}

/** A conformant and varying array (C706 14.3.3.4): maximum, offset, actual number. The maximum may be larger: `maximum` if given. */
export function ndrVaryingArray<T>(item: NdrType<T>, limit?: number): NdrType<NdrVarying<T>> {
  return {
    name: `${item.name}[]`,
    alignment: 4,
    size: 12,
    write(writer, { items, maximum = items.length }) {
      writer.align(4).u32(maximum).u32(0).u32(items.length);
      writeItems(writer, item, items);
    },
    read(reader, set) {
      reader.align(4);
      const [maximum, offset, actual] = [reader.u32(), reader.u32(), reader.u32()];
      if (offset !== 0 || actual > maximum) throw reader.invalid('a varying array does not fit its maximum');
      set({ items: readItems(reader, item, reader.checkCount(actual, item.size, limit)), maximum });
    },
  };
}

export interface NdrVarying<T> {
  readonly items: readonly T[];
  readonly maximum?: number;
}

/** A conformant array of octets, as a Uint8Array. */
export const ndrByteArray: NdrType<Uint8Array> = {
  name: 'octets[]',
  alignment: 4,
  size: 4,
  write: (writer, value) => void writer.align(4).u32(value.length).bytes(value),
  read(reader, set) {
    reader.align(4);
    set(reader.take(reader.checkCount(reader.u32(), 1)));
  },
};

/** `[string] wchar_t*` without the pointer: conformant and varying, its NUL counted and not part of the value. */
export const ndrWideString: NdrType<string> = {
  name: 'wide string',
  alignment: 4,
  size: 12,
  write(writer, value) {
    const length = value.length + 1;
    writer.align(4).u32(length).u32(0).u32(length).bytes(encodeUtf16(value)).u16(0);
  },
  read(reader, set) {
    reader.align(4);
    const [maximum, offset, actual] = [reader.u32(), reader.u32(), reader.u32()];
    if (offset !== 0 || actual > maximum) throw reader.invalid('a string does not fit its maximum');
    set(decodeUtf16(reader.take(reader.checkCount(actual, 2) * 2)).replace(/\0+$/, ''));
  },
};

/**
 * A structure that ends in a conformant array of octets or words, whose number of elements moves to the front
 * (C706 14.3.7.1): `u32 max | head | elements`.
 */
export function ndrConformantStruct<T>(
  name: string,
  parts: {
    readonly alignment: 4 | 8;
    /** Elements that `value` has. */
    count(value: T): number;
    write(writer: NdrWriter, value: T): void;
    /** `maximum` was read, and is yet to be compared with what remains. */
    read(reader: NdrReader, maximum: number): T;
  },
): NdrType<T> {
  return {
    name,
    alignment: parts.alignment,
    size: 4,
    write(writer, value) {
      writer.align(4).u32(parts.count(value)).align(parts.alignment);
      parts.write(writer, value);
    },
    read(reader, set) {
      reader.align(4);
      const maximum = reader.u32();
      reader.align(parts.alignment);
      set(parts.read(reader, maximum));
    },
  };
}

function writeItems<T>(writer: NdrWriter, item: NdrType<T>, values: readonly T[]): void {
  for (const value of values) item.write(writer, value);
}

function readItems<T>(reader: NdrReader, item: NdrType<T>, count: number): T[] {
  if (item.size === 0) throw new CarmineError('wire/unencodable', { context: { what: item.name, reason: 'no size' } });
  const values = new Array<T>(count);
  for (let at = 0; at < count; at++)
    item.read(reader, (value) => {
      values[at] = value;
    });
  return values;
}
