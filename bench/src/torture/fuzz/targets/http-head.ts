import { isCarmineError } from '@carmine/errors';
import { bodyOf, type HttpHead, headEnd, joinedFields, parseHttpHead, staysOpen } from '@carmine/transfer';
import { BrokenPromise, bytesOf, type FuzzCheck, type FuzzTarget } from '../target.ts';

/**
 * Heads of answers on the fast way. Only the transient error of a bad answer; the end is found at the same place however the
 * octets arrive; no head that is taken has a line that another reader could see differently.
 */
export function httpHeadTarget(): FuzzTarget {
  const validators =
    'ETag: "66ae3f-40000000"\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nAccept-Ranges: bytes\r\n';
  const heads = {
    whole: `HTTP/1.1 200 OK\r\nServer: nginx\r\n${validators}Content-Length: 1073741824\r\n\r\n\0\x01body`,
    part: `HTTP/1.1 206 Partial Content\r\n${validators}Content-Range: bytes 0-99/1000\r\nContent-Length: 100\r\n\r\n`,
    challenge: 'HTTP/1.1 401 \r\nWWW-Authenticate: Negotiate\r\nWWW-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n',
    redirect:
      'HTTP/1.1 302 Found\r\nLocation: https://host/next\r\nConnection: close, x\r\nContent-Length:5 \t\r\n\r\n',
    chunks: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n4\r\n',
    old: 'HTTP/1.0 200 OK\r\n\r\n',
    interim: 'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n',
    long: `HTTP/1.1 200 OK\r\n${'X-Filler: value\r\n'.repeat(200)}Content-Length: 7\r\n\r\n`,
  };
  return {
    seeds: Object.entries(heads).map(([name, text]) => ({ name, input: bytesOf(text), feed })),
    dictionary: [
      '\r\n',
      '\n',
      '\r',
      '\r\n ',
      '\r\n\r\n',
      ' :',
      '\0',
      'HTTP/1.1 200 OK\r\n',
      'Content-Length: 5\r\n',
      'Content-Length: 18446744073709551616\r\n',
      'Transfer-Encoding: chunked\r\n',
      'Connection: close\r\n',
      '__proto__: x\r\n',
    ],
    // What one read may bring, and more.
    maximum: 131_072,
    documented: (error) => isCarmineError(error, 'transfer/invalid-response'),
  };
}

function feed(input: Uint8Array): FuzzCheck {
  const end = headEnd(input, 0, origin);
  if (end === undefined) return undefined;
  const head = parseHttpHead(input.subarray(0, end), origin);
  const body = bodyOf(head, 'GET');
  staysOpen(head);
  joinedFields(head);
  return () => check(input, end, head, body.kind);
}

function check(input: Uint8Array, end: number, head: HttpHead, body: string): void {
  for (let cut = Math.max(0, end - 6); cut < end; cut++) {
    if (headEnd(input.subarray(0, cut), 0, origin) !== undefined) throw new BrokenPromise('it ends before its end');
    if (headEnd(input.subarray(0, end), cut, origin) !== end) throw new BrokenPromise('it ends elsewhere in two parts');
  }
  const text = Buffer.from(input.subarray(0, end)).toString('latin1');
  if (!text.endsWith('\r\n\r\n') || text.slice(0, -4).includes('\r\n\r\n')) throw new BrokenPromise('a wrong end');
  if (/[^\r]\n|\r[^\n]|\0|\n[ \t]/.test(text)) throw new BrokenPromise('a line that is none');
  if (text.slice(0, -4).split('\r\n').length !== head.fields.length + 1) throw new BrokenPromise('fields are missing');
  const has = (name: string) => head.fields.filter((field) => field[0] === name).length;
  if (has('content-length') > 1) throw new BrokenPromise('two lengths');
  if (has('content-length') > 0 && has('transfer-encoding') > 0) throw new BrokenPromise('a length and chunks');
  if (body === 'length' && (has('content-length') !== 1 || head.minorVersion !== 1 || head.status < 200)) {
    throw new BrokenPromise('a length that nobody gave');
  }
}

const origin = 'http://origin';
