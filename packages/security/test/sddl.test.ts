import { isCarmineError } from '@carmine/errors';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  controlFlags,
  encodeSecurityDescriptor,
  fileGenericRead,
  formatSddl,
  parseSddl,
  type SecurityDescriptor,
} from '../src/index.ts';
import { describable } from './arbitraries.ts';

describe('parseSddl', () => {
  test('the example of [MS-DTYP] 2.5.1.4, without its condition', () => {
    expect(parseSddl('O:BAG:BAD:P(A;CIOI;GRGX;;;BU)(A;CIOI;GA;;;BA)(A;CIOI;GA;;;SY)S:P(AU;FA;GR;;;WD)')).toEqual({
      owner: 'S-1-5-32-544',
      group: 'S-1-5-32-544',
      dacl: {
        revision: 2,
        aces: [
          { form: 'basic', kind: 'allow', flags: 3, mask: 0xa000_0000, sid: 'S-1-5-32-545' },
          { form: 'basic', kind: 'allow', flags: 3, mask: 0x1000_0000, sid: 'S-1-5-32-544' },
          { form: 'basic', kind: 'allow', flags: 3, mask: 0x1000_0000, sid: 'S-1-5-18' },
        ],
      },
      sacl: {
        revision: 2,
        aces: [{ form: 'basic', kind: 'audit', flags: 0x80, mask: 0x8000_0000, sid: 'S-1-1-0' }],
      },
      control: controlFlags.daclProtected | controlFlags.saclProtected,
      resourceManagerControl: 0,
    } satisfies SecurityDescriptor);
  });

  test('object ACEs', () => {
    const text =
      'D:(OA;;CR;ab721a53-1e2f-11d0-9819-00aa0040529b;;AU)(OD;CI;WP;;bf967aba-0de6-11d0-a285-00aa003049e2;WD)';
    const { dacl } = parseSddl(text.replace('ab721a53', 'AB721A53'));
    expect(dacl).toEqual({
      revision: 4,
      aces: [
        {
          form: 'object',
          kind: 'allow',
          flags: 0,
          mask: 0x100,
          objectType: 'ab721a53-1e2f-11d0-9819-00aa0040529b',
          inheritedObjectType: undefined,
          sid: 'S-1-5-11',
        },
        {
          form: 'object',
          kind: 'deny',
          flags: 2,
          mask: 0x20,
          objectType: undefined,
          inheritedObjectType: 'bf967aba-0de6-11d0-a285-00aa003049e2',
          sid: 'S-1-1-0',
        },
      ],
    });
    expect(formatSddl(parseSddl(text))).toBe(text);
  });

  test.each<[string, number]>([
    ['FR', fileGenericRead],
    ['0x120089', fileGenericRead],
    ['0X1F01FF', 0x1f01ff],
    ['GRGW', 0xc000_0000],
    ['RCSDWDWO', 0x000f_0000],
    ['CCDCLCSWRPWPDTLOCR', 0x1ff],
    ['KR', 0x20019],
    ['', 0],
    ['fr', fileGenericRead],
  ])('rights %s', (rights, mask) => {
    expect(parseSddl(`D:(A;;${rights};;;WD)`).dacl).toMatchObject({ aces: [{ mask }] });
  });

  test('the parts may be absent, empty, null and in another order', () => {
    expect(parseSddl('')).toMatchObject({ owner: undefined, group: undefined, dacl: undefined, sacl: undefined });
    expect(parseSddl('D:').dacl).toEqual({ revision: 2, aces: [] });
    expect(parseSddl('D:PNO_ACCESS_CONTROL')).toMatchObject({ dacl: 'null', control: controlFlags.daclProtected });
    expect(parseSddl('D:ARAI(A;;FR;;;WD)O:S-1-5-21-1-2-3-500')).toMatchObject({
      owner: 'S-1-5-21-1-2-3-500',
      control: controlFlags.daclAutoInheritRequired | controlFlags.daclAutoInherited,
    });
  });

  test('mandatory labels have rights of their own', () => {
    const text = 'S:(ML;;NWNR;;;HI)';
    expect(parseSddl(text).sacl).toMatchObject({ aces: [{ kind: 'mandatory-label', mask: 3, sid: 'S-1-16-12288' }] });
    expect(formatSddl(parseSddl(text))).toBe(text);
  });

  test('aliases of a domain need one', () => {
    expect(parseSddl('O:LAG:DU', { domainSid: 'S-1-5-21-1-2-3' })).toMatchObject({
      owner: 'S-1-5-21-1-2-3-500',
      group: 'S-1-5-21-1-2-3-513',
    });
    expect(() => parseSddl('O:LA')).toThrow(/domain at character 3/);
  });
});

describe('not SDDL, with the position that is wrong', () => {
  test.each<[string, number]>([
    ['X:BA', 1],
    ['O:', 3],
    ['O:ZZ', 3],
    ['O:BAO:BA', 5],
    ['O:S-1-5-4294967296', 3],
    ['O:BA ', 5],
    ['D:X(A;;FR;;;WD)', 3],
    ['D:PP', 4],
    ['D:NO_ACCESS_CONTROLNO_ACCESS_CONTROL', 20],
    ['D:NO_ACCESS_CONTROL(A;;FR;;;WD)', 20],
    ['D:(', 4],
    ['D:(A;;FR;;;WD', 14],
    ['D:(A;;FR;;;WD))', 15],
    ['D:(Z;;FR;;;WD)', 4],
    ['D:(AU;SA;FR;;;WD)', 4],
    ['S:(A;;FR;;;WD)', 4],
    ['D:(A;XX;FR;;;WD)', 6],
    ['D:(A;;XX;;;WD)', 7],
    ['D:(A;;FRX;;;WD)', 9],
    ['D:(A;;0x123456789;;;WD)', 17],
    ['D:(A;;NW;;;WD)', 7],
    ['D:(A;;FR;ab721a53-1e2f-11d0-9819-00aa0040529b;;WD)', 10],
    ['D:(OA;;FR;ab721a53;;WD)', 11],
    ['D:(A;;FR;;;)', 12],
    // Conditional and resource attribute ACEs.
    ['D:(A;;FR;;;WD;(@User.a==1))', 14],
    ['D:(XA;;FR;;;WD;(@User.a==1))', 4],
    ['D:(XD;;FR;;;WD;(@User.a==1))', 4],
    ['S:(RA;;;;;WD;("a",TI,0,1))', 4],
    ['S:(SP;;;;;S-1-17-1)', 4],
  ])('%s', (text, position) => {
    try {
      parseSddl(text);
    } catch (error) {
      expect(isCarmineError(error, 'security/invalid-sddl') && error.context.position).toBe(position);
      return;
    }
    throw new Error('nothing was thrown');
  });

  test('text longer than any descriptor', () => {
    expect(() => parseSddl('D:(A;;FR;;;WD)'.repeat(20_000))).toThrow(/too long/);
  });

  // Found by fuzzing: such a list was read, and then could not be written.
  test.each([
    ['(A;;FR;;;WD)', 20],
    ['(D;OICI;0x1;;;S-1-5-21-1-2-3-1001)', 36],
    ['(OA;;RP;bf967aba-0de6-11d0-a285-00aa003049e2;00000000-0000-0000-0000-000000000001;AU)', 56],
    ['(A;;FR;;;S-1-0x123456789abc-1-2-3)', 28],
  ])('as many of %s as fit into 64 KiB, and no more', (ace, size) => {
    const fitting = Math.floor((0xffff - 8) / size);
    const octets = encodeSecurityDescriptor(parseSddl(`D:${ace.repeat(fitting)}`));
    expect(octets.length).toBe(20 + 8 + size * fitting);
    expect(() => parseSddl(`D:${ace.repeat(fitting + 1)}`)).toThrow(
      `the ACL has more than 65535 octets at character ${3 + ace.length * fitting}`,
    );
  });
});

describe('formatSddl', () => {
  test.each([
    'O:BAG:SYD:PARAI(D;;FA;;;AN)(A;OICIIO;FR;;;AU)S:AI(AU;SAFA;SD;;;WD)',
    'D:(A;;0x120080;;;S-1-5-21-1-2-3-1001)',
    'D:NO_ACCESS_CONTROLS:',
    'D:(A;;CCRC;;;OW)',
    '',
  ])('%s', (text) => {
    expect(formatSddl(parseSddl(text))).toBe(text);
  });

  test.each<[string, SecurityDescriptor['dacl'], RegExp]>([
    [
      'unknown type',
      { revision: 2, aces: [{ form: 'unknown', type: 9, flags: 0, data: new Uint8Array(0) }] },
      /type 0x9/,
    ],
    [
      'wrong list',
      { revision: 2, aces: [{ form: 'basic', kind: 'audit', flags: 0, mask: 1, sid: 'S-1-1-0' }] },
      /audit/,
    ],
    [
      'flag',
      { revision: 2, aces: [{ form: 'basic', kind: 'allow', flags: 0x20, mask: 1, sid: 'S-1-1-0' }] },
      /flags 0x20/,
    ],
  ])('what has no text: %s', (_, dacl, message) => {
    const descriptor = { ...parseSddl(''), dacl };
    expect(() => formatSddl(descriptor)).toThrow(message);
    expect(() => formatSddl(descriptor)).toThrow(expect.objectContaining({ code: 'wire/unencodable' }));
  });
});

describe('property', () => {
  test('write then read is identity', () => {
    fc.assert(
      fc.property(describable, (descriptor) => {
        expect(parseSddl(formatSddl(descriptor))).toEqual(descriptor);
      }),
    );
  });

  test('any text reads or fails as the peer’s fault, within the text', () => {
    const pieces = fc.constantFrom(
      'O:',
      'G:',
      'D:',
      'S:',
      '(',
      ')',
      ';',
      'A',
      'OA',
      'AU',
      'FR',
      'BA',
      'P',
      '0x1',
      'S-1-5-18',
      ' ',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(pieces).map((parts) => parts.join('')),
        ),
        (text) => {
          try {
            formatSddl(parseSddl(text));
          } catch (error) {
            if (!isCarmineError(error, 'security/invalid-sddl')) throw error;
            expect(Number(error.context.position)).toBeLessThanOrEqual(text.length + 1);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});
