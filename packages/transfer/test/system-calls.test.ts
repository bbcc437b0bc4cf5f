import { createHash } from 'node:crypto';
import { closeSync, constants, mkdtempSync, openSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CarmineError } from '@carmine/errors';
import { type FileFault, type FileFaults, SeededRandom } from '@carmine/testkit';
import { type DownloadOptions, download } from '@carmine/transfer/node';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { KernelRing } from '../src/node/kernel-ring.ts';
import { HttpOrigin } from './support/http-origin.ts';

const faults = await vi.hoisted(async () => new (await import('@carmine/testkit')).FileFaults() as FileFaults);
const ringed = vi.hoisted(() => ({ count: 0, taken: 0, possible: false }));
vi.mock('node:fs/promises', async (actual) => faults.wrap(await actual<object>()));
vi.mock('../src/node/kernel-ring.ts', async (actual) => {
  const { takeRing } = await actual<typeof import('../src/node/kernel-ring.ts')>();
  const probe = takeRing();
  ringed.possible = probe !== undefined;
  probe?.release();
  return {
    takeRing(): KernelRing | undefined {
      const ring = takeRing();
      if (ring === undefined) return undefined;
      ringed.taken++;
      return {
        write(fd, chunks, position) {
          ringed.count++;
          return faults.write(chunks, (some) => ring.write(fd, some, position));
        },
        release() {
          ringed.taken--;
          ring.release();
        },
      };
    },
  };
});

const content = new SeededRandom(11).bytes(700_000);
const sha256 = createHash('sha256').update(content).digest('hex');
const temporaryName = 'BIT0123456789ABCDEF.tmp';

let folder: string;
let path: string;
let origin: HttpOrigin;
beforeEach(async () => {
  faults.open = 0;
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'carmine-calls-')));
  path = join(folder, 'file');
  origin = await HttpOrigin.start(content);
});
afterEach(async () => {
  faults.disarm();
  expect(ringed.taken).toBe(0);
  await origin.close();
  rmSync(folder, { recursive: true, force: true });
});

const options = (): DownloadOptions => ({
  roots: [folder],
  connections: 2,
  pieceBytes: 256 * 1024,
  checkpointBytes: 256 * 1024,
  checkpointTime: 20,
});

function takesDirect(file: string): boolean {
  try {
    closeSync(openSync(file, constants.O_RDONLY | constants.O_DIRECT));
    return true;
  } catch {
    return false;
  }
}

/** Whole blocks of its writes go past the page cache. */
const large: DownloadOptions = { checkpointBytes: 8 * 1024 * 1024, pieceBytes: 512 * 1024 };

/** What the n-th call of the operating system's may come to. */
const expected: Record<Exclude<FileFault, 'short' | 'EINTR'>, { code: string; kind: string; hresult: number }> = {
  EIO: { code: 'file/io', kind: 'transient', hresult: 0x8007_045d },
  ENOSPC: { code: 'file/disk-full', kind: 'transient', hresult: 0x8007_0070 },
  EMFILE: { code: 'file/io', kind: 'transient', hresult: 0x8007_0004 },
  EACCES: { code: 'file/access-denied', kind: 'fatal', hresult: 0x8007_0005 },
};

describe.each<[string, (keyof typeof expected)[], DownloadOptions]>([
  ['kept for later', ['EIO', 'ENOSPC', 'EMFILE', 'EACCES'], { temporaryName }],
  ['thrown away', ['EIO'], {}],
  ['with a digest', ['EIO'], { temporaryName, computeSha256: true }],
  ['not durable', ['EIO'], { temporaryName, durable: false }],
  ['written past the page cache', ['EIO', 'ENOSPC'], { temporaryName, ...large }],
  ['written whichever way', ['EIO', 'ENOSPC'], { temporaryName, ...large, durable: false }],
])('a download that is %s', (_name, errnos, more) => {
  it.each(errnos)(
    'says what the n-th call failed with (%s), for every n, leaks nothing and goes on',
    async (fault) => {
      let failed = 0;
      for (let failAt = 1; ; failAt++) {
        faults.arm(({ number }) => (number === failAt ? fault : undefined));
        const error = await download(origin.url, path, { ...options(), ...more }).then(
          () => undefined,
          (thrown: unknown) => CarmineError.from(thrown),
        );
        const { log, happened } = faults;
        const where = `call ${failAt}, ${log[failAt - 1]}`;
        faults.disarm();
        expect(faults.open, `${where}: open handles`).toBe(0);
        if (error === undefined) {
          expect(readFileSync(path).equals(content), where).toBe(true);
        } else {
          failed++;
          expect(error, where).toMatchObject(expected[fault]);
          const left = readdirSync(folder).filter((name) => name !== 'file');
          const allowed = 'temporaryName' in more ? [temporaryName, `${temporaryName}.journal`] : [];
          expect(allowed, where).toEqual(expect.arrayContaining(left));
          const result = await download(origin.url, path, { ...options(), ...more });
          expect(readFileSync(path).equals(content), where).toBe(true);
          if (more.computeSha256 === true) expect(result.sha256).toBe(sha256);
        }
        expect(faults.open, `${where}: open handles at the end`).toBe(0);
        expect(readdirSync(folder), where).toEqual(['file']);
        rmSync(path);
        if (happened === 0) break;
      }
      expect(failed).toBeGreaterThan(20);
    },
    120_000,
  );

  it('is whole when the n-th write is short, for every n', async () => {
    for (let failAt = 1; ; failAt++) {
      let writes = 0;
      faults.arm(({ name }) => (name === 'writev' && ++writes === failAt ? 'short' : undefined));
      await download(origin.url, path, { ...options(), ...more });
      expect(faults.open).toBe(0);
      expect(readFileSync(path).equals(content), `write ${failAt}`).toBe(true);
      expect(readdirSync(folder)).toEqual(['file']);
      rmSync(path);
      if (faults.happened === 0) break;
      expect(failAt).toBeLessThan(1_000);
    }
  }, 60_000);

  it('is whole when all writes are short', async () => {
    ringed.count = 0;
    faults.arm(() => 'short');
    await download(origin.url, path, { ...options(), ...more });
    expect(faults.happened).toBeGreaterThan('pieceBytes' in more ? 0 : 3);
    if ('pieceBytes' in more) expect(ringed.count > 0).toBe(ringed.possible && takesDirect(path));
    expect(readFileSync(path).equals(content)).toBe(true);
  });
});
