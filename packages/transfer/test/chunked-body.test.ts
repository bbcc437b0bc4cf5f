import { SeededRandom } from '@carmine/testkit';
import { describe, expect, it } from 'vitest';
import { ChunkedEnd } from '../src/chunked-body.ts';

const bytes = (text: string) => Buffer.from(text, 'latin1');

/** Feeds it in these pieces; how much of all belongs to the body. */
function endOf(pieces: readonly Uint8Array[]): number | undefined {
  const body = new ChunkedEnd('http://files.example');
  let before = 0;
  for (const piece of pieces) {
    const count = body.feed(piece);
    if (count !== undefined) return before + count;
    before += piece.length;
  }
  return undefined;
}

describe('the end of a chunked body', () => {
  it.each([
    ['nothing', '0\r\n\r\n'],
    ['chunks', '5\r\nhello\r\n00A\r\n0123456789\r\n0\r\n\r\n'],
    ['lines within chunks', '6\r\n\r\n0\r\n\r\r\n0\r\n\r\n'],
    ['extensions and trailers', '1;a="b"\r\nx\r\n0 ;z\r\nX: y\r\nZ: \r\n\r\n'],
  ])('is found whole, with what follows, and octet by octet: %s', (_what, text) => {
    const all = bytes(text);
    expect(endOf([all])).toBe(all.length);
    expect(endOf([Buffer.concat([all, bytes('HTTP/1.1 200 OK')])])).toBe(all.length);
    expect(endOf([...all].map((octet) => Uint8Array.of(octet)))).toBe(all.length);
    for (let length = 0; length < all.length; length++) expect(endOf([all.subarray(0, length)])).toBe(undefined);
  });

  it.each([
    'x\r\n',
    '\r\n',
    ';a\r\n',
    '-1\r\n',
    '0x1\r\n',
    '123456789\r\n',
    '1\nx\r\n',
    '1\rx',
    '1\r\nxy\r\n',
    '1;\0\r\n',
    `1;${'a'.repeat(5_000)}\r\n`,
    `0\r\n${'a'.repeat(5_000)}\r\n`,
    `fffff\r\n${'a'.repeat(300_000)}`,
  ])('is not guessed: %j', (text) => {
    expect(() => endOf([bytes(text)])).toThrow(expect.objectContaining({ code: 'transfer/invalid-response' }));
  });

  it('is the same wherever the network cuts', () => {
    for (let seed = 0; seed < 300; seed++) {
      const random = new SeededRandom(seed);
      const parts: Buffer[] = [];
      for (let chunk = random.below(5); chunk > 0; chunk--) {
        const content = random.bytes(1 + random.below(40));
        parts.push(bytes(`${content.length.toString(16)}\r\n`), Buffer.from(content), bytes('\r\n'));
      }
      parts.push(bytes('0\r\n\r\n'));
      const body = Buffer.concat(parts);
      const all = Buffer.concat([body, random.bytes(10)]);
      const pieces: Buffer[] = [];
      for (let at = 0; at < all.length; ) {
        const next = at + 1 + random.below(9);
        pieces.push(all.subarray(at, next));
        at = next;
      }
      expect(endOf(pieces)).toBe(body.length);
    }
  });
});
