import { isCarmineError } from '@carmine/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDatetime, parseDatetime } from '../src/protocol/datetime.ts';
import { formatDuration, parseDuration } from '../src/protocol/duration.ts';
import { decodeText, encodedLength, encodeText, type XmlEncoding } from '../src/xml/encoding.ts';
import { requestLimits } from '../src/xml/limits.ts';
import { parseXml } from '../src/xml/parse.ts';
import { writeElement } from '../src/xml/write-element.ts';
import { XmlWriter } from '../src/xml/writer.ts';
import { admin, envelope, testServer } from './support.ts';

const parse = (text: string) => parseXml(text, requestLimits);

describe('parsing', () => {
  const bad: readonly (readonly [string, string])[] = [
    ['', 'wsman/malformed'],
    ['  ', 'wsman/malformed'],
    ['<a', 'wsman/malformed'],
    ['<a>', 'wsman/malformed'],
    ['</a>', 'wsman/malformed'],
    ['<a></b>', 'wsman/malformed'],
    ['<a></ab>', 'wsman/malformed'],
    ['<ab></a>', 'wsman/malformed'],
    ['<a/><b/>', 'wsman/malformed'],
    ['<a/>text', 'wsman/malformed'],
    ['text<a/>', 'wsman/malformed'],
    ['<a b/>', 'wsman/malformed'],
    ['<a b=c/>', 'wsman/malformed'],
    ['<a b="c/>', 'wsman/malformed'],
    ['<a b="<"/>', 'wsman/malformed'],
    ['<a b="1"c="2"/>', 'wsman/malformed'],
    ['<a b="1" b="2"/>', 'wsman/malformed'],
    ['<a / >', 'wsman/malformed'],
    ['< a/>', 'wsman/malformed'],
    ['<1/>', 'wsman/malformed'],
    ['<a>&b;</a>', 'wsman/malformed'],
    ['<a>&amp</a>', 'wsman/malformed'],
    ['<a>& </a>', 'wsman/malformed'],
    ['<a>&#xD800;</a>', 'wsman/malformed'],
    ['<a>&#x110000;</a>', 'wsman/malformed'],
    ['<a>&#8;</a>', 'wsman/malformed'],
    ['<a b="&constructor;"/>', 'wsman/malformed'],
    ['<a>\u0007</a>', 'wsman/malformed'],
    ['<a>\ud800</a>', 'wsman/malformed'],
    ['<a><!-- -- --></a>', 'wsman/malformed'],
    ['<a><!-- </a>', 'wsman/malformed'],
    ['<a><![CDATA[</a>', 'wsman/malformed'],
    ['<![CDATA[x]]><a/>', 'wsman/malformed'],
    ['<!DOCTYPE a><a/>', 'wsman/malformed'],
    ['<a><!ELEMENT a></a>', 'wsman/malformed'],
    ['<?pi?><a/>', 'wsman/malformed'],
    ['<a><?xml version="1.0"?></a>', 'wsman/malformed'],
    ['<?xml version="2.0"?><a/>', 'wsman/malformed'],
    ['<?xml evil="1.0"?><a/>', 'wsman/malformed'],
    ['<q:a/>', 'wsman/malformed'],
    ['<a q:b="1"/>', 'wsman/malformed'],
    ['<q: xmlns:q="u"/>', 'wsman/malformed'],
    ['<q:a:b xmlns:q="u"/>', 'wsman/malformed'],
    ['<a xmlns:q=""/>', 'wsman/malformed'],
    ['<a xmlns:xmlns="u"/>', 'wsman/malformed'],
    ['<a xmlns:xml="u"/>', 'wsman/malformed'],
    ['<a xmlns:p="u" xmlns:q="u" p:x="1" q:x="2"/>', 'wsman/malformed'],
    ['<__proto__/>', 'wsman/malformed'],
    [`${'<a>'.repeat(49)}${'</a>'.repeat(49)}`, 'wire/limit'],
    [`<${'a'.repeat(257)}/>`, 'wire/limit'],
    [`<a ${Array.from({ length: 65 }, (_, i) => `b${i}=""`).join(' ')}/>`, 'wire/limit'],
    [`<a>${'<b/>'.repeat(requestLimits.nodes)}</a>`, 'wire/limit'],
    [`<a>${'x'.repeat(131_073)}</a>`, 'wire/limit'],
    [`<a b="${'x'.repeat(131_073)}"/>`, 'wire/limit'],
    [`<a><!--${'x'.repeat(131_073)}--></a>`, 'wire/limit'],
  ];
  it.each(bad)('refuses %.40s', (text, code) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ code }));
  });

  it('scopes namespaces, decodes entities once, keeps CDATA as it is', () => {
    const root = parse(
      '\uFEFF<?xml version="1.0" encoding="UTF-8"?><!-- c -->\n<a xmlns="urn:1" xmlns:p="urn:2" p:x=\'&lt;&#65;"\' y="a\tb"><p:b xmlns:p="urn:3">&amp;lt;<!-- c -->x<![CDATA[&amp;<b>]]> </p:b><p:c xmlns=""><d/></p:c>\r\n</a>'.slice(
        1,
      ),
    );
    expect([root.uri, root.local]).toEqual(['urn:1', 'a']);
    expect(root.attributes).toEqual([
      { uri: 'urn:2', local: 'x', value: '<A"' },
      { uri: '', local: 'y', value: 'a b' },
    ]);
    const [b, c] = root.children;
    expect([b?.uri, b?.text]).toEqual(['urn:3', '&lt;x&amp;<b> ']);
    expect([c?.uri, c?.children[0]?.uri]).toEqual(['urn:2', '']);
    expect(root.text).toBe('\n');
  });

  it('keeps names that objects have', () => {
    const root = parse('<a><toString/><hasOwnProperty b="1"/><valueOf>x</valueOf></a>');
    expect(root.children).toHaveLength(3);
    expect(root.children[2]?.text).toBe('x');
  });

  it('keeps white space and text that looks like numbers', () => {
    expect(parse('<a> \n</a>').text).toBe(' \n');
    expect(parse('<a>0x10</a>').text).toBe('0x10');
    expect(parse('<a>1.0</a>').text).toBe('1.0');
  });
});

describe('writing', () => {
  it('what was written reads back, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        const legal = text.replace(/[\ufffe\uffff]|[^\P{Cc}\t\n\r\x7f-\x9f]/gu, '?').replace(/\p{Cs}/gu, '?');
        const root = parse(new XmlWriter().element('a', text, { b: text }).toString());
        expect(root.text).toBe(legal);
        expect(root.attributes[0]?.value).toBe(legal);
      }),
    );
  });

  it('an element that was read can be written again', () => {
    const text = '<a xmlns="urn:a" b="&quot;"><c xmlns="" xmlns:q="urn:q" q:d="1" xml:lang="de">t&amp;</c><e/></a>';
    const strip = (value: unknown): unknown =>
      JSON.parse(JSON.stringify(value, (key, item: unknown) => (key === 'scope' ? undefined : item)));
    expect(strip(parse(writeElement(parse(text))))).toEqual(strip(parse(text)));
  });
});

describe('encodings', () => {
  it.each(['utf-8', 'utf-16le', 'utf-16be'] as const)(
    '%s there and back, with its length known',
    (encoding: XmlEncoding) => {
      fc.assert(
        fc.property(fc.string({ unit: 'grapheme', maxLength: 40 }), (body) => {
          const text = `<${body}`;
          const bytes = encodeText(text, encoding);
          expect(bytes.length - (encoding === 'utf-8' ? 0 : 2)).toBe(encodedLength(text, encoding));
          expect(decodeText(bytes, encoding === 'utf-8' ? 'UTF-8' : 'utf-16')).toEqual({ text, encoding });
        }),
      );
    },
  );

  it('UTF-16 without a mark is told by its first character', () => {
    expect(decodeText(encodeText('<a/>', 'utf-16le').subarray(2), 'UTF-16').text).toBe('<a/>');
    expect(decodeText(encodeText('<a/>', 'utf-16be').subarray(2), 'UTF-16').text).toBe('<a/>');
  });

  it('a mark is not text', () => {
    expect(decodeText(Uint8Array.of(0xef, 0xbb, 0xbf, 0x3c), undefined).text).toBe('<');
  });
});

describe('durations and dates', () => {
  it.each([
    ['PT60.000S', 60_000],
    ['PT60S', 60_000],
    ['PT1M30S', 90_000],
    ['PT60.000000S', 60_000],
    ['P1DT2H', 93_600_000],
    ['P1M', 2_592_000_000],
    ['-PT1S', -1000],
    [' PT0.5S ', 500],
    ['P', undefined],
    ['PT', undefined],
    ['60', undefined],
    ['PT1.S', undefined],
  ])('%s', (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds);
  });

  it('writes what Windows writes', () => {
    expect(formatDuration(60_000)).toBe('PT60.000S');
  });

  it.each([
    ['20140403144550.468750+480', 'Datetime', '2014-04-03T14:45:50.46875+08:00'],
    ['20140403144550.000000+000', 'Datetime', '2014-04-03T14:45:50Z'],
    ['20140403144550.000000-090', 'Datetime', '2014-04-03T14:45:50-01:30'],
    ['00000000000140.000000:000', 'Interval', 'P0DT0H1M40S'],
    ['00000012010203.500000:000', 'Interval', 'P12DT1H2M3.5S'],
    ['20140403******.******+000', 'Date', '2014-04-03'],
    ['2014**********.******+000', 'CIM_DateTime', '2014**********.******+000'],
  ])('%s', (cim, element, text) => {
    expect(formatDatetime(cim)).toEqual({ element, text });
    expect(parseDatetime(text)).toBe(cim);
  });
});

describe('any bytes', () => {
  const { server } = testServer();
  const good = new TextEncoder().encode(envelope({ selectors: { JobId: 'x' } }));
  const handle = async (body: Uint8Array, contentType: string) => {
    const { status } = await server.handle({ body, contentType, token: admin });
    expect([200, 400, 413, 415, 500]).toContain(status);
  };

  it('get an answer, never an exception', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.string({ maxLength: 60 }), (body, contentType) =>
        handle(body, contentType),
      ),
    );
  });

  it('a changed message gets an answer too', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length - 1), fc.nat(255), fc.nat(40), async (at, byte, cut) => {
        const body = good.slice();
        body[at] = byte;
        await handle(body, 'application/soap+xml;charset=UTF-8');
        await handle(good.slice(0, at), 'application/soap+xml;charset=UTF-8');
        await handle(
          Uint8Array.from([...good.subarray(0, at), ...good.subarray(Math.min(good.length, at + cut))]),
          'application/soap+xml',
        );
      }),
      { numRuns: 300 },
    );
  });

  it('the parser throws nothing but CarmineErrors', () => {
    const piece = fc.constantFrom(
      '<',
      '>',
      '/',
      'a',
      'b:',
      '"',
      "'",
      '=',
      ' ',
      '&',
      ';',
      '<!--',
      '-->',
      '<![CDATA[',
      ']]>',
      '<a>',
      '</a>',
      '<a/>',
      'xmlns',
      '?',
      '!',
      'é',
      '\u2003',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        try {
          parse(`<a>${pieces.join('')}</a>`);
        } catch (error) {
          expect(isCarmineError(error) && error.code).toMatch(/^(wsman\/malformed|wire\/limit)$/);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
