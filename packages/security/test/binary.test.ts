import { isCarmineError } from '@carmine/errors';
import { fromHex, toHex } from '@carmine/testkit';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeSecurityDescriptor, encodeSecurityDescriptor, formatSddl, parseSddl } from '../src/index.ts';
import { descriptors } from './arbitraries.ts';

// Assembled by hand from [MS-DTYP] 2.4.6, 2.4.5 and 2.4.4; white space separates the fields.
const golden: [string, string][] = [
  ['', '01 00 0080 00000000 00000000 00000000 00000000'],
  ['D:NO_ACCESS_CONTROL', '01 00 0480 00000000 00000000 00000000 00000000'],
  ['D:', '01 00 0480 00000000 00000000 00000000 14000000   02 00 0800 0000 0000'],
  [
    'O:BAG:SYD:P(A;;FR;;;AU)',
    `01 00 0490 30000000 40000000 00000000 14000000
     02 00 1c00 0100 0000   00 00 1400 89001200 01 01 000000000005 0b000000
     01 02 000000000005 20000000 20020000
     01 01 000000000005 12000000`,
  ],
  [
    'D:(OA;CI;CR;ab721a53-1e2f-11d0-9819-00aa0040529b;;WD)S:(AU;SAFA;SD;;;WD)',
    `01 00 1480 00000000 00000000 14000000 30000000
     02 00 1c00 0100 0000   02 c0 1400 00000100 01 01 000000000001 00000000
     04 00 3000 0100 0000   05 02 2800 00010000 01000000 531a72ab 2f1e d011 9819 00aa0040529b 01 01 000000000001 00000000`,
  ],
];

describe('self-relative security descriptor', () => {
  test.each(golden)('%s', (sddl, hex) => {
    const bytes = fromHex(hex);
    expect(toHex(encodeSecurityDescriptor(parseSddl(sddl)))).toBe(toHex(bytes));
    expect(formatSddl(decodeSecurityDescriptor(bytes))).toBe(sddl);
    expect(decodeSecurityDescriptor(bytes)).toEqual(parseSddl(sddl));
  });

  test('room behind the last ACE and parts in another order are legal', () => {
    const bytes = fromHex(`01 00 0480 14000000 00000000 00000000 20000000
      01 01 000000000005 12000000   02 00 1000 0000 0000 ffffffffffffffff`);
    expect(formatSddl(decodeSecurityDescriptor(bytes))).toBe('O:SYD:');
  });

  const acl = (body: string) => `01 00 0480 00000000 00000000 00000000 14000000 ${body}`;
  test.each([
    ['revision', '02 00 0080 00000000 00000000 00000000 00000000', 'wire/invalid'],
    ['absolute form', '01 00 0000 00000000 00000000 00000000 00000000', 'wire/invalid'],
    ['owner in the header', '01 00 0080 04000000 00000000 00000000 00000000', 'wire/invalid'],
    ['owner beyond the end', '01 00 0080 ffffffff 00000000 00000000 00000000', 'wire/truncated'],
    ['ACL revision', acl('03 00 0800 0000 0000'), 'wire/invalid'],
    ['ACL smaller than its header', acl('02 00 0700 0000 0000'), 'wire/invalid'],
    ['ACL larger than what is there', acl('02 00 ffff 0000 0000'), 'wire/truncated'],
    ['more ACEs than fit', acl('02 00 0800 ffff 0000'), 'wire/truncated'],
    ['ACE smaller than its header', acl('02 00 0c00 0100 0000 00 00 0000'), 'wire/invalid'],
    ['ACE of odd size', acl('02 00 1000 0100 0000 00 00 0700 00000000'), 'wire/invalid'],
    ['ACE without a SID', acl('02 00 1000 0100 0000 00 00 0800 00000000'), 'wire/truncated'],
    [
      'ACE with more than a SID',
      acl('02 00 2000 0100 0000 00 00 1800 89001200 01 01 000000000005 0b000000 00000000'),
      'wire/trailing',
    ],
    [
      'object flags',
      acl('02 00 2000 0100 0000 05 00 1800 89001200 04000000 01 01 000000000005 0b000000'),
      'wire/invalid',
    ],
    ['short', '01 00 0480', 'wire/truncated'],
  ])('refused: %s', (_, hex, code) => {
    expect(() => decodeSecurityDescriptor(fromHex(hex))).toThrow(expect.objectContaining({ code, kind: 'remote' }));
  });

  test('property: encode then decode is identity', () => {
    fc.assert(
      fc.property(descriptors, (descriptor) => {
        expect(decodeSecurityDescriptor(encodeSecurityDescriptor(descriptor))).toEqual(descriptor);
      }),
    );
  });

  test('property: any bytes decode or fail as the peer’s fault', () => {
    const survives = (bytes: Uint8Array) => {
      try {
        decodeSecurityDescriptor(bytes);
      } catch (error) {
        if (!isCarmineError(error)) throw error;
        expect(error.kind).toBe('remote');
      }
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), survives));
    fc.assert(
      fc.property(descriptors, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), (descriptor, changes) => {
        const bytes = encodeSecurityDescriptor(descriptor);
        for (const [position, value] of changes) bytes[position % bytes.length] = value;
        survives(bytes);
      }),
    );
  });

  test('an ACE that is not a whole number of words is our own fault', () => {
    const data = new Uint8Array(3);
    const dacl = { revision: 2, aces: [{ form: 'unknown' as const, type: 0x20, flags: 0, data }] };
    expect(() => encodeSecurityDescriptor({ ...parseSddl(''), dacl })).toThrow(
      expect.objectContaining({ code: 'wire/unencodable' }),
    );
  });
});
