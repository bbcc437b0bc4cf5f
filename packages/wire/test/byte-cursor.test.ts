import { isCarmineError } from '@carmine/errors';
import { fromHex, toHex } from '@carmine/testkit';
import { describe, expect, test } from 'vitest';
import { ByteReader, ByteWriter, concatBytes, decodeUtf16, encodeUtf16, equalBytes } from '../src/index.ts';

describe('ByteWriter and ByteReader', () => {
  test('write what they read, in both byte orders', () => {
    for (const [littleEndian, hex] of [
      [true, '01 0302 07060504 0f0e0d0c0b0a0908 aabb'],
      [false, '01 0203 04050607 08090a0b0c0d0e0f aabb'],
    ] as const) {
      const writer = new ByteWriter({ littleEndian });
      writer.u8(1).u16(0x0203).u32(0x04050607).u64(0x08090a0b0c0d0e0fn).bytes(fromHex('aabb'));
      expect(toHex(writer.toBytes())).toBe(hex.replaceAll(' ', ''));
      const reader = new ByteReader(writer.toBytes(), { littleEndian });
      expect([reader.u8(), reader.u16(), reader.u32(), reader.u64()]).toEqual([
        1,
        0x0203,
        0x04050607,
        0x08090a0b0c0d0e0fn,
      ]);
      expect(reader.remaining).toBe(2);
      expect(toHex(reader.take(2))).toBe('aabb');
      reader.expectEnd();
    }
  });

  test('the writer grows, aligns and patches', () => {
    const writer = new ByteWriter();
    writer.u8(1).align(4).bytes(new Uint8Array(200).fill(7)).align(8);
    expect(writer.length).toBe(208);
    writer.patch(0, fromHex('ff'));
    expect(toHex(writer.toBytes().subarray(0, 5))).toBe('ff00000007');
    expect(() => writer.patch(208, fromHex('00'))).toThrow(/patch/);
  });

  test('integers may be what makes the writer grow', () => {
    for (const write of [
      (writer: ByteWriter) => writer.u8(1),
      (writer: ByteWriter) => writer.u16(1),
      (writer: ByteWriter) => writer.u32(1),
      (writer: ByteWriter) => writer.u64(1n),
    ]) {
      const writer = new ByteWriter().zeros(64);
      write(writer);
      expect(toHex(writer.toBytes().subarray(64)).padEnd(16, '0')).toBe('0100000000000000');
    }
  });

  test.each([
    ['u8', (writer: ByteWriter) => writer.u8(256)],
    ['u8 negative', (writer: ByteWriter) => writer.u8(-1)],
    ['u16', (writer: ByteWriter) => writer.u16(0x10000)],
    ['u32 fraction', (writer: ByteWriter) => writer.u32(1.5)],
    ['u64', (writer: ByteWriter) => writer.u64(1n << 64n)],
  ])('a value out of range is our own fault: %s', (_, write) => {
    expect(caught(() => write(new ByteWriter()))).toMatchObject({ code: 'wire/unencodable', kind: 'local' });
  });

  test.each([
    ['u8', 0, (reader: ByteReader) => reader.u8()],
    ['u16', 1, (reader: ByteReader) => reader.u16()],
    ['u32', 3, (reader: ByteReader) => reader.u32()],
    ['u64', 7, (reader: ByteReader) => reader.u64()],
    ['take', 4, (reader: ByteReader) => reader.take(5)],
    ['take negative', 4, (reader: ByteReader) => reader.take(-1)],
    ['sub', 4, (reader: ByteReader) => reader.sub(0xffff_ffff)],
    ['skip', 4, (reader: ByteReader) => reader.skip(5)],
    ['seek', 4, (reader: ByteReader) => reader.seek(5)],
  ])('reading beyond the end is truncated: %s', (_, length, read) => {
    const reader = new ByteReader(new Uint8Array(length), { what: 'thing' });
    expect(caught(() => read(reader))).toMatchObject({ code: 'wire/truncated', kind: 'remote' });
    expect(reader.position).toBe(0);
  });

  test('a reader over a part of a buffer sees that part only', () => {
    const whole = fromHex('00112233445566');
    const reader = new ByteReader(whole.subarray(2, 5));
    const part = reader.sub(2);
    expect(part.u16()).toBe(0x3322);
    expect(() => part.u8()).toThrow(/remain/);
    expect(reader.peek()).toBe(0x44);
    expect(caught(() => reader.expectEnd())).toMatchObject({ code: 'wire/trailing' });
    reader.seek(3);
    expect(reader.peek()).toBeUndefined();
  });
});

test('UTF-16LE keeps every code unit, unpaired surrogates included', () => {
  const text = `a\u20ac\u{1f600}\ud800${'x'.repeat(20_000)}`;
  expect(decodeUtf16(encodeUtf16(text))).toBe(text);
  expect(toHex(encodeUtf16('\u20acA'))).toBe('ac204100');
  expect(caught(() => decodeUtf16(fromHex('414242')))).toMatchObject({ code: 'wire/invalid' });
});

test('byte arrays are joined and compared', () => {
  expect(toHex(concatBytes(fromHex('01'), fromHex(''), fromHex('0203')))).toBe('010203');
  expect(equalBytes(fromHex('0102'), fromHex('0102'))).toBe(true);
  expect(equalBytes(fromHex('0102'), fromHex('0103'))).toBe(false);
  expect(equalBytes(fromHex('0102'), fromHex('010200'))).toBe(false);
});

function caught(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    expect(isCarmineError(error)).toBe(true);
    return error;
  }
  throw new Error('nothing was thrown');
}
