import { closeSync, mkdtempSync, openSync, readSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { download, nodeDisk } from '@carmine/transfer/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Extent, ExtentSet } from '../src/extents.ts';
import { JournalFile } from '../src/journal-file.ts';

const GiB = 2 ** 30;
const length = 5 * GiB + 123;

/** What is at a place: every eight bytes say where they are. */
function contentOf({ start, end }: Extent): Buffer {
  const first = Math.floor(start / 8);
  const words = Buffer.alloc((Math.ceil(end / 8) - first) * 8);
  for (let at = 0; at < words.length; at += 8) words.writeBigUInt64LE(BigInt(first + at / 8) ^ 0x5a5an, at);
  return words.subarray(start - first * 8, end - first * 8);
}

/** A file of more than 4 GiB, of which only parts are really moved: the journal has the others, or nobody asks for them. */
describe('a file of more than 4 GiB', () => {
  let folder: string;
  let path: string;
  let server: Server;
  let url: string;
  let asked: Extent[];
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'carmine-huge-'));
    path = join(folder, 'file');
    asked = [];
    server = createServer((request, response) => {
      const headers = { etag: '"1"', 'accept-ranges': 'bytes' };
      const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
      if (request.method === 'HEAD' || first === undefined) {
        response.writeHead(200, { ...headers, 'content-length': length }).end();
        return;
      }
      const part = { start: Number(first), end: Number(last) + 1 };
      asked.push(part);
      const range = `bytes ${first}-${last}/${length}`;
      response.writeHead(206, { ...headers, 'content-length': part.end - part.start, 'content-range': range });
      response.end(contentOf(part));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/file`;
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true, force: true });
  });
  function read({ start, end }: Extent): Buffer {
    const bytes = Buffer.alloc(end - start);
    const fd = openSync(path, 'r');
    try {
      expect(readSync(fd, bytes, 0, bytes.length, start)).toBe(bytes.length);
    } finally {
      closeSync(fd);
    }
    return bytes;
  }

  it.each([1, 3])(
    'goes on where it was, around 2 and 4 GiB and at its end, over %i connections',
    async (connections) => {
      const missing = [
        { start: 2 * GiB - 1_000, end: 2 * GiB + 1_000 },
        { start: 4 * GiB - 3 * 2 ** 20, end: 4 * GiB + 3 * 2 ** 20 },
        { start: 5 * GiB - 77, end: length },
      ];
      const temporaryName = 'BIT00000000000005C1.tmp';
      writeFileSync(join(folder, temporaryName), '');
      truncateSync(join(folder, temporaryName), length);
      const directory = await nodeDisk.openDirectory(folder, undefined);
      const journal = await JournalFile.open(directory, `${temporaryName}.journal`, { boot: '', synced: true });
      await journal.begin(url, { length, etag: '"1"' });
      const ends = [0, ...missing.map(({ end }) => end)];
      await journal.add(missing.map(({ start }, index) => ({ start: ends[index] as number, end: start })));
      await journal.close();
      await directory.close();
      const seen: number[] = [];
      const onProgress = ({ transferred }: { readonly transferred: number }) => seen.push(transferred);
      const result = await download(url, path, { temporaryName, connections, pieceBytes: 2 ** 20, onProgress });
      expect(result.length).toBe(length);
      expect(statSync(path).size).toBe(length);
      for (const extent of missing) expect(read(extent).equals(contentOf(extent))).toBe(true);
      // All that is missing, and nothing of what is there; an idle connection may ask for a part of what a slow one was to bring.
      const fetched = new ExtentSet();
      for (const extent of asked) fetched.add(extent);
      expect(fetched.extents).toEqual(missing);
      expect(seen.at(-1)).toBe(length);
    },
  );

  it('has ranges beyond 4 GiB', async () => {
    const parts = [
      { start: 4 * GiB + 5, end: 4 * GiB + 100_005 },
      { start: 4 * GiB - 10, end: 4 * GiB },
      { start: length - 10, end: length },
    ];
    const ranges = parts.map(({ start, end }) => ({ offset: start, length: end === length ? undefined : end - start }));
    await download(url, path, { ranges });
    expect(read({ start: 0, end: 100_020 }).equals(Buffer.concat(parts.map(contentOf)))).toBe(true);
    expect(statSync(path).size).toBe(100_020);
  });
});
