import type { Codec } from './codec.ts';

/** Unsigned integers in the byte order of the reader or writer, which is little-endian unless it was told otherwise. */
export const u8: Codec<number> = {
  name: 'u8',
  alignment: 1,
  size: 1,
  write: (writer, value) => void writer.u8(value),
  read: (reader) => reader.u8(),
};

export const u16: Codec<number> = {
  name: 'u16',
  alignment: 2,
  size: 2,
  write: (writer, value) => void writer.u16(value),
  read: (reader) => reader.u16(),
};

export const u32: Codec<number> = {
  name: 'u32',
  alignment: 4,
  size: 4,
  write: (writer, value) => void writer.u32(value),
  read: (reader) => reader.u32(),
};

export const u64: Codec<bigint> = {
  name: 'u64',
  alignment: 8,
  size: 8,
  write: (writer, value) => void writer.u64(value),
  read: (reader) => reader.u64(),
};
