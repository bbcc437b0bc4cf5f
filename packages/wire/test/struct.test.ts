import { fromHex, toHex } from '@carmine/testkit';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bytes, constant, decode, encode, struct, u8, u16, u32, u64, type ValueOf } from '../src/index.ts';

const inner = struct('inner', [
  ['length', u16],
  ['offset', u32],
]);
const outer = struct('outer', [
  ['signature', constant('signature', fromHex('4e54'))],
  ['kind', u8],
  ['inner', inner],
  ['stamp', u64],
  ['key', bytes(3)],
]);

test('a structure is written and read as declared', () => {
  const value: ValueOf<typeof outer> = {
    kind: 5,
    inner: { length: 0x0102, offset: 0x03040506 },
    stamp: 9n,
    key: fromHex('aabbcc'),
  };
  expect(toHex(encode(outer, value))).toBe('4e54050201060504030900000000000000aabbcc');
  expect(decode(outer, encode(outer, value))).toEqual(value);
  expect([outer.size, outer.alignment, outer.name]).toEqual([20, 8, 'outer']);
});

test.each([
  ['wrong constant', '4e5505020106050403', 'wire/invalid'],
  ['short', '4e540502010605', 'wire/truncated'],
  ['long', '4e5405020106050403' + '0900000000000000aabbcc00', 'wire/trailing'],
])('%s is refused', (_, hex, code) => {
  expect(() => decode(outer, fromHex(hex))).toThrow(expect.objectContaining({ code, kind: 'remote' }));
});

test('a byte field of the wrong length is our own fault', () => {
  expect(() => encode(bytes(3), fromHex('aabb'))).toThrow(expect.objectContaining({ code: 'wire/unencodable' }));
});

test('property: encode then decode is identity', () => {
  fc.assert(
    fc.property(
      fc.record({
        kind: fc.nat(0xff),
        inner: fc.record({ length: fc.nat(0xffff), offset: fc.nat(0xffff_ffff) }),
        stamp: fc.bigInt(0n, (1n << 64n) - 1n),
        key: fc.uint8Array({ minLength: 3, maxLength: 3 }),
      }),
      (value) => {
        expect(decode(outer, encode(outer, value))).toEqual(value);
      },
    ),
  );
});
