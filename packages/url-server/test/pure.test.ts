import { parseUrlPrefix } from '@carmine/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BandwidthBucket,
  type ByteRange,
  decodePath,
  evaluatePreconditions,
  type FileFacts,
  type FileRequest,
  originForm,
  parseRange,
  planResponse,
  ReadingRate,
  rangeAllowed,
  route,
  suffixKey,
  validatorsOf,
} from '../src/index.ts';
import { plainRange, rangeFields } from '../src/plan-response.ts';

describe('Range', () => {
  it.each([
    [undefined, 'whole'],
    ['bytes=0-0', [0, 0]],
    ['bytes=0-', [0, 99]],
    ['bytes=10-19', [10, 19]],
    ['bytes=90-500', [90, 99]],
    ['bytes=-1', [99, 99]],
    ['bytes=-500', [0, 99]],
    ['BYTES = 5-6', [5, 6]],
    ['bytes=100-', 'unsatisfiable'],
    ['bytes=100-200', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=20-10', 'whole'],
    [
      'bytes=0-1,5-6',
      [
        [0, 1],
        [5, 6],
      ],
    ],
    [
      'bytes=50-59, 10-19 ,, -1',
      [
        [50, 59],
        [10, 19],
        [99, 99],
      ],
    ],
    [
      'bytes=0-9,5-14,0-9',
      [
        [0, 9],
        [5, 14],
        [0, 9],
      ],
    ],
    ['bytes=0-1,200-', [0, 1]],
    ['bytes=,0-1,', [0, 1]],
    ['bytes=100-,200-300,-0', 'unsatisfiable'],
    ['bytes=0-1,9-5', 'whole'],
    ['bytes=0-1,x', 'whole'],
    ['bytes=,', 'whole'],
    ['bytes=0-,0-0', 'whole'],
    ['bytes=0-59,40-99', 'whole'],
    [
      'bytes=0-49,50-99',
      [
        [0, 49],
        [50, 99],
      ],
    ],
    [`bytes=${Array(200).fill('100-').join()}`, 'unsatisfiable'],
    [`bytes=${Array(201).fill('100-').join()}`, 'whole'],
    ['bytes=', 'whole'],
    ['bytes=-', 'whole'],
    ['items=0-1', 'whole'],
    ['bytes=0-1x', 'whole'],
    ['bytes=99999999999999999999-', 'whole'],
  ])('%s of 100 bytes is %s', (header, expected) => {
    const outcome = parseRange(header, 100);
    const ends = ({ first, last }: ByteRange) => [first, last];
    if (outcome.kind === 'parts') expect(outcome.ranges.map(ends)).toEqual(expected);
    else expect(outcome.kind === 'part' ? ends(outcome.range) : outcome.kind).toEqual(expected);
  });

  it('of an empty file is never satisfiable', () => {
    for (const header of ['bytes=0-', 'bytes=0-0', 'bytes=-1'])
      expect(parseRange(header, 0).kind).toBe('unsatisfiable');
  });

  it('always stays inside the file', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'bytes=0123456789-, ') }), fc.nat(1000), (rest, length) => {
        const outcome = parseRange(`bytes=${rest}`, length);
        const ranges = outcome.kind === 'part' ? [outcome.range] : outcome.kind === 'parts' ? outcome.ranges : [];
        for (const { first, last } of ranges) {
          expect(first).toBeGreaterThanOrEqual(0);
          expect(last).toBeLessThan(length);
          expect(first).toBeLessThanOrEqual(last);
        }
        expect(ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0)).toBeLessThanOrEqual(length);
      }),
    );
  });
});

const validators = validatorsOf({ size: 100, device: 1n, inode: 2n, modified: 784_111_777_123_456_789n, changed: 5n });
const modified = 'Sun, 06 Nov 1994 08:49:37 GMT';
const before = 'Sun, 06 Nov 1994 08:49:36 GMT';
const after = 'Sun, 06 Nov 1994 08:49:38 GMT';

describe('preconditions', () => {
  it.each([
    [{}, 'proceed'],
    [{ ifMatch: validators.etag }, 'proceed'],
    [{ ifMatch: '*' }, 'proceed'],
    [{ ifMatch: `"other", ${validators.etag}` }, 'proceed'],
    [{ ifMatch: '"other"' }, 'failed'],
    [{ ifMatch: `W/${validators.etag}` }, 'failed'],
    [{ ifMatch: validators.etag, ifUnmodifiedSince: before }, 'proceed'],
    [{ ifUnmodifiedSince: modified }, 'proceed'],
    [{ ifUnmodifiedSince: after }, 'proceed'],
    [{ ifUnmodifiedSince: before }, 'failed'],
    [{ ifUnmodifiedSince: 'garbage' }, 'proceed'],
    [{ ifNoneMatch: validators.etag }, 'notModified'],
    [{ ifNoneMatch: `W/${validators.etag}` }, 'notModified'],
    [{ ifNoneMatch: '*' }, 'notModified'],
    [{ ifNoneMatch: '"other"' }, 'proceed'],
    [{ ifNoneMatch: '"other"', ifModifiedSince: after }, 'proceed'],
    [{ ifModifiedSince: modified }, 'notModified'],
    [{ ifModifiedSince: before }, 'proceed'],
    [{ ifMatch: '"other"', ifNoneMatch: '*' }, 'failed'],
  ] as const)('%o: %s', (headers, expected) => {
    expect(evaluatePreconditions(headers, validators)).toBe(expected);
  });

  it.each([
    [undefined, true],
    [validators.etag, true],
    ['"other"', false],
    [`W/${validators.etag}`, false],
    [modified, true],
    [after, false],
    ['garbage', false],
  ])('If-Range: %s allows a range: %s', (header, expected) => {
    expect(rangeAllowed(header, validators)).toBe(expected);
  });

  it('changes the ETag with every part of the version', () => {
    const version = { size: 1, device: 1n, inode: 2n, modified: 3n, changed: 4n };
    const etags = [
      version,
      { ...version, size: 2 },
      { ...version, inode: 3n },
      { ...version, modified: 4n },
      { ...version, changed: 5n },
    ].map((each) => validatorsOf(each).etag);
    expect(new Set(etags).size).toBe(5);
  });
});

describe('answers', () => {
  const answer = (request: FileRequest, facts: FileFacts) => planResponse(request, facts, () => 'BOUNDARY');
  const file = { size: 100, validators, sha256: new Uint8Array(32).fill(255) };
  it('has Content-Length, validators and digest on 200, 206 and HEAD', () => {
    const whole = answer({ method: 'GET' }, file);
    expect(whole).toMatchObject({ status: 200, body: [{ first: 0, last: 99 }] });
    expect(whole.headers).toMatchObject({
      'Content-Length': '100',
      'Last-Modified': modified,
      ETag: validators.etag,
      'Accept-Ranges': 'bytes',
      'Repr-Digest': `sha-256=:${'/'.repeat(42)}8=:`,
    });
    expect(answer({ method: 'HEAD' }, file)).toEqual({ ...whole, body: undefined });
    const part = answer({ method: 'GET', range: 'bytes=10-19' }, file);
    expect(part).toMatchObject({ status: 206, body: [{ first: 10, last: 19 }] });
    expect(part.headers).toMatchObject({
      'Content-Length': '10',
      'Content-Range': 'bytes 10-19/100',
      'Last-Modified': modified,
    });
  });

  it('are the same where one range is answered without a plan', () => {
    const value = (texts: readonly (string | undefined)[]) => fc.constantFrom(...texts, undefined, undefined);
    const request = fc.record({
      method: fc.constantFrom('GET', 'GET', 'HEAD'),
      range: value(['bytes=0-0', 'bytes=10-', 'bytes=90-500', 'bytes=-5', 'bytes=100-', 'bytes=0-1,3-4', 'x']),
      ifMatch: value([validators.etag, '"x"']),
      ifNoneMatch: value([validators.etag, '"x"']),
      ifModifiedSince: value([modified, before]),
      ifUnmodifiedSince: value([modified, before]),
      ifRange: value([validators.etag, '"x"', modified]),
    }) as fc.Arbitrary<FileRequest>;
    fc.assert(
      fc.property(request, (each) => {
        const { status, headers, body } = answer(each, file);
        const plain = plainRange(each, file.size, validators);
        expect(plain).toEqual(status === 206 && body?.length === 1 ? body[0] : undefined);
        if (plain === undefined) return;
        const { 'Content-Length': length, 'Content-Range': range, ...others } = headers;
        expect([length, range]).toEqual([`${plain.last - plain.first + 1}`, `bytes ${plain.first}-${plain.last}/100`]);
        expect(Object.fromEntries(rangeFields(file))).toEqual(others);
      }),
    );
  });

  it('ignores Range on HEAD and when If-Range does not match', () => {
    expect(answer({ method: 'HEAD', range: 'bytes=10-19' }, file).status).toBe(200);
    expect(answer({ method: 'GET', range: 'bytes=10-19', ifRange: '"old"' }, file).status).toBe(200);
  });

  it('answers 416 with the length, 412 and 304 without a body, and an empty file with nothing', () => {
    expect(answer({ method: 'GET', range: 'bytes=100-' }, file)).toMatchObject({
      status: 416,
      headers: { 'Content-Range': 'bytes */100' },
    });
    expect(answer({ method: 'GET', ifMatch: '"x"' }, file)).toMatchObject({ status: 412, body: undefined });
    expect(answer({ method: 'GET', ifNoneMatch: '*' }, file)).toMatchObject({ status: 304, body: undefined });
    expect(answer({ method: 'GET' }, { ...file, size: 0 })).toMatchObject({
      status: 200,
      headers: { 'Content-Length': '0' },
      body: undefined,
    });
  });

  it('gives several ranges as parts in the order asked for, with nothing in their heads that BITS refuses', () => {
    const { status, headers, body } = answer(
      { method: 'GET', range: 'bytes=50-59,0-4', ifRange: validators.etag },
      file,
    );
    expect(status).toBe(206);
    expect(headers['Content-Type']).toBe('multipart/byteranges; boundary=BOUNDARY');
    expect(headers['Content-Range']).toBeUndefined();
    expect(headers['ETag']).toBe(validators.etag);
    expect(body).toEqual([
      '--BOUNDARY\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes 50-59/100\r\n\r\n',
      { first: 50, last: 59 },
      '\r\n--BOUNDARY\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes 0-4/100\r\n\r\n',
      { first: 0, last: 4 },
      '\r\n--BOUNDARY--\r\n',
    ]);
    const length = (body ?? []).reduce(
      (sum, part) => sum + (typeof part === 'string' ? part.length : part.last - part.first + 1),
      0,
    );
    expect(headers['Content-Length']).toBe(String(length));
    expect(answer({ method: 'GET', range: 'bytes=50-59,0-4', ifRange: '"old"' }, file).status).toBe(200);
    expect(answer({ method: 'HEAD', range: 'bytes=50-59,0-4' }, file).status).toBe(200);
    expect(answer({ method: 'GET', range: 'bytes=100-,200-' }, file).status).toBe(416);
  });
});

describe('routing', () => {
  const groups = [
    'http://+:80/a',
    'http://+:80/',
    'http://server1:80/a',
    'http://10.0.0.1:80/b',
    'http://*:80/c',
    'http://*:80/',
    'http://+:81/',
  ].map((text) => ({
    prefix: parseUrlPrefix(text),
  }));
  const pick = (list: typeof groups, host: string, path: string, more: object = {}) =>
    route(list, { port: 80, scheme: 'http', host, localAddress: '10.0.0.1', path, ...more })?.group.prefix.text;
  const without = (...texts: string[]) => groups.filter(({ prefix }) => !texts.includes(prefix.text));

  it('prefers the category to the length, and the length inside a category', () => {
    expect(pick(groups, 'server1', '/a/x')).toBe('http://+:80/a/');
    expect(pick(groups, 'server1', '/b/x')).toBe('http://+:80/');
    const explicit = without('http://+:80/a/', 'http://+:80/');
    expect(pick(explicit, 'server1', '/A/x')).toBe('http://server1:80/a/');
    expect(pick(explicit, 'other', '/b/x')).toBe('http://10.0.0.1:80/b/');
    expect(pick(explicit, 'other', '/b/x', { localAddress: '10.0.0.2' })).toBe('http://*:80/');
    expect(pick(explicit, '10.0.0.1', '/b/x', { localAddress: '10.0.0.2' })).toBe('http://10.0.0.1:80/b/');
    expect(pick(explicit, 'other', '/c/x')).toBe('http://*:80/c/');
  });

  it('does not match other ports, schemes, or half segments', () => {
    expect(pick(groups, 'x', '/a', { port: 81 })).toBe('http://+:81/');
    expect(pick(groups, 'x', '/a', { scheme: 'https' })).toBeUndefined();
    expect(pick(without('http://+:80/', 'http://*:80/'), 'x', '/ab')).toBeUndefined();
  });

  it('gives the suffix in the case it was asked for', () => {
    expect(route(groups, { port: 80, scheme: 'http', host: 'x', localAddress: '', path: '/A/File.BIN' })?.suffix).toBe(
      'File.BIN',
    );
  });

  it.each([
    ['/a/b?c=d', '/a/b'],
    ['/a%20b', '/a b'],
    ['/%E4%BD%A0', '/你'],
    ['/%zz', undefined],
    ['/%00', undefined],
    ['*', undefined],
    ['http://host/a', undefined],
    [`/${'a'.repeat(20_000)}`, undefined],
  ])('decodes %s', (target, path) => {
    expect(decodePath(target)).toBe(path);
  });
});

describe('targets', () => {
  it.each([
    ['/a?b', 'http', { target: '/a?b', authority: undefined }],
    ['http://host:80/a/b?c', 'http', { target: '/a/b?c', authority: 'host:80' }],
    ['HTTPS://host/a', 'https', { target: '/a', authority: 'host' }],
    ['http://host', 'http', { target: '/', authority: 'host' }],
    ['http://host?a', 'http', { target: '/?a', authority: 'host' }],
    ['https://host/a', 'http', undefined],
    ['http://user@host/a', 'http', undefined],
    ['http:///a', 'http', undefined],
    ['*', 'http', undefined],
    ['host:80', 'http', undefined],
    ['ftp://host/a', 'http', undefined],
  ] as const)('%s over %s', (target, scheme, expected) => {
    expect(originForm(target, scheme)).toEqual(expected);
  });
});

describe('suffixes', () => {
  it.each(['a', 'Dir/File.bin', 'a b', 'ünï', 'x'.repeat(2048), '...', '.a'])('accepts %s', (suffix) => {
    expect(suffixKey(suffix)).toBe(suffix.normalize('NFC').toLowerCase());
  });

  it.each([
    '',
    '/',
    '/a',
    'a/',
    'a//b',
    '.',
    '..',
    'a/../b',
    './a',
    'a\\b',
    'a?b',
    'a#b',
    'a%2fb',
    'a\u0000b',
    'a\nb',
    'C:/x',
    'x'.repeat(2049),
  ])('refuses %j', (suffix) => {
    expect(() => suffixKey(suffix)).toThrow(
      expect.objectContaining({ code: 'url/invalid-suffix', hresult: 0x8007_0057 }),
    );
  });
});

describe('bandwidth', () => {
  it('lets the rate through, with a second of burst, whatever the sizes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1024, max: 1_000_000 }),
        fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1, maxLength: 50 }),
        (rate, sizes) => {
          const bucket = new BandwidthBucket();
          let now = 10_000;
          let sent = 0;
          const start = now;
          for (const size of sizes) {
            now += bucket.reserve(size, rate, now);
            sent += size;
          }
          expect(sent).toBeLessThanOrEqual(rate * ((now - start) / 1000 + 1) + 1);
        },
      ),
    );
    expect(new BandwidthBucket().reserve(1e9, Number.POSITIVE_INFINITY, 0)).toBe(0);
  });
});

describe('the reading rate', () => {
  const rate = () => new ReadingRate({ minimumRate: 1000, grace: 10_000 }, 0);

  it('drops who takes nothing for the grace time, and not before', () => {
    const reader = rate();
    expect([reader.tooSlow(10_000), reader.tooSlow(10_001)]).toEqual([false, true]);
  });

  it('lets who is just fast enough go on for ever, and drops who is a little slower', () => {
    const outcome = (bytesPerSecond: number) => {
      const reader = rate();
      for (let second = 1; second <= 3600; second++) {
        reader.progress(second * bytesPerSecond, second * 1000);
        if (reader.tooSlow(second * 1000)) return second;
      }
      return 'served';
    };
    expect(outcome(1000)).toBe('served');
    expect(outcome(990)).toBe(1001);
    expect(outcome(500)).toBe(21);
  });

  it('gives no more than the grace time for having been fast', () => {
    const reader = rate();
    reader.progress(1_000_000_000, 1000);
    expect([reader.tooSlow(11_000), reader.tooSlow(11_001)]).toEqual([false, true]);
  });

  it('does not count the time in which nothing was offered, nor the same bytes twice', () => {
    const reader = rate();
    reader.excuse(5000);
    expect([reader.progress(0, 1), reader.progress(10, 2), reader.progress(10, 3), reader.progress(5, 4)]).toEqual([
      false,
      true,
      false,
      false,
    ]);
    const other = rate();
    other.excuse(5000);
    expect([other.tooSlow(15_000), other.tooSlow(15_001)]).toEqual([false, true]);
  });
});
