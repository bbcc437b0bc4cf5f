import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SeededRandom } from '@carmine/testkit';
import { blockListUrl, createFileTransfer, parseBlockList } from '@carmine/transfer';
import { createHttpReceiverFactory, type DownloadOptions, download, nodePlatform } from '@carmine/transfer/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HttpOrigin } from './support/http-origin.ts';

const blockSize = 64 * 1024;
const content = Buffer.from(new SeededRandom(31).bytes(5 * blockSize + 1_000));
const sha256 = createHash('sha256').update(content).digest('hex');
const link =
  '<?carmine=block-list>; rel="https://carmine.invalid/rel/block-list"; type="application/vnd.carmine.block-list+json"';
const blocks = Array.from({ length: 6 }, (_, index) =>
  createHash('sha256')
    .update(content.subarray(index * blockSize, (index + 1) * blockSize))
    .digest('base64'),
);
const list = {
  schema: 'carmine.blockList/1',
  length: content.length,
  etag: '"1"',
  blockSize,
  algorithm: 'sha-256',
  blocks,
};
let folder: string;
let path: string;
const origins: HttpOrigin[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'carmine-repair-'));
  path = join(folder, 'file');
});
afterEach(async () => {
  for (const origin of origins.splice(0)) await origin.close();
  rmSync(folder, { recursive: true, force: true });
});
async function start(bytes: Buffer = content): Promise<HttpOrigin> {
  const origin = await HttpOrigin.start(bytes);
  origins.push(origin);
  return origin;
}
const same = () => readFileSync(path).equals(content);

describe('a bad block', () => {
  /** The first answer has a wrong byte in its third block. */
  async function spoiled(document: object = list, offered = link) {
    const origin = await start();
    origin.headers['link'] = offered;
    let gets = 0;
    origin.behaviour = (request, response) => {
      if (request.url?.endsWith('?carmine=block-list') === true) {
        const text = JSON.stringify(document);
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': text.length }).end(text);
        return true;
      }
      if (++gets > 1) return false;
      const wrong = Buffer.from(content);
      wrong[2 * blockSize + 5]! ^= 1;
      response.writeHead(200, { ...origin.headers, etag: '"1"', 'content-length': wrong.length }).end(wrong);
      return true;
    };
    return origin;
  }
  const fetchFrom = (origin: HttpOrigin, options: DownloadOptions = {}) =>
    download(origin.url, path, { roots: [folder], expectedSha256: sha256, connections: 1, ...options });

  it('alone is fetched again', async () => {
    const origin = await spoiled();
    expect(await fetchFrom(origin)).toMatchObject({ sha256 });
    expect(same()).toBe(true);
    expect(origin.asked).toEqual(['GET', 'GET', `bytes=${2 * blockSize}-${3 * blockSize - 1}`]);
  });

  it.each<[string, object, string]>([
    ['of another version', { ...list, etag: '"2"' }, link],
    ['of another length', { ...list, length: 7 }, link],
    ['with a block too few', { ...list, blocks: blocks.slice(1) }, link],
    ['that says that all is well', list, link.replace('block-list>', 'nothing>')],
    ['that is no list', {}, link],
  ])('is not looked for in a list %s: the digest does not fit, and that is all', async (_what, document, offered) => {
    const origin = await spoiled(document, offered);
    await expect(fetchFrom(origin)).rejects.toMatchObject({ code: 'transfer/digest-mismatch' });
  });

  it('that comes again is given up', async () => {
    const origin = await spoiled();
    const before = origin.behaviour;
    origin.behaviour = (request, response, seen) => {
      if (seen.range === undefined) return before?.(request, response, seen) === true;
      const wrong = Buffer.alloc(blockSize);
      const range = `bytes ${2 * blockSize}-${3 * blockSize - 1}/${content.length}`;
      response.writeHead(206, { etag: '"1"', 'content-range': range, 'content-length': blockSize }).end(wrong);
      return true;
    };
    await expect(fetchFrom(origin)).rejects.toMatchObject({ code: 'transfer/digest-mismatch' });
    expect(origin.asked.filter((what) => what.startsWith('bytes'))).toHaveLength(3);
  });

  it('has a list at the own origin only', () => {
    const url = 'https://a.example/dir/file?x';
    expect(blockListUrl(link, url)).toBe('https://a.example/dir/file?carmine=block-list');
    expect(blockListUrl(`<x>; rel="next", ${link}`, url)).toBe('https://a.example/dir/file?carmine=block-list');
    expect(blockListUrl(link.replace('?carmine', 'https://b.example/?carmine'), url)).toBeUndefined();
    expect(blockListUrl('<x>; rel="next"', url)).toBeUndefined();
    expect(() => parseBlockList('[', { length: 1, etag: '"1"' }, 'o')).toThrow('block list');
  });
});

describe('mirrors', () => {
  const options = { connections: 4, pieceBytes: 32 * 1024 };

  it('are used together when their tags are the same', async () => {
    const [one, two] = [await start(), await start()];
    await download(one.url, path, { ...options, mirrorUrls: [two.url], probe: true });
    expect(same()).toBe(true);
    expect(two.asked.length).toBeGreaterThan(0);
    expect(two.seen.every(({ headers }) => headers['if-range'] === '"1"')).toBe(true);
  });

  it.each(['another tag', 'another length', 'no tag', 'errors'])('are left alone with %s', async (what) => {
    const other = Buffer.from(new SeededRandom(32).bytes(content.length + (what === 'another length' ? 1 : 0)));
    const [one, two] = [await start(), await start(other)];
    if (what === 'another tag') two.etag = '"2"';
    if (what === 'no tag') two.etag = undefined;
    if (what === 'errors') two.behaviour = (_request, response) => Boolean(response.writeHead(404).end());
    await download(one.url, path, { ...options, mirrorUrls: [two.url], probe: true });
    expect(same()).toBe(true);
    expect(two.asked.length).toBeLessThanOrEqual(2);
  });

  it('may have other tags when a digest proves them equal', async () => {
    const [one, two] = [await start(), await start()];
    two.etag = '"other"';
    two.headers['repr-digest'] = `sha-256=:${createHash('sha256').update(content).digest('base64')}:`;
    await download(one.url, path, { ...options, mirrorUrls: [two.url], expectedSha256: sha256, probe: true });
    expect(same()).toBe(true);
    expect(two.asked.length).toBeGreaterThan(1);
  });

  it('take the place of the first one when that has no file', async () => {
    const [one, two] = [await start(), await start()];
    one.behaviour = (_request, response) => Boolean(response.writeHead(404).end());
    await download(one.url, path, { mirrorUrls: [two.url] });
    expect(same()).toBe(true);
  });
});

describe('a source that is replaced', () => {
  async function half(origin: HttpOrigin): Promise<void> {
    let gets = 0;
    origin.behaviour = (_request, response, { method }) => {
      if (method === 'HEAD') return false;
      if (++gets > 1) return Boolean(response.destroy());
      response.writeHead(200, {
        etag: origin.etag,
        'last-modified': origin.lastModified,
        'content-length': content.length,
      });
      response.write(content.subarray(0, 200_000), () => setTimeout(() => response.destroy(), 20));
      return true;
    };
    const transfer = transferFrom(origin.url);
    await expect(transfer.run()).rejects.toMatchObject({ kind: 'transient' });
    expect((await transfer.inspect())?.transferred).toBe(200_000);
  }
  const transferFrom = (url: string) =>
    createFileTransfer(nodePlatform(), {
      url,
      path,
      temporaryName: 'BIT1.tmp',
      connections: 1,
      checkpointTime: 5,
      receivers: createHttpReceiverFactory(),
    });

  it.each(['the same tag', 'the same time'])('keeps the bytes with %s', async (what) => {
    const [one, two] = [await start(), await start()];
    await half(one);
    if (what === 'the same time') two.etag = '"other"';
    const transfer = transferFrom(two.url);
    await transfer.run();
    await transfer.finish();
    expect(same()).toBe(true);
    expect(two.asked).toEqual(['HEAD', `bytes=200000-${content.length - 1}`]);
  });

  it('begins anew with another version', async () => {
    const next = Buffer.from(new SeededRandom(33).bytes(content.length));
    const [one, two] = [await start(), await start(next)];
    await half(one);
    two.etag = '"2"';
    two.lastModified = 'Fri, 02 Jan 2026 00:00:00 GMT';
    const transfer = transferFrom(two.url);
    await transfer.run();
    await transfer.finish();
    expect(readFileSync(path).equals(next)).toBe(true);
  });
});
