import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SeededRandom } from '@carmine/testkit';
import { type DownloadItem, type DownloadOutcome, download, downloadAll } from '@carmine/transfer/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HttpOrigin } from './support/http-origin.ts';

const content = new SeededRandom(11).bytes(50_000);
const sha256 = createHash('sha256').update(content).digest('hex');
let folder: string;
let origin: HttpOrigin;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'carmine-all-'));
  origin = await HttpOrigin.start(content);
});
afterEach(async () => {
  await origin.close();
  rmSync(folder, { recursive: true, force: true });
});
const items = (count: number): DownloadItem[] =>
  Array.from({ length: count }, (_, index) => ({ url: origin.url, path: join(folder, `file-${index}`) }));

describe.each([true, false])('a set of files (durable: %s)', (durable) => {
  it('comes over few connections with one request for each file', async () => {
    const told: DownloadOutcome[] = [];
    const outcomes = await downloadAll(items(60), {
      roots: [folder],
      concurrency: 4,
      durable,
      onOutcome: (outcome) => told.push(outcome),
    });
    expect(outcomes.map(({ result }) => result?.length)).toEqual(Array.from({ length: 60 }, () => content.length));
    expect(told).toHaveLength(60);
    expect(origin.connections).toBe(4);
    expect(origin.asked).toEqual(Array.from({ length: 60 }, () => 'GET'));
    expect(readdirSync(folder)).toHaveLength(60);
    for (const { path } of items(60)) expect(readFileSync(path).equals(content)).toBe(true);
    expect(statSync(join(folder, 'file-7')).mtimeMs).toBe(Date.UTC(2026, 0, 1));
  });

  it('has an outcome for each: what fails holds nobody up and leaves nothing', async () => {
    origin.behaviour = (request, response) => request.url === '/missing' && Boolean(response.writeHead(404).end('no'));
    mkdirSync(join(folder, 'directory'));
    const [good, wrong] = items(2) as [DownloadItem, DownloadItem];
    const outcomes = await downloadAll(
      [
        { ...good, expectedSha256: sha256 },
        { ...wrong, expectedSha256: '00'.repeat(32) },
        { url: new URL('/missing', origin.url).href, path: join(folder, 'missing') },
        { url: origin.url, path: join(folder, 'directory') },
        { url: origin.url, path: join(folder, 'no', 'such', 'directory') },
        { url: origin.url, path: '/tmp/outside' },
        { url: 'nonsense', path: join(folder, 'nonsense') },
      ],
      { roots: [folder], durable },
    );
    expect(outcomes.map(({ result, error }) => result?.sha256 ?? error?.code)).toEqual([
      sha256,
      'transfer/digest-mismatch',
      'transfer/http-status',
      'file/not-a-file',
      'file/path-not-found',
      'file/outside-roots',
      expect.any(String),
    ]);
    expect(readdirSync(folder).sort()).toEqual(['directory', 'file-0']);
  });

  it('may have large files, and connections that drop', async () => {
    const large = new SeededRandom(12).bytes(3_000_000);
    let dropped = 0;
    origin.behaviour = (request, response) => {
      if (request.url === '/large') {
        const [, start] = /bytes=(\d+)-/.exec(request.headers.range ?? '') ?? [];
        const from = Number(start ?? 0);
        const range =
          start === undefined ? {} : { 'content-range': `bytes ${from}-${large.length - 1}/${large.length}` };
        response.writeHead(start === undefined ? 200 : 206, {
          etag: '"l"',
          'content-length': large.length - from,
          ...range,
        });
        response.end(large.subarray(from));
        return true;
      }
      return ++dropped % 5 === 0 && Boolean(response.destroy());
    };
    const list = [...items(20), { url: new URL('/large', origin.url).href, path: join(folder, 'large') }];
    const outcomes = await downloadAll(list, { concurrency: 3, durable });
    expect(outcomes.filter(({ error }) => error !== undefined)).toEqual([]);
    expect(readFileSync(join(folder, 'large')).equals(large)).toBe(true);
    expect(dropped).toBeGreaterThan(20);
  });

  it('ends when told so, with nothing half done', async () => {
    const stop = new AbortController();
    origin.behaviour = (_request, response) => {
      stop.abort();
      response.writeHead(200, { etag: '"1"', 'content-length': content.length }).write(content.subarray(0, 10));
      return true;
    };
    const outcomes = await downloadAll(items(5), { signal: stop.signal, concurrency: 2, durable });
    expect(outcomes.map(({ error }) => error?.code)).toEqual(Array.from({ length: 5 }, () => 'internal/aborted'));
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('a set whose process is killed', () => {
  it.each([40, 200])(
    'has whole files or none under their names after %s answers, and the next one completes it',
    async (killAfter) => {
      const list = items(260);
      writeFileSync(join(folder, 'list.json'), JSON.stringify(list));
      const program = join(folder, 'set.mts');
      const api = new URL('../src/node/index.ts', import.meta.url).href;
      writeFileSync(
        program,
        `import { readFileSync } from 'node:fs'; import { downloadAll } from ${JSON.stringify(api)};
       await downloadAll(JSON.parse(readFileSync(process.argv[2], 'utf8')));`,
      );
      let answers = 0;
      const child = spawn(process.execPath, ['--conditions=@carmine/source', program, join(folder, 'list.json')], {
        stdio: 'ignore',
      });
      origin.behaviour = (_request, response) => {
        if (child.killed) return Boolean(response.destroy());
        if (++answers === killAfter) child.kill('SIGKILL');
        return false;
      };
      await once(child, 'exit');
      rmSync(program);
      rmSync(join(folder, 'list.json'));
      expect(answers).toBeGreaterThanOrEqual(killAfter);
      for (const name of readdirSync(folder).filter((left) => left.startsWith('file-'))) {
        expect(readFileSync(join(folder, name)).equals(content)).toBe(true);
      }
      origin.behaviour = undefined;
      const outcomes = await downloadAll(list);
      expect(outcomes.filter(({ error }) => error !== undefined)).toEqual([]);
      expect(readdirSync(folder).sort()).toEqual(list.map(({ path }) => path.slice(folder.length + 1)).sort());
    },
  );
});

describe('the progress of one', () => {
  it('is an async iterable, which ends with it', async () => {
    const fetching = download(origin.url, join(folder, 'one'));
    const seen: number[] = [];
    for await (const { transferred, length } of fetching) {
      seen.push(transferred);
      expect([undefined, content.length]).toContain(length);
    }
    expect(seen.at(-1)).toBe(content.length);
    expect(await fetching).toMatchObject({ length: content.length });
    // Who comes late is told the last state.
    const late: number[] = [];
    for await (const { transferred } of fetching) late.push(transferred);
    expect(late).toEqual([content.length]);
  });

  it('ends with a failure too', async () => {
    origin.behaviour = (_request, response) => Boolean(response.writeHead(404).end());
    const fetching = download(origin.url, join(folder, 'one'));
    const failure = expect(fetching).rejects.toMatchObject({ code: 'transfer/http-status' });
    for await (const { transferred } of fetching) expect(transferred).toBe(0);
    await failure;
  });
});
