import { isCarmineError } from '@carmine/errors';
import { describe, expect, it } from 'vitest';
import { bodyOf, fieldValues, headEnd, joinedFields, maximumHead, parseHttpHead, staysOpen } from '../src/http-head.ts';

const octets = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));
const parse = (text: string) => {
  const bytes = octets(text);
  const end = headEnd(bytes, 0, 'http://o');
  return end === undefined ? undefined : parseHttpHead(bytes.subarray(0, end), 'http://o');
};
const reason = (work: () => unknown) => {
  try {
    work();
  } catch (error) {
    if (isCarmineError(error, 'transfer/invalid-response')) return error.context.reason;
    throw error;
  }
  return undefined;
};
const ok = 'HTTP/1.1 200 OK\r\n';

describe('a head that is one', () => {
  it('is read field by field', () => {
    const head = parse(
      `${ok}Content-Length:5\r\nETag: "a" \t\r\nX:\r\nwww-authenticate: NTLM\r\nWWW-Authenticate: Basic\r\n\r\nhello`,
    );
    expect(head).toMatchObject({ minorVersion: 1, status: 200 });
    expect(joinedFields(head!)).toEqual({
      'content-length': '5',
      etag: '"a"',
      x: '',
      'www-authenticate': 'NTLM, Basic',
    });
    expect(fieldValues(head!, 'www-authenticate')).toEqual(['NTLM', 'Basic']);
  });

  it.each([
    ['HTTP/1.1 206\r\n\r\n', 206],
    ['HTTP/1.1 206 \r\n\r\n', 206],
    ['HTTP/1.0 404 Not  Found\r\n\r\n', 404],
    ['HTTP/1.1 200 caf\xe9\r\nServer: \xff\r\n\r\n', 200],
    [`${ok}__proto__: x\r\n\r\n`, 200],
  ])('%j', (text, status) => {
    expect(parse(text)?.status).toBe(status);
  });

  it('ends at the same place, however it arrives', () => {
    const bytes = octets(`${ok}Content-Length: 3\r\n\r\nabc\r\n\r\n`);
    for (let cut = 0; cut < bytes.length; cut++) {
      const first = headEnd(bytes.subarray(0, cut), 0, 'o');
      expect(first ?? headEnd(bytes, cut, 'o')).toBe(bytes.length - 7);
    }
  });

  it('keeps names that mean something to JavaScript as they are', () => {
    expect(Object.entries(joinedFields(parse(`${ok}__proto__: a\r\nconstructor: b\r\n\r\n`)!))).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
    ]);
  });
});

describe('a head that two readers could understand differently is refused', () => {
  it.each([
    ['nonsense', 'it is not HTTP/1'],
    ['HTTP/2 200\r\n\r\n', 'it is not HTTP/1'],
    ['\r\nHTTP/1.1 200 OK\r\n\r\n', 'it is not HTTP/1'],
    ['http/1.1 200 OK\r\n\r\n', 'it is not HTTP/1'],
    ['HTTP/1.2 200 OK\r\n\r\n', 'no usable status line'],
    ['HTTP/1.1  200 OK\r\n\r\n', 'no usable status line'],
    ['HTTP/1.1 20 OK\r\n\r\n', 'no usable status line'],
    ['HTTP/1.1 2000 OK\r\n\r\n', 'no usable status line'],
    ['HTTP/1.1 099 OK\r\n\r\n', 'no usable status line'],
    ['HTTP/1.1 200 OK\nContent-Length: 5\n\n', 'a line of the head ends without CR'],
    [`${ok}A: b\n\r\n`, 'a line of the head ends without CR'],
    [`${ok}A: b\rC: d\r\n\r\n`, 'a CR in the head is not followed by LF'],
    [`${ok}A: b\r\r\n\r\n`, 'a CR in the head is not followed by LF'],
    [`${ok}A: b\0c\r\n\r\n`, 'a control character in the head'],
    [`${ok}A: b\x7f\r\n\r\n`, 'a control character in the head'],
    [`${ok}A: b\r\n folded\r\n\r\n`, 'a malformed header field'],
    [`${ok}\tA: b\r\n\r\n`, 'a malformed header field'],
    [`${ok}Content-Length : 5\r\n\r\n`, 'a malformed header field'],
    [`${ok}no colon\r\n\r\n`, 'a malformed header field'],
    [`${ok}: empty\r\n\r\n`, 'a malformed header field'],
    [`${ok}A\xe9: b\r\n\r\n`, 'a malformed header field'],
    [`${ok}Content-Length: 5\r\nContent-Length: 6\r\n\r\n`, 'more than one Content-Length'],
    [`${ok}Content-Length: 5\r\ncontent-length: 5\r\n\r\n`, 'more than one Content-Length'],
    [`${ok}Content-Length: 5, 5\r\n\r\n`, 'malformed Content-Length'],
    [`${ok}Content-Length: +5\r\n\r\n`, 'malformed Content-Length'],
    [`${ok}Content-Length: 0x5\r\n\r\n`, 'malformed Content-Length'],
    [`${ok}Content-Length:\r\n\r\n`, 'malformed Content-Length'],
    [`${ok}Content-Length: 9007199254740992\r\n\r\n`, 'malformed Content-Length'],
    [`${ok}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n`, 'both Content-Length and Transfer-Encoding'],
  ])('%j', (text, why) => {
    expect(reason(() => parse(text))).toBe(why);
  });

  it('when it has more than 256 fields', () => {
    const fields = (count: number) => `${ok}${'A: b\r\n'.repeat(count)}\r\n`;
    expect(parse(fields(256))?.fields).toHaveLength(256);
    expect(reason(() => parse(fields(257)))).toBe('too many header fields');
    expect(reason(() => parse(fields(1_000)))).toBe('too many header fields');
  });

  it('when it is longer than 64 KiB, and not before', () => {
    const field = (length: number) => `A: ${'x'.repeat(length - 5)}\r\n`;
    const whole = `${ok}${field(maximumHead - ok.length - 2)}\r\n`;
    expect(parse(whole)?.status).toBe(200);
    expect(reason(() => parse(`${ok}${field(maximumHead - ok.length - 1)}\r\n`))).toBe('the head is too long');
    expect(headEnd(octets(whole.slice(0, -1)), 0, 'o')).toBeUndefined();
  });
});

describe('what follows a head', () => {
  it.each([
    ['GET', `${ok}Content-Length: 5\r\n\r\n`, { kind: 'length', length: 5 }],
    ['GET', 'HTTP/1.1 206 P\r\nContent-Length: 0\r\n\r\n', { kind: 'length', length: 0 }],
    ['HEAD', `${ok}Content-Length: 5\r\n\r\n`, { kind: 'none' }],
    ['HEAD', `${ok}Transfer-Encoding: chunked\r\n\r\n`, { kind: 'none' }],
    ['GET', 'HTTP/1.1 204 N\r\n\r\n', { kind: 'none' }],
    ['GET', 'HTTP/1.1 304 N\r\nContent-Length: 5\r\n\r\n', { kind: 'none' }],
    ['GET', `${ok}\r\n`, { kind: 'unusual' }],
    ['GET', `${ok}Transfer-Encoding: chunked\r\n\r\n`, { kind: 'unusual' }],
    ['GET', 'HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n', { kind: 'unusual' }],
    ['HEAD', 'HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n', { kind: 'unusual' }],
    ['GET', 'HTTP/1.1 100 Continue\r\n\r\n', { kind: 'unusual' }],
    ['GET', 'HTTP/1.1 101 S\r\nContent-Length: 5\r\n\r\n', { kind: 'unusual' }],
  ] as const)('%s %j', (method, text, body) => {
    expect(bodyOf(parse(text)!, method)).toEqual(body);
  });

  it.each([
    ['', true],
    ['Connection: keep-alive\r\n', true],
    ['Connection: Close\r\n', false],
    ['Connection: x\r\nConnection: y, close\r\n', false],
    ['Connection: closed\r\n', true],
  ])('%j: stays %s', (field, stays) => {
    expect(staysOpen(parse(`${ok}${field}\r\n`)!)).toBe(stays);
  });
});
