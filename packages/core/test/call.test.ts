import { expect, it } from 'vitest';
import { fromFiletime, toFiletime } from '../src/index.ts';

// 2009-07-25 23:00 UTC as FILETIME, the example of the SYSTEMTIME documentation's era; checked with Python's datetime.
it('converts FILETIME both ways', () => {
  expect(toFiletime(0)).toBe(116_444_736_000_000_000n);
  expect(toFiletime(Date.UTC(2009, 6, 25, 23))).toBe(128_930_364_000_000_000n);
  expect(fromFiletime(128_930_364_000_000_000n)).toBe(Date.UTC(2009, 6, 25, 23));
});
