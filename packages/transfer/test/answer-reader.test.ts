import { SeededRandom } from '@carmine/testkit';
import { describe, expect, it } from 'vitest';
import { AnswerReader } from '../src/answer-reader.ts';

const most = 1_000;
const head = (fields: string, status = '200 OK') => `HTTP/1.1 ${status}\r\n${fields}\r\n`;
const bytes = (text: string) => Buffer.from(text, 'latin1');
const read = (text: string) => new AnswerReader('http://o', most).read(bytes(text));

describe('an answer with a small file', () => {
  const answer = `${head('ETag: "1"\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: 5\r\n')}hello`;

  it('is read when all of it is there, however it comes', () => {
    const random = new SeededRandom(3);
    for (let round = 0; round < 200; round++) {
      const reader = new AnswerReader('http://o', most);
      for (let end = 0; end < answer.length; end = Math.min(answer.length, end + 1 + random.below(40))) {
        expect(reader.read(bytes(answer.slice(0, end)))).toBeUndefined();
        if (end >= answer.length - 5) expect(reader.size).toBe(answer.length);
      }
      expect(reader.read(bytes(answer))).toEqual({
        kind: 'file',
        source: { length: 5, etag: '"1"', lastModified: 'Thu, 01 Jan 2026 00:00:00 GMT', digest: undefined },
        start: answer.length - 5,
        end: answer.length,
        stays: true,
      });
      // It reads the next one from its beginning.
      expect(reader.size).toBeUndefined();
      expect(reader.read(bytes(answer))).toMatchObject({ kind: 'file', end: answer.length });
    }
  });

  it('ends where it says, and says whether the connection stays', () => {
    expect(read(`${answer}more`)).toMatchObject({ kind: 'file', end: answer.length, stays: true });
    expect(read(head('Content-Length: 0\r\nConnection: close\r\n'))).toMatchObject({ kind: 'file', stays: false });
    expect(read(`${head(`Content-Length: ${most}\r\n`)}${'x'.repeat(most)}`)).toMatchObject({ kind: 'file' });
  });
});

describe('every other answer', () => {
  it.each([
    ['404', head('Content-Length: 2\r\n', '404 Not Found'), 'no', 'transfer/http-status'],
    ['503', head('Content-Length: 2\r\nRetry-After: 5\r\n', '503 Later'), 'no', 'transfer/http-status-transient'],
    ['206', head('Content-Length: 2\r\nContent-Range: bytes 0-1/2\r\n', '206 P'), 'no', 'transfer/invalid-response'],
    ['204', head('', '204 Nothing'), '', 'transfer/http-status-transient'],
    ['304', head('', '304 Same'), '', 'transfer/http-status'],
    ['a coding', head('Content-Length: 2\r\nContent-Encoding: gzip\r\n'), 'no', 'transfer/content-encoding'],
    ['parts', head('Content-Length: 2\r\nContent-Type: multipart/byteranges\r\n'), 'no', 'transfer/invalid-response'],
  ])('is refused with what it is: %s', (_, text, body, code) => {
    const answer = read(text + body);
    expect(answer).toMatchObject({ kind: 'refused', end: text.length + body.length, stays: true });
    expect(answer?.kind === 'refused' && answer.error.code).toBe(code);
  });

  it.each([
    ['a redirect', head('Location: /x\r\nContent-Length: 0\r\n', '302 Found')],
    ['a challenge', head('WWW-Authenticate: Basic\r\nContent-Length: 0\r\n', '401 Who')],
    ["a proxy's challenge", head('Proxy-Authenticate: Basic\r\nContent-Length: 0\r\n', '407 Who')],
    ['chunks', head('Transfer-Encoding: chunked\r\n')],
    ['until the end', head('')],
    ['HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx'],
    ['an interim answer', head('', '103 Early')],
    ['another protocol', head('', '101 Switching')],
    ['two lengths', head('Content-Length: 1\r\nContent-Length: 1\r\n')],
    ['a length beside chunks', head('Content-Length: 1\r\nTransfer-Encoding: chunked\r\n')],
    ['a folded line', head('ETag: "1"\r\n x\r\nContent-Length: 1\r\n')],
    ['a bare LF', 'HTTP/1.1 200 OK\nContent-Length: 1\r\n\r\nx'],
    ['something else', 'SSH-2.0-OpenSSH'],
    ['no head that ends', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(70_000)}`],
    ['a refusal with a long text', head(`Content-Length: ${most + 1}\r\n`, '404 No')],
  ])('is for somebody else: %s', (_, text) => {
    expect(read(text)).toEqual({ kind: 'other' });
  });

  it('is known to be large by its head', () => {
    expect(read(head(`Content-Length: ${most + 1}\r\n`))).toEqual({ kind: 'large' });
  });
});
