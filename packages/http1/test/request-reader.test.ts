import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultHeadLimits, type RequestEvent, RequestReader } from '../src/index.ts';

const bytes = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
const latin1 = (piece: Uint8Array, from = 0, to = piece.length) => String.fromCharCode(...piece.subarray(from, to));

/** What a reader makes of a stream that comes in these pieces; a body's pieces joined. */
function read(pieces: readonly Uint8Array[]): string[] {
  const reader = new RequestReader(defaultHeadLimits, latin1);
  const seen: string[] = [];
  let body = '';
  const drain = () => {
    for (;;) {
      const event: RequestEvent = reader.next();
      if (event.kind === 'more') return;
      if (event.kind === 'data') body += latin1(event.bytes);
      else if (event.kind === 'head') seen.push(`${event.head.method} ${event.head.target}`);
      else if (event.kind === 'fault') {
        seen.push(String(event.status));
        return;
      } else {
        seen.push(`body ${body}`);
        body = '';
      }
    }
  };
  for (const piece of pieces) {
    reader.receive(piece);
    drain();
  }
  if (body !== '') seen.push(`part ${body}`);
  return seen;
}

const whole = (text: string) => read([bytes(text)]);
const singly = (text: string) => read([...text].map((character) => bytes(character)));

const chunked = (body: string) => `POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${body}`;
const cases: readonly (readonly [string, string, readonly string[]])[] = [
  ['one request', 'GET /a HTTP/1.1\r\nHost: x\r\n\r\n', ['GET /a', 'body ']],
  ['an empty line before it', '\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n', ['GET /a', 'body ']],
  [
    'three in a row, with a body in the middle',
    'GET /a HTTP/1.1\r\nHost: x\r\n\r\nPOST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /c HTTP/1.1\r\nHost: x\r\n\r\n',
    ['GET /a', 'body ', 'POST /b', 'body abc', 'GET /c', 'body '],
  ],
  ['chunks', chunked('3\r\nabc\r\n00a\r\n0123456789\r\n0\r\n\r\n'), ['POST /c', 'body abc0123456789']],
  ['extensions and trailers', chunked('3;a="b"\r\nabc\r\n0;x\r\nA: b\r\nC: d\r\n\r\n'), ['POST /c', 'body abc']],
  ['a chunk size that is none', chunked('g\r\n'), ['POST /c', '400']],
  ['no chunk size', chunked('\r\nabc'), ['POST /c', '400']],
  ['a negative chunk size', chunked('-1\r\n'), ['POST /c', '400']],
  ['a chunk size of nine digits', chunked('000000001\r\n'), ['POST /c', '400']],
  ['a chunk size with 0x', chunked('0x1\r\n'), ['POST /c', '400']],
  ['a chunk that is longer than it says', chunked('1\r\nab\r\n'), ['POST /c', '400', 'part a']],
  ['a chunk size that ends with LF alone', chunked('1\na\r\n'), ['POST /c', '400']],
  ['a chunk that ends with LF alone', chunked('1\r\na\n0\r\n\r\n'), ['POST /c', '400', 'part a']],
  ['a blank behind a chunk size', chunked('3 \r\nabc\r\n0\r\n\r\n'), ['POST /c', '400']],
  ['a blank before an extension', chunked('3 \t;x\r\nabc\r\n0\r\n\r\n'), ['POST /c', 'body abc']],
  ['a trailer without a colon', chunked('0\r\nabc\r\n\r\n'), ['POST /c', '400']],
  ['a trailer without a name', chunked('0\r\n: b\r\n\r\n'), ['POST /c', '400']],
  ['a folded trailer', chunked('0\r\n a: b\r\n\r\n'), ['POST /c', '400']],
  ['a control in an extension', chunked('1;\x00\r\n'), ['POST /c', '400']],
  ['trailers without end', chunked(`0\r\na: ${'b'.repeat(5000)}`), ['POST /c', '400']],
  ['two empty lines', '\r\n\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n', ['400']],
  ['LF for line ends', 'GET / HTTP/1.1\nHost: x\n\n', ['400']],
  ['TLS on a plain port', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', ['400']],
  ['a head without end', `GET / HTTP/1.1\r\na: ${'b'.repeat(20_000)}`, ['431']],
  ['a target without end', `GET /${'b'.repeat(20_000)}`, ['414']],
];

describe('a reader of requests', () => {
  it.each(cases)('%s, at once', (_, text, expected) => expect(whole(text)).toEqual(expected));
  it.each(cases)('%s, octet by octet', (_, text, expected) => expect(singly(text)).toEqual(expected));

  it('says the same however the octets are cut, and never throws', () => {
    const stream = fc.oneof(
      fc.constantFrom(...cases.map(([, text]) => text)).chain((text) =>
        fc.tuple(fc.nat(text.length), fc.string({ maxLength: 3 })).map(([at, piece]) => {
          const octets = piece.replace(/[^\x00-\xff]/g, '?');
          return text.slice(0, at) + octets + text.slice(at + octets.length);
        }),
      ),
      fc.string({ maxLength: 50 }).map((text) => text.replace(/[^\x00-\xff]/g, '?')),
    );
    fc.assert(
      fc.property(stream, fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 60 }), (text, cuts) => {
        const pieces: Uint8Array[] = [];
        for (let [at, index] = [0, 0]; at < text.length; index++) {
          const length = cuts[index % cuts.length]!;
          pieces.push(bytes(text.slice(at, at + length)));
          at += length;
        }
        expect(read(pieces)).toEqual(whole(text));
      }),
      { numRuns: 2000 },
    );
  });
});
