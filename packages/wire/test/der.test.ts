import { isCarmineError } from '@carmine/errors';
import { fromHex, toHex } from '@carmine/testkit';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  applicationTag,
  contextTag,
  DerReader,
  decodeObjectIdentifier,
  derBoolean,
  derContext,
  derElement,
  derEnumerated,
  derInteger,
  derObjectIdentifier,
  derOctetString,
  derSequence,
  encodeObjectIdentifier,
} from '../src/der/index.ts';

// Values of X.690 8.3, 8.19.5 and of RFC 4178; the OIDs of dcom.md 3.8.
const integers: [bigint, string][] = [
  [0n, '020100'],
  [127n, '02017f'],
  [128n, '02020080'],
  [256n, '02020100'],
  [-1n, '0201ff'],
  [-128n, '020180'],
  [-129n, '0202ff7f'],
  [0x0102030405060708n, '02080102030405060708'],
];
const identifiers: [string, string][] = [
  ['1.3.6.1.5.5.2', '06062b0601050502'],
  ['1.3.6.1.4.1.311.2.2.10', '060a2b06010401823702020a'],
  ['1.2.840.113554.1.2.2', '06092a864886f712010202'],
  ['2.999.3', '0603883703'],
  ['0.39', '060127'],
];

describe('golden', () => {
  test.each(integers)('INTEGER %s', (value, hex) => {
    expect(toHex(derInteger(value))).toBe(hex);
    expect(new DerReader(fromHex(hex)).integer()).toBe(value);
  });

  test.each(identifiers)('OBJECT IDENTIFIER %s', (text, hex) => {
    expect(toHex(derObjectIdentifier(text))).toBe(hex);
    expect(new DerReader(fromHex(hex)).objectIdentifier()).toBe(text);
  });

  test.each([
    [0, '0400'],
    [127, '047f'],
    [128, '048180'],
    [255, '0481ff'],
    [256, '04820100'],
    [65_536, '0483010000'],
  ])('length %i takes the fewest octets', (length, head) => {
    const encoded = derOctetString(new Uint8Array(length));
    expect(toHex(encoded.subarray(0, head.length / 2))).toBe(head);
    expect(new DerReader(encoded).octetString()).toHaveLength(length);
  });

  test('nested elements and optional fields', () => {
    const encoded = derElement(
      applicationTag(0),
      derObjectIdentifier('1.3.6.1.5.5.2'),
      derContext(1, derSequence(derContext(0, derEnumerated(3)), derContext(2, derBoolean(true)))),
    );
    expect(toHex(encoded)).toBe('6016 06062b0601050502 a10c300a a0030a0103 a2030101ff'.replaceAll(' ', ''));
    const reader = new DerReader(encoded).enter(applicationTag(0));
    expect(reader.objectIdentifier()).toBe('1.3.6.1.5.5.2');
    expect(reader.enterIf(contextTag(0))).toBeUndefined();
    const sequence = reader.enter(contextTag(1)).sequence();
    expect(sequence.enterIf(contextTag(0))?.enumerated()).toBe(3);
    expect(sequence.peekTag()).toBe(0xa2);
    const element = sequence.element();
    expect(toHex(element.raw)).toBe('a2030101ff');
    expect(new DerReader(element.contents).boolean()).toBe(true);
    expect(sequence.atEnd).toBe(true);
    sequence.expectEnd();
  });
});

describe('refused', () => {
  test.each([
    ['indefinite length', '3080020100', 'wire/invalid'],
    ['length in long form below 128', '04810100', 'wire/invalid'],
    ['length with a leading zero', `0482${'0080'}${'00'.repeat(128)}`, 'wire/invalid'],
    ['length of five octets', '048500000000010000', 'wire/invalid'],
    ['length beyond the end', '0484ffffffff00', 'wire/truncated'],
    ['no length', '04', 'wire/truncated'],
    ['nothing', '', 'wire/truncated'],
    ['high tag number', '1f810001', 'wire/invalid'],
  ])('%s', (_, hex, code) => {
    expect(() => new DerReader(fromHex(hex)).element()).toThrow(expect.objectContaining({ code }));
  });

  test.each([
    ['INTEGER without contents', '0200', (r: DerReader) => r.integer()],
    ['INTEGER with a leading zero', '0202007f', (r: DerReader) => r.integer()],
    ['INTEGER with leading ones', '0202ff80', (r: DerReader) => r.integer()],
    ['huge INTEGER', `0241${'01'.repeat(65)}`, (r: DerReader) => r.integer()],
    ['negative ENUMERATED', '0a01ff', (r: DerReader) => r.enumerated()],
    ['BOOLEAN 01', '010101', (r: DerReader) => r.boolean()],
    ['OID without contents', '0600', (r: DerReader) => r.objectIdentifier()],
    ['OID with a padded arc', '06032b8001', (r: DerReader) => r.objectIdentifier()],
    ['OID that ends inside an arc', '06022b86', (r: DerReader) => r.objectIdentifier()],
    ['another tag', '0500', (r: DerReader) => r.octetString()],
    ['the end', '', (r: DerReader) => r.sequence()],
  ])('%s', (_, hex, read) => {
    expect(() => read(new DerReader(fromHex(hex)))).toThrow(expect.objectContaining({ code: 'wire/invalid' }));
  });

  test('an OID longer than any real one', () => {
    expect(() => decodeObjectIdentifier(new Uint8Array(129).fill(1))).toThrow(
      expect.objectContaining({ code: 'wire/limit' }),
    );
  });

  test.each(['', '1', '3.1', '1.40', '1.02', '1.x', '0.1.-2'])('text that is no OID: "%s"', (text) => {
    expect(() => encodeObjectIdentifier(text)).toThrow(expect.objectContaining({ code: 'wire/unencodable' }));
  });
});

describe('property', () => {
  test('INTEGER and OID survive', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(1n << 200n), max: 1n << 200n }), (value) => {
        expect(new DerReader(derInteger(value)).integer()).toBe(value);
      }),
    );
    fc.assert(
      fc.property(fc.nat(39), fc.array(fc.nat(), { maxLength: 8 }), (second, rest) => {
        const text = ['1', second, ...rest].join('.');
        expect(decodeObjectIdentifier(encodeObjectIdentifier(text))).toBe(text);
      }),
    );
  });

  test('any bytes decode or fail as the peer’s fault', () => {
    const walk = (reader: DerReader, depth: number): void => {
      while (!reader.atEnd) {
        const { tag, contents, raw } = reader.element();
        expect(derElement(tag, contents)).toEqual(raw.slice());
        if ((tag & 0x20) !== 0 && depth < 8) walk(new DerReader(contents), depth + 1);
      }
    };
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (input) => {
        for (const attempt of [
          () => walk(new DerReader(input), 0),
          () => new DerReader(input).integer(),
          () => new DerReader(input).objectIdentifier(),
          () => decodeObjectIdentifier(input),
        ]) {
          try {
            attempt();
          } catch (error) {
            expect(isCarmineError(error) && error.kind).toBe('remote');
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});
