import { fromHex, toHex } from '@carmine/testkit';
import { crc32, ExtentSet } from '@carmine/transfer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeJournal,
  encodeExtents,
  encodeFinishing,
  encodeHeader,
  encodeJournal,
  encodeText,
  journalMagic,
} from '../src/journal.ts';

const concat = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts));
const url = 'http://o/f';
const source = { length: 1_000, etag: '"e"', lastModified: 'Thu, 01 Jan 2026 00:00:00 GMT', digest: undefined };

describe('journal', () => {
  it('has these bytes', () => {
    const bytes = concat(
      journalMagic,
      encodeHeader('u', { length: 5, etag: '"e"' }),
      encodeExtents([{ start: 1, end: 5 }]),
    );
    // magic | length, CRC, type 1, version 1, length 5, "u", "\"e\"", "", "" | length, CRC, type 2, 1, 5
    expect(toHex(bytes)).toBe(
      toHex(
        fromHex(`
          4341524d4a4e4c31
          16000000 ${crcHex('01 01 0500000000000000 0100 75 0300 226522 0000 0000')} 01 01 0500000000000000 0100 75 0300 226522 0000 0000
          11000000 ${crcHex('02 0100000000000000 0500000000000000')} 02 0100000000000000 0500000000000000`),
      ),
    );
  });

  it('computes the CRC of gzip', () => {
    expect(crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf4_3926);
  });

  it('reads what it wrote', () => {
    const done = new ExtentSet([
      { start: 0, end: 10 },
      { start: 20, end: 1_000 },
    ]);
    const state = { url, source, done, verified: 'ab'.repeat(32), finishing: true, boot: 'this one' };
    const bytes = encodeJournal(state);
    const decoded = decodeJournal(bytes);
    expect(decoded.validLength).toBe(bytes.length);
    expect(decoded.state?.done.extents).toEqual(done.extents);
    expect({ ...decoded.state, done: 0 }).toEqual({ ...state, done: 0 });
  });

  it('forgets everything before a new header', () => {
    const bytes = concat(
      journalMagic,
      encodeHeader(url, source),
      encodeExtents([{ start: 0, end: 500 }]),
      encodeText('verified', 'cd'.repeat(32)),
      encodeFinishing(),
      encodeHeader(url, { length: 7 }),
      encodeExtents([{ start: 0, end: 3 }]),
    );
    const { state } = decodeJournal(bytes);
    expect(state).toMatchObject({ source: { length: 7 } });
    expect(state?.done.total).toBe(3);
    expect(state?.verified).toBeUndefined();
    expect(state?.finishing).toBeUndefined();
  });

  it('says of what was never synced for which start of the system it holds, before it says anything else', () => {
    const done = new ExtentSet([{ start: 0, end: 10 }]);
    const bytes = encodeJournal({ url, source, done, boot: 'b' });
    const begin = concat(journalMagic, encodeHeader(url, source), encodeText('boot', 'b'));
    expect(toHex(encodeText('boot', 'b'))).toBe(toHex(fromHex(`04000000 ${crcHex('06 0100 62')} 06 0100 62`)));
    expect(toHex(bytes)).toBe(toHex(concat(begin, encodeExtents(done.extents))));
    for (let cut = 0; cut < bytes.length; cut++) {
      const { state } = decodeJournal(bytes.subarray(0, cut));
      if (state?.boot === undefined) expect(state?.done.total ?? 0).toBe(0);
    }
    expect(decodeJournal(concat(begin, encodeHeader(url, source))).state?.boot).toBeUndefined();
  });

  it('takes a digest that the server told later', () => {
    const bytes = concat(journalMagic, encodeHeader(url, source), encodeText('digest', 'ef'.repeat(32)));
    expect(decodeJournal(bytes).state?.source.digest).toBe('ef'.repeat(32));
  });

  it('torn at every byte: exactly the whole records count', () => {
    const records = [
      encodeHeader(url, source),
      encodeExtents([{ start: 0, end: 100 }]),
      encodeExtents([{ start: 100, end: 250 }]),
      encodeExtents([{ start: 900, end: 1_000 }]),
    ];
    const totals = [0, 100, 250, 350];
    const whole = concat(journalMagic, ...records);
    for (let cut = 0; cut <= whole.length; cut++) {
      const { state, validLength } = decodeJournal(whole.subarray(0, cut));
      let end = journalMagic.length;
      let count = 0;
      while (count < records.length && end + records[count]!.length <= cut) end += records[count++]!.length;
      expect(validLength).toBe(cut < journalMagic.length ? 0 : end);
      expect(state?.done.total).toBe(count === 0 ? undefined : totals[count - 1]);
    }
  });

  it('one flipped bit anywhere never yields bytes that were not journalled', () => {
    const whole = concat(
      journalMagic,
      encodeHeader(url, source),
      encodeExtents([
        { start: 10, end: 20 },
        { start: 30, end: 40 },
      ]),
    );
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const bytes = whole.slice();
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      const { state } = decodeJournal(bytes);
      for (const extent of state?.done.extents ?? []) {
        expect([10, 30]).toContain(extent.start);
        expect([20, 40]).toContain(extent.end);
      }
      if (state !== undefined) expect(state.source).toEqual(source);
    }
  });

  it('any bytes are read without an exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, magic) => {
        const { validLength } = decodeJournal(magic ? concat(journalMagic, bytes) : bytes);
        expect(validLength).toBeLessThanOrEqual(bytes.length + journalMagic.length);
      }),
    );
  });

  it('refuses extents outside the file, empty ones, and records without a header', () => {
    for (const extent of [
      { start: 990, end: 1_001 },
      { start: 5, end: 5 },
      { start: 6, end: 5 },
    ]) {
      const bytes = concat(journalMagic, encodeHeader(url, source), encodeExtents([extent]));
      expect(decodeJournal(bytes).state?.done.total).toBe(0);
    }
    expect(decodeJournal(concat(journalMagic, encodeExtents([{ start: 0, end: 1 }]))).state).toBeUndefined();
  });
});

describe('extents', () => {
  it('are the set of their bytes, whatever the order and overlap', () => {
    const extent = fc.tuple(fc.nat(60), fc.nat(20)).map(([start, size]) => ({ start, end: start + size }));
    fc.assert(
      fc.property(fc.array(extent), (extents) => {
        const set = new ExtentSet(extents);
        const bytes = new Set(
          extents.flatMap(({ start, end }) => Array.from({ length: end - start }, (_, i) => start + i)),
        );
        expect(set.total).toBe(bytes.size);
        const held = set.extents.flatMap(({ start, end }) => Array.from({ length: end - start }, (_, i) => start + i));
        expect(held).toEqual([...bytes].sort((a, b) => a - b));
        const missing = set
          .gaps(70)
          .flatMap(({ start, end }) => Array.from({ length: end - start }, (_, i) => start + i));
        expect(missing).toEqual(Array.from({ length: 70 }, (_, i) => i).filter((i) => !bytes.has(i)));
        for (const [i, { end }] of set.extents.entries())
          expect(set.extents[i + 1]?.start ?? 1_000).toBeGreaterThan(end);
      }),
    );
  });
});

function crcHex(payload: string): string {
  const value = crc32(fromHex(payload));
  return toHex(Uint8Array.of(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24));
}
