import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { requestLimits } from '../src/xml/limits.ts';
import { parseXml } from '../src/xml/parse.ts';
import { Skeletons } from '../src/xml/skeletons.ts';

const request = (id: string, selector: string, extra = '') =>
  `<?xml version="1.0"?><s:E xmlns:s="urn:s" xmlns:a="urn:a"><s:H a:n="x>y"><a:M>${id}</a:M>\n <a:N></a:N>` +
  `<a:S><a:T a:name="k">${selector}</a:T></a:S>${extra}<a:F/></s:H><s:B/></s:E>`;

/** Whether the second document was read by what was kept of the first: then what never changes is the same object. */
function isKnown(first: string, second: string, limits = requestLimits): boolean {
  const skeletons = new Skeletons(limits);
  const body = (text: string) => skeletons.parse(text).children.at(-1);
  return body(first) === body(second);
}

describe('documents with known markup', () => {
  it.each([
    ['other texts', request('1', '{A}'), request('uuid:2', '{B} "c" \'d\' ]] /')],
    ['no text where one was', request('1', '2'), request('', '2')],
    ['a text where none was', request('', ''), request('1', '2')],
  ])('%s', (_, first, second) => {
    expect(isKnown(first, second)).toBe(true);
    const skeletons = new Skeletons(requestLimits);
    expect(skeletons.parse(first)).toEqual(parseXml(first, requestLimits));
    expect(skeletons.parse(second)).toEqual(parseXml(second, requestLimits));
    // What was given out before did not change.
    expect(skeletons.parse(first)).toEqual(parseXml(first, requestLimits));
  });

  it.each([
    ['a reference', request('1', '2'), request('1', 'a&amp;b')],
    ['a CDATA section', request('1', '2'), request('1', '<![CDATA[b]]>')],
    ['a comment', request('1', '2'), request('1', 'a<!-- b -->')],
    ['an element more', request('1', '2'), request('1', '<b/>')],
    ['a line end', request('1', '2'), request('1', 'a\r\nb')],
    ['what is not ASCII', request('1', '2'), request('1', 'ä')],
    ['another attribute', request('1', '2'), request('1', '2').replace('"k"', '"l"')],
    ['another blank', request('1', '2'), request('1', '2').replace('\n ', '\n  ')],
    ['more behind it', request('1', '2'), `${request('1', '2')}\n`],
    ['another namespace', request('1', '2'), request('1', '2').replace('urn:a', 'urn:b')],
  ])('are no others: %s', (_, first, second) => {
    expect(isKnown(first, second)).toBe(false);
    const skeletons = new Skeletons(requestLimits);
    skeletons.parse(first);
    expect(skeletons.parse(second)).toEqual(parseXml(second, requestLimits));
  });

  it('are refused when they are malformed in the text alone', () => {
    const skeletons = new Skeletons(requestLimits);
    skeletons.parse(request('1', '2'));
    for (const text of ['a<', '&x;', '\u0007', '\ud800', '</a:T>']) {
      expect(() => parseXml(request('1', text), requestLimits)).toThrow();
      expect(() => skeletons.parse(request('1', text))).toThrow();
    }
    expect(() => skeletons.parse(request('1', '2').slice(0, -1))).toThrow();
  });

  it('obey the same limits', () => {
    const short = { ...requestLimits, textLength: 30 };
    const skeletons = new Skeletons(short);
    skeletons.parse(request('1', '2'));
    expect(skeletons.parse(request('1', 'x'.repeat(30)))).toEqual(parseXml(request('1', 'x'.repeat(30)), short));
    expect(() => skeletons.parse(request('1', 'x'.repeat(31)))).toThrow(/XML text/);
    // Just enough for the first document: one text more is too much.
    let nodes = 1;
    const fits = () => {
      try {
        return parseXml(request('', ''), { ...requestLimits, nodes });
      } catch {
        return undefined;
      }
    };
    while (fits() === undefined) nodes++;
    const few = new Skeletons({ ...requestLimits, nodes });
    few.parse(request('', ''));
    expect(() => few.parse(request('1', ''))).toThrow(/XML nodes/);
  });

  it('are not learnt from what has texts that are not plain: nothing of them is to be kept', () => {
    const secret = request('1', 'a&amp;b');
    expect(isKnown(secret, secret)).toBe(false);
    const mixed = request('1', '2', 'secret<a:F/>');
    expect(isKnown(mixed, mixed)).toBe(false);
    const long = request('1', 'x'.repeat(9_000));
    expect(isKnown(long, long)).toBe(false);
  });

  it('are forgotten when many others came, the one that was of use last the latest', () => {
    const skeletons = new Skeletons(requestLimits);
    const body = (text: string) => skeletons.parse(text).children.at(-1);
    const kinds = Array.from({ length: 17 }, (_, index) => request('1', '2', `<a:X n="${index}"/>`));
    const [oldest, second, ...others] = kinds.map((kind) => [kind, body(kind)] as const);
    expect(body(second![0])).toBe(second![1]);
    for (const [kind, was] of others) expect(body(kind)).toBe(was);
    expect(body(oldest![0])).not.toBe(oldest![1]);
  });

  it('read as if they were parsed, whatever they are', () => {
    const text = fc.oneof(
      fc.string(),
      fc.constantFrom('', ' ', 'plain', '&lt;', '&#10;', '<c/>', '<![CDATA[x]]>', '\r\n', '<c>'),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(text, text, text), { minLength: 2, maxLength: 6 }), (all) => {
        const skeletons = new Skeletons(requestLimits);
        for (const [a, b, c] of all) {
          const document = `<r xmlns="u"><a>${a}</a><b x="1">${b}</b><d><e>${c}</e></d></r>`;
          const read = (parse: (text: string) => unknown) => {
            try {
              return parse(document);
            } catch (error) {
              return String(error);
            }
          };
          expect(read((each) => skeletons.parse(each))).toEqual(read((each) => parseXml(each, requestLimits)));
        }
      }),
      { numRuns: 500 },
    );
  });
});
