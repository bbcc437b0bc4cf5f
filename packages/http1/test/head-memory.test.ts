import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HeadMemory } from '../src/head-memory.ts';
import { defaultHeadLimits, parseRequestHead } from '../src/index.ts';

const head = (...lines: string[]) => `${['GET /a HTTP/1.1', 'Host: x', ...lines].join('\r\n')}\r\n\r\n`;
const plain = (text: string, limits = defaultHeadLimits) => comparable(parseRequestHead(text, limits));

function comparable(parsed: ReturnType<typeof parseRequestHead>) {
  return typeof parsed === 'number' ? parsed : { ...parsed, fields: [...parsed.fields] };
}

describe('a memory of heads', () => {
  it('gives what the parser would, whatever comes after whatever', () => {
    const range = fc.oneof(
      fc.tuple(fc.nat(), fc.nat()).map(([first, last]) => `bytes=${first}-${last}`),
      fc.constantFrom(
        'bytes=0-',
        'bytes=-5',
        'bytes=',
        'bytes=1-2,3-4',
        'bytes= 1-2',
        'lines=1-2',
        'bytes=1-2\r',
        'bytes=1-2\r\nX',
        '-',
        '',
      ),
      fc.constantFrom(
        'bytes=1-2\r\nHost: y',
        'bytes=1-2\r\nContent-Length: 5',
        'bytes=12345678901234567-',
        'bytes=1-2\r\nRange: bytes=1-2',
      ),
    );
    const text = fc
      .tuple(
        fc.constantFrom('Range: ', 'range:', 'X: ', 'If-Range: '),
        range,
        fc.constantFrom([], ['Y: 1-2'], ['Range: bytes=1-2']),
      )
      .map(([name, value, more]) => head(`${name}${value}`, ...more));
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 8 }), (texts) => {
        const memory = new HeadMemory();
        for (const each of texts) expect(comparable(memory.parse(each, defaultHeadLimits))).toEqual(plain(each));
      }),
      { numRuns: 500 },
    );
  });

  it('knows a head again but for the numbers of its range', () => {
    const memory = new HeadMemory();
    const first = memory.parse(head('Range: bytes=0-9', 'Accept: */*'), defaultHeadLimits);
    const second = memory.parse(head('Range: bytes=10-', 'Accept: */*'), defaultHeadLimits);
    const again = memory.parse(head('Range: bytes=0-9', 'Accept: */*'), defaultHeadLimits);
    if (typeof first === 'number' || typeof second === 'number' || typeof again === 'number')
      throw new Error('refused');
    expect([...second.fields]).toEqual([
      ['host', 'x'],
      ['range', 'bytes=10-'],
      ['accept', '*/*'],
    ]);
    expect([...first.fields]).toEqual([...again.fields]);
    // Not parsed anew: the very same text.
    expect(second.body).toBe(first.body);
    expect(memory.parse(head(), defaultHeadLimits)).toBe(memory.parse(head(), defaultHeadLimits));
  });

  it('keeps to the limits', () => {
    const memory = new HeadMemory();
    const limits = { ...defaultHeadLimits, head: head('Range: bytes=0-9').length };
    expect(memory.parse(head('Range: bytes=0-9'), limits)).not.toBe(431);
    expect(memory.parse(head('Range: bytes=0-10'), limits)).toBe(431);
  });
});
