import { isCarmineError } from '@carmine/errors';
import { fromHex, toHex } from '@carmine/testkit';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalSid, decodeSid, encodeSid, formatSid, parseSid, sidInDomain } from '../src/index.ts';
import { sids } from './arbitraries.ts';

// Bytes by [MS-DTYP] 2.4.2.2; the last is the domain SID in rpc-ntlm-samba.json (a Samba server's answer).
const golden: [string, string][] = [
  ['S-1-1-0', '010100000000000100000000'],
  ['S-1-5-18', '010100000000000512000000'],
  ['S-1-5-32-544', '01020000000000052000000020020000'],
  ['S-1-16-12288', '010100000000001000300000'],
  ['S-1-0x123456789abc-1', '0101123456789abc01000000'],
  ['S-1-5-21-1227113100-1545511420-569992708', '0104000000000005150000008c422449fca11e5c0466f921'],
];

describe('SID', () => {
  test.each(golden)('%s', (text, hex) => {
    expect(toHex(encodeSid(text))).toBe(hex);
    expect(decodeSid(fromHex(hex))).toBe(text);
    expect(formatSid(parseSid(text))).toBe(text);
  });

  test.each([
    ['lower case', 's-1-5-32-544', 'S-1-5-32-544'],
    ['leading zeros', 'S-1-05-032-0544', 'S-1-5-32-544'],
    ['small authority in hexadecimal', 'S-1-0x000000000005-18', 'S-1-5-18'],
  ])('one form for %s', (_, text, canonical) => {
    expect(canonicalSid(text)).toBe(canonical);
  });

  test.each([
    '',
    'S-1',
    'S-1-5',
    'S-2-5-18',
    'S-1-5-',
    'S-1-5--18',
    'S-1-5-x',
    'S-1-5-18 ',
    'S-1-0x12-5',
    'S-1-4294967296-1',
    'S-1-5-4294967296',
    `S-1-5${'-1'.repeat(16)}`,
  ])('not a SID: "%s"', (text) => {
    expect(() => parseSid(text)).toThrow(expect.objectContaining({ code: 'security/invalid-sid', kind: 'remote' }));
  });

  test.each([
    ['revision 2', '020100000000000512000000', 'security/invalid-sid'],
    ['no sub-authority', '0100000000000005', 'security/invalid-sid'],
    ['16 sub-authorities', `0110000000000005${'00'.repeat(64)}`, 'security/invalid-sid'],
    ['count beyond the end', '010200000000000520000000', 'wire/truncated'],
    ['octets left over', '01010000000000051200000000', 'wire/trailing'],
  ])('octets with %s', (_, hex, code) => {
    expect(() => decodeSid(fromHex(hex))).toThrow(expect.objectContaining({ code }));
  });

  test('an account in a domain', () => {
    expect(sidInDomain('S-1-5-21-1-2-3', 1001)).toBe('S-1-5-21-1-2-3-1001');
    expect(() => sidInDomain('S-1-5-21-1-2-3', 2 ** 32)).toThrow(/range/);
  });

  test('property: text and octets survive; anything else fails as the peer’s fault', () => {
    fc.assert(
      fc.property(sids, (sid) => {
        expect(decodeSid(encodeSid(sid))).toBe(sid);
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        try {
          expect(encodeSid(decodeSid(bytes))).toEqual(bytes);
        } catch (error) {
          expect(isCarmineError(error) && error.kind).toBe('remote');
        }
      }),
    );
  });
});
