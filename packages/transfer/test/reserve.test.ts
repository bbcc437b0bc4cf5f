import { existsSync, readFileSync, statfsSync } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { allocatePages } from '../src/node/direct-writes.ts';
import { loadFfi } from '../src/node/ffi.ts';
import { reserveBlocks } from '../src/node/reserve.ts';

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

async function fileIn(parent: string) {
  const folder = await mkdtemp(join(parent, 'carmine-reserve-'));
  folders.push(folder);
  return open(join(folder, 'file'), 'w+');
}

const MiB = 1024 * 1024;
const reserving =
  process.platform === 'linux' &&
  process.getBuiltinModule('node:ffi') !== undefined &&
  [0xef53, 0x58465342].includes(statfsSync(tmpdir()).type);

describe('space for a file', () => {
  it.skipIf(!reserving)('is put aside, and nothing can be seen of it but that', async () => {
    const file = await fileIn(tmpdir());
    await file.write('begin', 0);
    await file.truncate(20 * MiB);
    await reserveBlocks(file, 20 * MiB);
    const { size, blocks } = await file.stat();
    expect(size).toBe(20 * MiB);
    expect(blocks * 512).toBeGreaterThanOrEqual(20 * MiB);
    const { buffer } = await file.read(Buffer.alloc(8), 0, 8, 0);
    expect(buffer.toString('latin1')).toBe('begin\0\0\0');
    await file.close();
  });

  it('is not put aside for small files', async () => {
    const file = await fileIn(tmpdir());
    await file.truncate(MiB);
    await reserveBlocks(file, MiB);
    expect((await file.stat()).blocks).toBe(0);
    await file.close();
  });

  it.skipIf(!existsSync('/dev/shm'))('is not put aside where that would write zeros', async () => {
    const file = await fileIn('/dev/shm');
    await file.truncate(20 * MiB);
    await reserveBlocks(file, 20 * MiB);
    expect((await file.stat()).blocks).toBe(0);
    await file.close();
  });

  it("is nobody's trouble when the file is closed, or the space is not there", async () => {
    const file = await fileIn(tmpdir());
    await file.truncate(MiB);
    // Nothing at all is taken then.
    await reserveBlocks(file, 2 ** 52);
    expect((await file.stat()).blocks).toBe(0);
    expect((await file.stat()).size).toBe(MiB);
    await file.close();
    await reserveBlocks(file, 20 * MiB);
  });
});

describe('memory for receiving', () => {
  const large = existsSync('/sys/kernel/mm/transparent_hugepage/enabled');
  it.skipIf(loadFfi() === undefined || !large)('may be in large pages', () => {
    const memory = allocatePages(12 * MiB) as SharedArrayBuffer;
    const address = Number(loadFfi()?.getRawPointer(new Uint8Array(memory)));
    const maps = readFileSync('/proc/self/smaps', 'latin1').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
    const mine = maps.find((map) => {
      const [, from = '', to = ''] = /^([0-9a-f]+)-([0-9a-f]+) /.exec(map) ?? [];
      return Number.parseInt(from, 16) <= address && address < Number.parseInt(to, 16);
    });
    expect(mine).toMatch(/^VmFlags:.* hg\b/m);
  });
});
