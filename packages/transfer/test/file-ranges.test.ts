import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SeededRandom } from '@carmine/testkit';
import { checkRanges, type FileRange, placeRanges } from '@carmine/transfer';
import { type DownloadOptions, download } from '@carmine/transfer/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { partsOf, sourceOfRanges, validatorOfRanges } from '../src/file-ranges.ts';
import { validatorOf } from '../src/source.ts';
import { HttpOrigin } from './support/http-origin.ts';

const MiB = 1024 * 1024;

/** Ranges that do not overlap, in any order; the last of them in the file may be open. */
function randomRanges(random: SeededRandom, length: number): FileRange[] {
  const cuts = Array.from({ length: 2 + 2 * random.below(6) }, () => random.below(length)).sort((a, b) => a - b);
  const ranges: FileRange[] = [];
  for (let index = 0; index + 1 < cuts.length; index += 2) {
    const [offset, end] = [cuts[index] as number, cuts[index + 1] as number];
    if (end > offset) ranges.push({ offset, length: end - offset });
  }
  const last = cuts.at(-1) as number;
  if (ranges.length === 0 || random.below(2) === 0) ranges.push({ offset: last });
  for (let index = ranges.length - 1; index > 0; index--) {
    const other = random.below(index + 1);
    [ranges[index], ranges[other]] = [ranges[other] as FileRange, ranges[index] as FileRange];
  }
  return ranges;
}
const cut = (content: Uint8Array, ranges: readonly FileRange[]) =>
  Buffer.concat(
    ranges.map(({ offset, length }) => content.subarray(offset, length === undefined ? undefined : offset + length)),
  );

describe('ranges of a file', () => {
  it('are where their concatenation has them, for any part of it', () => {
    for (let seed = 0; seed < 500; seed++) {
      const random = new SeededRandom(seed);
      const content = random.bytes(1 + random.below(400));
      const ranges = randomRanges(random, content.length);
      expect(() => checkRanges(ranges)).not.toThrow();
      const placed = placeRanges(ranges, content.length);
      const joined = cut(content, ranges);
      expect(sourceOfRanges(ranges, { length: content.length }).length).toBe(joined.length);
      const start = random.below(joined.length);
      const end = start + 1 + random.below(joined.length - start);
      const parts = partsOf(placed, start, end);
      expect(Buffer.concat(parts.map((part) => content.subarray(part.start, part.end)))).toEqual(
        joined.subarray(start, end),
      );
      for (const part of parts) expect(part.end).toBeGreaterThan(part.start);
    }
  });

  it('have a tag that says which of which version, and nothing else fits it', () => {
    const ranges = [{ offset: 5, length: 2 }, { offset: 9 }];
    const [etag, lastModified] = ['"a;\u00fc%\'b"', 'Thu, 01 Jan 2026 00:00:00 GMT'];
    for (const source of [
      { length: 20, etag, lastModified },
      { length: 20, lastModified },
    ]) {
      const tag = validatorOf(sourceOfRanges(ranges, source));
      expect(tag?.value).toMatch(/^"[\x21\x23-\x7e]*"$/);
      expect(validatorOfRanges(ranges, tag!)).toEqual(validatorOf(source));
      expect(validatorOfRanges(ranges.toReversed(), tag!)).toBe(undefined);
    }
    expect(sourceOfRanges(ranges, { length: 20 })).toEqual({ length: 13 });
    expect(validatorOfRanges(ranges, { kind: 'etag', value: etag })).toBe(undefined);
    expect(validatorOfRanges(ranges, { kind: 'lastModified', value: lastModified })).toBe(undefined);
  });

  it.each<[string, FileRange[], number]>([
    ['none', [], 0x8020_002b],
    ['an empty one', [{ offset: 1, length: 0 }], 0x8020_002b],
    ['one before the beginning', [{ offset: -1, length: 5 }], 0x8020_002b],
    ['half a byte', [{ offset: 0.5, length: 5 }], 0x8020_002b],
    ['one beyond all numbers', [{ offset: 1, length: Number.MAX_SAFE_INTEGER }], 0x8020_002b],
    [
      'the same twice',
      [
        { offset: 1, length: 5 },
        { offset: 1, length: 5 },
      ],
      0x8020_002c,
    ],
    [
      'overlapping ones, not in order',
      [
        { offset: 10, length: 5 },
        { offset: 8, length: 3 },
      ],
      0x8020_002c,
    ],
    ['one behind an open one', [{ offset: 10 }, { offset: 20, length: 3 }], 0x8020_002c],
    ['too many', Array.from({ length: 501 }, (_, index) => ({ offset: 2 * index, length: 1 })), 0x8020_0052],
  ])('%s: refused before anything is asked', (_what, ranges, hresult) => {
    expect(() => checkRanges(ranges)).toThrow(expect.objectContaining({ hresult }));
  });

  it.each<FileRange[]>([[{ offset: 100 }], [{ offset: 50, length: 51 }], [{ offset: 101, length: 1 }]])(
    'are no part of a file of 100 bytes: %j',
    (range) => {
      expect(() => placeRanges([range], 100)).toThrow(expect.objectContaining({ hresult: 0x8020_002b }));
    },
  );
});

describe('a download of ranges', () => {
  const content = new SeededRandom(31).bytes(3 * MiB);
  const ranges: FileRange[] = [
    { offset: 2 * MiB + 5 },
    { offset: 100, length: 700_000 },
    { offset: 1 * MiB, length: 3 },
  ];
  const wanted = cut(content, ranges);
  let folder: string;
  let path: string;
  let origin: HttpOrigin;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'carmine-ranges-'));
    path = join(folder, 'file');
    origin = await HttpOrigin.start(content);
  });
  afterEach(async () => {
    await origin.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const fetchRanges = (options: DownloadOptions = {}) =>
    download(origin.url, path, { roots: [folder], ranges, ...options });

  it('has them one after the other, and fetches nothing else', async () => {
    const { length } = await fetchRanges();
    expect(length).toBe(wanted.length);
    expect(readFileSync(path).equals(wanted)).toBe(true);
    expect(origin.asked).toEqual([
      'HEAD',
      `bytes=${2 * MiB + 5}-${3 * MiB - 1}`,
      'bytes=100-700099',
      `bytes=${MiB}-${MiB + 2}`,
    ]);
    expect(readdirSync(folder)).toEqual(['file']);
  });

  it('comes over several connections, with the digest of all of it', async () => {
    const expectedSha256 = createHash('sha256').update(wanted).digest('hex');
    origin.headers = { 'repr-digest': `sha-256=:${createHash('sha256').update(content).digest('base64')}:` };
    const { sha256 } = await fetchRanges({ connections: 3, pieceBytes: 100_000, expectedSha256 });
    expect(sha256).toBe(expectedSha256);
    expect(readFileSync(path).equals(wanted)).toBe(true);
    expect(origin.connections).toBeGreaterThan(1);
    await expect(fetchRanges({ expectedSha256: '00'.repeat(32) })).rejects.toMatchObject({
      code: 'transfer/digest-mismatch',
    });
  });

  it.each(['etag', 'lastModified'] as const)('goes on where it was, with what the journal has (%s)', async (kept) => {
    if (kept === 'lastModified') origin.etag = undefined;
    const options = { temporaryName: 'BIT00000000000000AA.tmp', checkpointBytes: 100_000, connections: 1 };
    const stop = new AbortController();
    const slow = (progress: { readonly transferred: number }) => {
      if (progress.transferred > 1_200_000) stop.abort();
    };
    await expect(fetchRanges({ ...options, signal: stop.signal, onProgress: slow })).rejects.toMatchObject({
      code: 'internal/aborted',
    });
    origin.seen.length = 0;
    await fetchRanges(options);
    expect(readFileSync(path).equals(wanted)).toBe(true);
    // The first range was there.
    expect(origin.asked.some((asked) => asked.startsWith(`bytes=${2 * MiB + 5}-`))).toBe(false);
  });

  it('does not go on with other ranges, or with another version', async () => {
    const options = { temporaryName: 'BIT00000000000000AB.tmp', checkpointBytes: 100_000, connections: 1 };
    const begin = async () => {
      const stop = new AbortController();
      const onProgress = (progress: { readonly transferred: number }) => {
        if (progress.transferred > 300_000) stop.abort();
      };
      await expect(fetchRanges({ ...options, signal: stop.signal, onProgress })).rejects.toThrow();
    };
    for (const changed of [false, true]) {
      await begin();
      const version = changed ? Buffer.from(content).reverse() : content;
      if (changed) [origin.content, origin.etag] = [version, '"2"'];
      const others = [{ offset: 0, length: wanted.length }];
      const next = changed ? ranges : others;
      await fetchRanges({ ...options, ranges: next });
      expect(readFileSync(path).equals(cut(version, next))).toBe(true);
    }
  });

  it('begins again when the source changes between two of them', async () => {
    const second = Buffer.from(content).reverse();
    origin.behaviour = (request) => {
      if (request.headers.range === 'bytes=100-700099' && origin.etag === '"1"') {
        [origin.content, origin.etag] = [second, '"2"'];
      }
      return false;
    };
    await fetchRanges({ connections: 1 });
    expect(readFileSync(path).equals(cut(second, ranges))).toBe(true);
  });

  it('takes less than it asked for, and asks for the rest', async () => {
    origin.behaviour = (request, response) => {
      const [, first, last] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '') ?? [];
      if (first === undefined) return false;
      const [start, end] = [Number(first), Math.min(Number(last) + 1, Number(first) + 300_000)];
      response.writeHead(206, {
        etag: '"1"',
        'content-length': end - start,
        'content-range': `bytes ${start}-${end - 1}/${content.length}`,
      });
      response.end(content.subarray(start, end));
      return true;
    };
    await fetchRanges();
    expect(readFileSync(path).equals(wanted)).toBe(true);
  });

  it.each<[string, (origin: HttpOrigin) => void, object]>([
    [
      'a server without ranges',
      (server) => {
        server.behaviour = (request, response) => {
          if (request.method === 'HEAD') return false;
          response.writeHead(200, { etag: '"1"', 'content-length': content.length }).end(content);
          return true;
        };
      },
      { hresult: 0x8020_0013 },
    ],
    [
      'a server that merges them',
      (server) => {
        server.behaviour = (request, response) => {
          if (request.method === 'HEAD') return false;
          const range = `bytes 0-${content.length - 1}/${content.length}`;
          response
            .writeHead(206, { etag: '"1"', 'content-length': content.length, 'content-range': range })
            .end(content);
          return true;
        };
      },
      { code: 'transfer/invalid-response' },
    ],
    [
      'a server that never says which version it has',
      (server) => {
        [server.etag, server.lastModified] = [undefined, undefined];
      },
      { hresult: 0x8020_0013 },
    ],
    [
      'a file that is too short',
      (server) => {
        server.content = content.subarray(0, MiB);
      },
      { hresult: 0x8020_002b },
    ],
    [
      'a file that is not there',
      (server) => {
        server.behaviour = (_request, response) => Boolean(response.writeHead(404).end());
      },
      { hresult: 0x8019_0194 },
    ],
  ])('%s: is the error that it is', async (_what, prepare, error) => {
    prepare(origin);
    await expect(fetchRanges()).rejects.toMatchObject(error);
    expect(readdirSync(folder)).toEqual([]);
  });
});
