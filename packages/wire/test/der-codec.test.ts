import { fromHex, toHex } from '@carmine/testkit';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeDer,
  derAny,
  derApplication,
  derFields,
  derFixed,
  derListOf,
  derOctets,
  derRange,
  encodeDer,
} from '../src/der/index.ts';

const int32 = derRange('Int32', -0x8000_0000, 0x7fff_ffff);
const record = derApplication(
  14,
  derFields('Record', [
    ['version', 0, derFixed('version', 5)],
    ['count', 1, int32],
    ['note', 3, derOctets, 'optional'],
    ['rest', 4, derListOf(int32, 3), 'optional'],
  ]),
);

describe('declared messages', () => {
  test.each([
    [{ count: 7 }, '6e0c 300a a003020105 a103020107'],
    [
      { count: -1, note: Uint8Array.of(0xaa), rest: [1, 2] },
      '6e1b 3019 a003020105 a1030201ff a3030401aa a408 3006 020101 020102',
    ],
  ])('%j', (value, hex) => {
    expect(toHex(encodeDer(record, value))).toBe(hex.replaceAll(' ', ''));
    expect(decodeDer(record, fromHex(hex))).toEqual(value);
  });

  test.each([
    ['another application', '6d0c 300a a003020105 a103020107', 'wire/invalid'],
    ['another version', '6e0c 300a a003020104 a103020107', 'wire/invalid'],
    ['a missing field', '6e07 3005 a003020105', 'wire/invalid'],
    ['fields out of order', '6e0c 300a a103020107 a003020105', 'wire/invalid'],
    ['a field that is not declared', '6e11 300f a003020105 a103020107 a203020107', 'wire/trailing'],
    ['two values in a field', '6e0f 300d a003020105 a106020107020107', 'wire/trailing'],
    ['a number out of range', '6e0e 300c a003020105 a10502037fffff', undefined],
    ['a number far out of range', '6e10 300e a003020105 a1070205007fffffff', 'wire/invalid'],
    ['octets after it', '6e0c 300a a003020105 a103020107 00', 'wire/trailing'],
    ['octets after the sequence', '6e0e 300a a003020105 a103020107 0500', 'wire/trailing'],
    ['a list cut short', '6e1a 3018 a003020105 a103020107 a40c 300c 020101 020101 020101 020101', 'wire/truncated'],
    ['a list beyond its limit', '6e1c 301a a003020105 a103020107 a40e 300c 020101 020101 020101 020101', 'wire/limit'],
  ])('%s', (_, hex, code) => {
    const action = () => decodeDer(record, fromHex(hex));
    if (code === undefined) expect(action()).toEqual({ count: 0x7fffff });
    else expect(action).toThrow(expect.objectContaining({ code, kind: 'remote' }));
  });

  test('what does not fit is our own fault', () => {
    expect(() => encodeDer(record, { count: 2 ** 31 })).toThrow(expect.objectContaining({ code: 'wire/unencodable' }));
  });

  test('any element passes as it stands', () => {
    expect(toHex(decodeDer(derAny, fromHex('a103020107')))).toBe('a103020107');
    expect(toHex(encodeDer(derAny, fromHex('a103020107')))).toBe('a103020107');
  });

  test('values survive', () => {
    fc.assert(
      fc.property(
        fc.record(
          {
            count: fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff }),
            note: fc.uint8Array({ maxLength: 300 }),
            rest: fc.array(fc.integer({ min: -9, max: 900 }), { maxLength: 3 }),
          },
          { requiredKeys: ['count'] },
        ),
        (value) => {
          expect(decodeDer(record, encodeDer(record, value))).toEqual(value);
        },
      ),
    );
  });
});
