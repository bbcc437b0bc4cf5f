import { describe, expect, it } from 'vitest';
import { defaultHeadLimits, parseRequestHead, type RequestHead } from '../src/index.ts';

const parse = (text: string) => parseRequestHead(text, defaultHeadLimits);
const request = (line: string, ...fields: string[]) => parse(`${[line, ...fields].join('\r\n')}\r\n\r\n`);
const get = (...fields: string[]) => request('GET / HTTP/1.1', 'Host: x', ...fields);

describe('a head of a request', () => {
  it('is read, names in lower case, blanks around values gone', () => {
    const head = request('GET /a?b HTTP/1.1', 'HOST:x:80', 'X-Thing: \t a b \t', 'x-thing:c', 'Empty:') as RequestHead;
    expect(head).toMatchObject({ method: 'GET', target: '/a?b', minorVersion: 1, body: { kind: 'none' } });
    expect([...head.fields]).toEqual([
      ['host', 'x:80'],
      ['x-thing', 'a b'],
      ['x-thing', 'c'],
      ['empty', ''],
    ]);
    expect(head.fields.get('x-thing')).toBe('a b, c');
    expect(head.fields.get('absent')).toBeUndefined();
  });

  it.each<readonly [string, readonly string[], Partial<RequestHead>]>([
    ['GET / HTTP/1.1', ['Host: x', 'Content-Length: 0'], { body: { kind: 'none' }, keepAlive: true }],
    ['POST / HTTP/1.1', ['Host: x', 'Content-Length: 12'], { body: { kind: 'length', length: 12 } }],
    ['POST / HTTP/1.1', ['Host: x', 'Transfer-Encoding: Chunked'], { body: { kind: 'chunked' } }],
    ['GET / HTTP/1.1', ['Host: x', 'Connection: Keep-Alive, Close'], { keepAlive: false }],
    ['GET / HTTP/1.0', [], { minorVersion: 0, keepAlive: false }],
    ['GET / HTTP/1.0', ['Connection: keep-alive'], { minorVersion: 0, keepAlive: true }],
    ['GET / HTTP/1.1', ['Host: [::1]:8443'], {}],
    ['GET / HTTP/1.1', ['Host:'], {}],
    ['POST / HTTP/1.1', ['Host: x', 'Content-Length: 2', 'Expect: 100-Continue'], { expectsContinue: true }],
    ['POST / HTTP/1.0', ['Content-Length: 2', 'Expect: 100-continue'], { expectsContinue: false }],
    ['GET / HTTP/1.1', ['Host: x', 'Expect: 100-continue'], { expectsContinue: false }],
    ["M-SEARCH!#$%&'*+^_`|~ * HTTP/1.1", ['Host: x'], { target: '*' }],
  ])('%s %j', (line, fields, expected) => {
    expect(request(line, ...fields)).toMatchObject(expected);
  });

  it.each<readonly [number, string]>([
    [400, 'GET / HTTP/1.1\n\n'],
    [400, 'GET / HTTP/1.1\r\nHost: x\n\r\n'],
    [400, 'GET / HTTP/1.1\rHost: x\r\n\r\n'],
    [400, 'GET / HTTP/1.1\r\nHost: x\r\r\n\r\n'],
    [400, 'GET  / HTTP/1.1\r\nHost: x\r\n\r\n'],
    [400, 'GET / x HTTP/1.1\r\nHost: x\r\n\r\n'],
    [400, ' GET / HTTP/1.1\r\nHost: x\r\n\r\n'],
    [400, 'GET /\x7f HTTP/1.1\r\nHost: x\r\n\r\n'],
    [400, 'GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n'],
    [400, 'GET /\xe4 HTTP/1.1\r\nHost: x\r\n\r\n'],
    [400, 'GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n'],
    [400, 'G(T / HTTP/1.1\r\nHost: x\r\n\r\n'],
    [400, 'GET / http/1.1\r\nHost: x\r\n\r\n'],
    [400, 'GET / HTTP/1.10\r\nHost: x\r\n\r\n'],
    [400, 'GET /\r\nHost: x\r\n\r\n'],
    [400, 'GET\r\nHost: x\r\n\r\n'],
    [505, 'GET / HTTP/2.0\r\nHost: x\r\n\r\n'],
    [505, 'GET / HTTP/0.9\r\nHost: x\r\n\r\n'],
    [400, 'GET / HTTP/1.1\r\n\r\n'],
    [400, 'GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n'],
    [400, 'GET / HTTP/1.1\r\nHost: a, b\r\n\r\n'],
    [400, 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n'],
    [400, 'GET / HTTP/1.1\r\nHost: a@b\r\n\r\n'],
    [400, 'GET / HTTP/1.1\r\nHost : x\r\n\r\n'],
    [400, 'GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n'],
    [400, 'GET / HTTP/1.1\r\n folded: first\r\nHost: x\r\n\r\n'],
    [400, 'GET / HTTP/1.1\r\nHost: x\r\nNo colon\r\n\r\n'],
    [400, 'GET / HTTP/1.1\r\nHost: x\r\n: no name\r\n\r\n'],
    [400, 'GET / HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n'],
    [400, 'GET / HTTP/1.1\r\nHost: x\r\nA\x00: c\r\n\r\n'],
    [400, 'GET / HTTP/1.1\r\nHost: x\r\nA: c\x00d\r\n\r\n'],
    [400, 'GET / HTTP/1.1\r\nHost: x\r\nA: c\x0bd\r\n\r\n'],
  ])('%i for %j', (status, text) => {
    expect(parse(text)).toBe(status);
  });

  it.each<readonly [number, readonly string[]]>([
    [400, ['Content-Length: 1', 'Content-Length: 1']],
    [400, ['Content-Length: 1, 1']],
    [400, ['Content-Length: +1']],
    [400, ['Content-Length: -1']],
    [400, ['Content-Length: 1 2']],
    [400, ['Content-Length: 0x1']],
    [400, ['Content-Length:']],
    [413, ['Content-Length: 9999999999999999']],
    [400, ['Content-Length: 1', 'Transfer-Encoding: chunked']],
    [501, ['Transfer-Encoding: gzip, chunked']],
    [501, ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked']],
    [501, ['Transfer-Encoding: identity']],
    [501, ['Transfer-Encoding: xchunked']],
    [417, ['Expect: something']],
  ])('%i for a framing of %j', (status, fields) => {
    expect(get(...fields)).toBe(status);
  });

  it('takes Transfer-Encoding with HTTP/1.0 for faulty framing', () => {
    expect(request('POST / HTTP/1.0', 'Transfer-Encoding: chunked')).toBe(400);
  });

  it('has limits', () => {
    const limits = { head: 200, target: 20, fields: 3 };
    const limited = (text: string) => parseRequestHead(text, limits);
    expect(limited(`GET /${'x'.repeat(20)} HTTP/1.1\r\nHost: x\r\n\r\n`)).toBe(414);
    expect(limited('GET / HTTP/1.1\r\nHost: x\r\na:\r\nb:\r\nc:\r\n\r\n')).toBe(431);
    expect(limited(`GET / HTTP/1.1\r\nHost: x\r\na: ${'y'.repeat(200)}\r\n\r\n`)).toBe(431);
    expect(limited('GET / HTTP/1.1\r\nHost: x\r\na:\r\nb:\r\n\r\n')).toMatchObject({ method: 'GET' });
  });
});
