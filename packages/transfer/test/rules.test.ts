import { parseHttpDate } from '@carmine/core';
import { isCarmineError } from '@carmine/errors';
import type { ResponseHead, Source } from '@carmine/transfer';
import { checkLocalPath } from '@carmine/transfer';
import { describe, expect, it } from 'vitest';
import { diskError } from '../src/disk-errors.ts';
import { acceptsRanges, parseContentRange, reprDigest, strongEtag } from '../src/headers.ts';
import { isTransientStatus, statusError } from '../src/http-status.ts';
import { networkError } from '../src/network-errors.ts';
import { redirectTarget } from '../src/redirect.ts';
import { judgeResponse, readSource } from '../src/response-rules.ts';

const head = (status: number, headers: Record<string, string> = {}): ResponseHead => ({
  status,
  headers,
  origin: 'http://o',
});
const source: Source = { length: 100, etag: '"1"', lastModified: 'Thu, 01 Jan 2026 00:00:00 GMT' };
const part = { start: 10, end: 20, ranged: true };
const range = { etag: '"1"', 'content-range': 'bytes 10-19/100', 'content-length': '10' };
const code = (work: () => unknown) => {
  try {
    work();
  } catch (error) {
    if (isCarmineError(error)) return error.code;
    throw error;
  }
  return 'accepted';
};

describe('rules for a range (spec/bits.md 4.7)', () => {
  it.each<[string, ResponseHead, string]>([
    ['the right range', head(206, range), 'accept'],
    [
      'less than asked for',
      head(206, { ...range, 'content-range': 'bytes 10-14/100', 'content-length': '5' }),
      'accept',
    ],
    ['an unknown total', head(206, { ...range, 'content-range': 'bytes 10-19/*' }), 'accept'],
    ['no Content-Length', head(206, { etag: '"1"', 'content-range': 'bytes 10-19/100' }), 'accept'],
    [
      'the same Last-Modified and no ETag',
      head(206, { ...without(range, 'etag'), 'last-modified': source.lastModified! }),
      'accept',
    ],
    ['another ETag', head(206, { ...range, etag: '"2"' }), 'changed'],
    [
      'another Last-Modified and no ETag',
      head(206, { ...without(range, 'etag'), 'last-modified': 'Fri, 02 Jan 2026 00:00:00 GMT' }),
      'changed',
    ],
    ['412', head(412), 'changed'],
    ['416', head(416), 'changed'],
    ['200 with another ETag', head(200, { etag: '"2"', 'content-length': '100' }), 'changed'],
    ['200 with the same ETag', head(200, { etag: '"1"', 'content-length': '100' }), 'transfer/no-ranges'],
    ['no version', head(206, without(range, 'etag')), 'transfer/invalid-response'],
    ['another start', head(206, { ...range, 'content-range': 'bytes 9-18/100' }), 'transfer/invalid-response'],
    [
      'more than asked for',
      head(206, { ...range, 'content-range': 'bytes 10-20/100', 'content-length': '11' }),
      'transfer/invalid-response',
    ],
    [
      'a length that contradicts the range',
      head(206, { ...range, 'content-length': '9' }),
      'transfer/invalid-response',
    ],
    ['no Content-Range', head(206, without(range, 'content-range')), 'transfer/invalid-response'],
    ['several parts', head(206, { etag: '"1"', 'content-type': 'multipart/byteranges' }), 'transfer/invalid-response'],
    [
      'several parts, described as one',
      head(206, { ...range, 'content-type': 'Multipart/byteranges; boundary=X' }),
      'transfer/invalid-response',
    ],
    ['a transfer coding', head(206, { ...range, 'transfer-encoding': 'gzip, chunked' }), 'transfer/content-encoding'],
    ['chunks', head(206, { ...range, 'transfer-encoding': 'Chunked' }), 'accept'],
    ['another total', head(206, { ...range, 'content-range': 'bytes 10-19/101' }), 'transfer/length-changed'],
    ['an encoding', head(206, { ...range, 'content-encoding': 'gzip' }), 'transfer/content-encoding'],
    ['identity', head(206, { ...range, 'content-encoding': 'identity' }), 'accept'],
    ['401', head(401), 'transfer/authentication'],
    ['407', head(407), 'transfer/proxy-authentication'],
    ['404', head(404), 'transfer/http-status'],
    ['503', head(503), 'transfer/http-status-transient'],
  ])('%s', (_what, response, expected) => {
    let verdict = '';
    const thrown = code(() => {
      verdict = judgeResponse(part, source, response).kind;
    });
    expect(thrown === 'accepted' ? verdict : thrown).toBe(expected);
  });

  it('takes what the server says for the end', () => {
    const answer = head(206, { ...range, 'content-range': 'bytes 10-14/100', 'content-length': '5' });
    expect(judgeResponse(part, source, answer)).toMatchObject({ end: 15, whole: false });
  });

  it('accepts 200 from the beginning, and knows that the server ignored the range', () => {
    const answer = head(200, { etag: '"1"', 'content-length': '100' });
    expect(judgeResponse({ start: 0, end: 20, ranged: true }, source, answer)).toMatchObject({ end: 100, whole: true });
    expect(judgeResponse({ start: 0, end: 100, ranged: false }, source, answer)).toMatchObject({ whole: false });
    const longer = head(200, { etag: '"1"', 'content-length': '101' });
    expect(code(() => judgeResponse({ start: 0, end: 100, ranged: false }, source, longer))).toBe(
      'transfer/length-changed',
    );
    expect(code(() => judgeResponse({ start: 0, end: 100, ranged: false }, source, head(200, { etag: '"1"' })))).toBe(
      'transfer/missing-length',
    );
  });

  it('refuses 206 where no range was asked for', () => {
    expect(code(() => judgeResponse({ start: 0, end: 100, ranged: false }, source, head(206, range)))).toBe(
      'transfer/invalid-response',
    );
  });

  it('without any validator, another length is another version', () => {
    const answer = head(206, { 'content-range': 'bytes 10-19/101' });
    expect(judgeResponse(part, { length: 100 }, answer).kind).toBe('changed');
  });
});

describe('rules for the first answer', () => {
  it('reads length, validators and digest', () => {
    const digest = Buffer.alloc(32, 7).toString('base64');
    expect(
      readSource(
        head(200, {
          'content-length': '5',
          etag: 'W/"1"',
          'last-modified': 'x',
          'repr-digest': `sha-512=:AA==:, sha-256=:${digest}:`,
        }),
      ),
    ).toEqual({ length: 5, etag: undefined, lastModified: 'x', digest: '07'.repeat(32) });
  });

  it.each([
    ['no length', head(200), 'transfer/missing-length'],
    ['a malformed length', head(200, { 'content-length': '1, 2' }), 'transfer/invalid-response'],
    ['a length beyond 2^53', head(200, { 'content-length': '9999999999999999' }), 'transfer/invalid-response'],
    ['an encoding', head(200, { 'content-length': '1', 'content-encoding': 'br' }), 'transfer/content-encoding'],
    ['404', head(404), 'transfer/http-status'],
  ])('refuses %s', (_what, response, expected) => {
    expect(code(() => readSource(response))).toBe(expected);
  });
});

describe('statuses (spec/bits.md 4.4)', () => {
  it('are transient or fatal by the table', () => {
    const fatal = [300, 301, 302, 303, 304, 305, 307, 400, 401, 403, 404, 405, 407, 410, 412, 416, 429, 501, 505];
    const transient = [306, 308, 408, 409, 500, 502, 503, 504, 506, 599, 204, 600];
    expect(fatal.filter(isTransientStatus)).toEqual([]);
    expect(transient.filter((status) => !isTransientStatus(status))).toEqual([]);
  });

  it('carry their HRESULT', () => {
    expect(statusError(404)).toMatchObject({ code: 'transfer/http-status', kind: 'fatal', hresult: 0x8019_0194 });
    expect(statusError(503)).toMatchObject({ kind: 'transient', hresult: 0x8019_01f7 });
    expect(statusError(401)).toMatchObject({ kind: 'fatal', hresult: 0x8019_0191 });
    expect(statusError(407)).toMatchObject({ kind: 'fatal', hresult: 0x8019_0197 });
  });
});

describe('headers', () => {
  it.each([
    ['bytes 0-0/1', { start: 0, end: 1, total: 1 }],
    ['bytes 5-9/*', { start: 5, end: 10, total: undefined }],
    ['bytes 9-5/10', undefined],
    ['bytes 0-10/10', undefined],
    ['bytes */10', undefined],
    ['items 0-1/2', undefined],
    ['bytes 0-1/2, bytes 3-4/5', undefined],
    ['bytes 0-99999999999999999999/*', undefined],
    [undefined, undefined],
  ])('Content-Range %s', (value, expected) => {
    expect(parseContentRange(value)).toEqual(expected);
  });

  it('takes strong entity tags only', () => {
    expect(['"a"', '""', 'W/"a"', 'a', '"a"b"', undefined].map(strongEtag)).toEqual([
      '"a"',
      '""',
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('takes SHA-256 of the right length only', () => {
    expect(reprDigest(`sha-256=:${Buffer.alloc(31).toString('base64')}:`)).toBeUndefined();
    expect(reprDigest('sha-256=abc')).toBeUndefined();
    expect(reprDigest(undefined)).toBeUndefined();
  });

  it('knows what Accept-Ranges says', () => {
    expect(
      [undefined, 'bytes', 'None', 'items, Bytes'].map((value) => acceptsRanges({ 'accept-ranges': value })),
    ).toEqual([undefined, true, false, true]);
  });

  it('reads IMF-fixdate', () => {
    for (const ms of [0, 951_782_400_000, 1_709_164_800_000, 4_102_444_799_000]) {
      expect(parseHttpDate(new Date(ms).toUTCString())).toBe(ms);
    }
    for (const bad of ['', 'yesterday', 'Thu, 01 Foo 2026 00:00:00 GMT', 'Thu, 01 Jan 2026 25:00:00 GMT', undefined]) {
      expect(parseHttpDate(bad)).toBeUndefined();
    }
  });
});

describe('redirects', () => {
  it('resolves, and strips what is not for the wire', () => {
    expect(redirectTarget('http://o/a/b', '../c#f', 0)).toBe('http://o/c');
    expect(redirectTarget('http://o/a', 'https://user:pw@p/x', 0)).toBe('https://p/x');
  });
  it.each([
    ['https://o/', 'http://o/', 0],
    ['http://o/', 'file:///etc/passwd', 0],
    ['http://o/', undefined, 0],
    ['http://o/', 'http://[', 0],
    ['http://o/', '/x', 10],
  ])('refuses %s to %s after %i', (from, to, count) => {
    expect(code(() => redirectTarget(from, to, count))).toBe('transfer/redirect');
  });
});

describe('local paths', () => {
  it('takes them apart', () => {
    expect(checkLocalPath('/a/b/c')).toEqual({ directory: '/a/b', name: 'c' });
    expect(checkLocalPath('/c')).toEqual({ directory: '/', name: 'c' });
    expect(checkLocalPath('C:\\dir\\file')).toEqual({ directory: 'C:\\dir', name: 'file' });
    expect(checkLocalPath('C:/file')).toEqual({ directory: 'C:/', name: 'file' });
  });
  it.each([
    '',
    'relative',
    'a/b',
    '/a/',
    '/a/..',
    '/a/.',
    '/a\0b',
    '/a*',
    '/a?',
    'C:\\a:stream',
    `/${'x'.repeat(4_096)}`,
  ])('refuses %j', (path) => {
    expect(code(() => checkLocalPath(path))).toBe('file/invalid-name');
  });
});

describe('errors of the operating system', () => {
  const thrown = (name: string, cause?: unknown) => Object.assign(new Error(name, { cause }), { code: name });
  it.each([
    ['ENOTFOUND', 'transfer/name-not-resolved'],
    ['EAI_AGAIN', 'transfer/name-not-resolved'],
    ['ECONNREFUSED', 'transfer/connect'],
    ['EHOSTUNREACH', 'transfer/connect'],
    ['ETIMEDOUT', 'transfer/timed-out'],
    ['UND_ERR_HEADERS_TIMEOUT', 'transfer/timed-out'],
    ['ECONNRESET', 'transfer/connection-lost'],
    ['UND_ERR_SOCKET', 'transfer/connection-lost'],
    ['HPE_INVALID_CONSTANT', 'transfer/invalid-response'],
    ['CERT_HAS_EXPIRED', 'transfer/certificate-date'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'transfer/certificate-name'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'transfer/untrusted'],
    ['CERT_REVOKED', 'transfer/untrusted'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'transfer/tls'],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'transfer/client-certificate-needed'],
    ['WHATEVER', 'transfer/connection-lost'],
  ])('%s on a socket is %s', (name, expected) => {
    expect(networkError(thrown(name), 'http://o/f').code).toBe(expected);
  });
  it('finds the reason inside', () => {
    expect(networkError(new AggregateError([thrown('ECONNREFUSED')]), 'http://o/').code).toBe('transfer/connect');
    expect(networkError(new Error('x', { cause: thrown('ENOTFOUND') }), 'http://o/').code).toBe(
      'transfer/name-not-resolved',
    );
  });
  it.each([
    ['ENOSPC', 'file/disk-full', 0x8007_0070],
    ['EACCES', 'file/access-denied', 0x8007_0005],
    ['EROFS', 'file/access-denied', 0x8007_0005],
    ['EIO', 'file/io', 0x8007_045d],
    ['EMFILE', 'file/io', 0x8007_0004],
    ['EBUSY', 'file/busy', 0x8007_0020],
    ['EWEIRD', 'file/io', 0x8007_045d],
  ])('%s on a file is %s', (name, expected, hresult) => {
    expect(diskError(thrown(name), '/p')).toMatchObject({ code: expected, hresult });
  });
});

function without<T extends object, K extends keyof T>(value: T, key: K): Omit<T, K> {
  const { [key]: _gone, ...rest } = value;
  return rest;
}
