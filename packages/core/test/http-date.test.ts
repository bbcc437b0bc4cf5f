import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatHttpDate, parseHttpDate } from '../src/index.ts';

describe('HTTP dates', () => {
  // RFC 9110 section 5.6.7's own example in its three forms.
  const example = Date.UTC(1994, 10, 6, 8, 49, 37);
  it.each(['Sun, 06 Nov 1994 08:49:37 GMT', 'Sunday, 06-Nov-94 08:49:37 GMT', 'Sun Nov  6 08:49:37 1994'])(
    '%s',
    (text) => {
      expect(parseHttpDate(text)).toBe(example);
    },
  );

  it('writes what Date writes, and reads it back', () => {
    fc.assert(
      fc.property(fc.integer({ min: -62_135_596_800, max: 253_402_300_799 }), (seconds) => {
        const text = new Date(seconds * 1000).toUTCString();
        if (text.length !== 29) return;
        expect(formatHttpDate(seconds * 1000)).toBe(text);
        expect(parseHttpDate(text)).toBe(seconds * 1000);
      }),
    );
  });

  it.each([
    '',
    'yesterday',
    'Sun, 31 Feb 1994 08:49:37 GMT',
    'Sun, 06 Nov 1994 24:49:37 GMT',
    'Sun, 06 Nov 1994 08:49:37 +0000',
  ])('refuses "%s"', (text) => {
    expect(parseHttpDate(text)).toBeUndefined();
  });
});
