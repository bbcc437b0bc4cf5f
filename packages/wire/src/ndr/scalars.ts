import { guid as guidCodec } from '../guid.ts';
import type { NdrType } from './ndr-type.ts';

export const ndrU8: NdrType<number> = {
  name: 'u8',
  alignment: 1,
  size: 1,
  write: (writer, value) => void writer.u8(value),
  read: (reader, set) => set(reader.u8()),
};

export const ndrU16: NdrType<number> = {
  name: 'u16',
  alignment: 2,
  size: 2,
  write: (writer, value) => void writer.align(2).u16(value),
  read(reader, set) {
    reader.align(2);
    set(reader.u16());
  },
};

export const ndrU32: NdrType<number> = {
  name: 'u32',
  alignment: 4,
  size: 4,
  write: (writer, value) => void writer.align(4).u32(value),
  read(reader, set) {
    reader.align(4);
    set(reader.u32());
  },
};

/** hyper. */
export const ndrU64: NdrType<bigint> = {
  name: 'u64',
  alignment: 8,
  size: 8,
  write: (writer, value) => void writer.align(8).u64(value),
  read(reader, set) {
    reader.align(8);
    set(reader.u64());
  },
};

export const ndrGuid: NdrType<string> = {
  name: 'GUID',
  alignment: 4,
  size: 16,
  write(writer, value) {
    writer.align(4);
    guidCodec.write(writer, value);
  },
  read(reader, set) {
    reader.align(4);
    set(guidCodec.read(reader));
  },
};

/** A fixed number of octets. */
export function ndrOctets(length: number): NdrType<Uint8Array> {
  return {
    name: `octets(${length})`,
    alignment: 1,
    size: length,
    write: (writer, value) => void writer.bytes(value),
    read: (reader, set) => set(reader.take(length).slice()),
  };
}
