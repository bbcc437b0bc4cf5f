import { spawnSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SeededRandom } from '@carmine/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { allocatePages, blockBytes } from '../src/node/direct-writes.ts';
import { type KernelRing, takeRing } from '../src/node/kernel-ring.ts';

const probe = takeRing();
probe?.release();
let ring: KernelRing;
let folder: string;
beforeEach(() => {
  ring = takeRing() as KernelRing;
  folder = mkdtempSync(join(tmpdir(), 'carmine-ring-'));
});
afterEach(() => {
  ring?.release();
  rmSync(folder, { recursive: true, force: true });
});

function isRing(path: string): boolean {
  try {
    return /io_uring/.test(readlinkSync(path));
  } catch {
    return false;
  }
}

describe.runIf(probe !== undefined)('writes that the kernel does by itself', () => {
  it.each([
    ['past the page cache', constants.O_DIRECT],
    ['through it', 0],
  ])('are the same bytes in the file, %s, as many as it takes at once', async (_name, flag) => {
    const random = new SeededRandom(5);
    const memory = new Uint8Array(allocatePages(16 * 1024 * 1024, false) as SharedArrayBuffer);
    memory.set(random.bytes(memory.length));
    const path = join(folder, 'file');
    const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | flag, 0o600);
    const expected = Buffer.alloc(memory.length);
    const blocks = Array.from({ length: memory.length / blockBytes }, (_, index) => index);
    const waiting = new Set<Promise<unknown>>();
    let [refused, most] = [0, 0];
    for (let to = 0; to < blocks.length; ) {
      const chunks = Array.from({ length: Math.min(blocks.length - to, 1 + random.below(40)) }, () => {
        const from = blocks[random.below(blocks.length)] as number;
        return memory.subarray(from * blockBytes, (from + 1) * blockBytes);
      });
      const written = ring.write(fd, chunks, to * blockBytes);
      if (written === undefined) {
        refused++;
        await Promise.race(waiting);
        continue;
      }
      const size = chunks.length * blockBytes;
      for (const [index, chunk] of chunks.entries()) expected.set(chunk, (to + index) * blockBytes);
      const checked = written.then((count) => {
        expect(count).toBe(size);
        waiting.delete(checked);
      });
      waiting.add(checked);
      most = Math.max(most, waiting.size);
      to += chunks.length;
    }
    await Promise.all(waiting);
    closeSync(fd);
    expect(readFileSync(path).equals(expected)).toBe(true);
    expect([most, refused > 0]).toEqual([32, true]);
  });

  it('fail as the operating system says', async () => {
    const bytes = new Uint8Array(allocatePages(65_536, false) as SharedArrayBuffer);
    const full = openSync('/dev/full', 'w');
    await expect(ring.write(full, [bytes], 0)).rejects.toMatchObject({ code: 'ENOSPC', syscall: 'write' });
    closeSync(full);
    await expect(ring.write(full, [bytes], 0)).rejects.toMatchObject({ code: 'EBADF' });
    const path = join(folder, 'file');
    const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_DIRECT, 0o600);
    await expect(ring.write(fd, [bytes.subarray(1, 4097)], 0)).rejects.toMatchObject({ code: 'EINVAL' });
    expect(await ring.write(fd, [bytes.subarray(0, 4096)], 0)).toBe(4096);
    closeSync(fd);
  });

  it('are refused when they have too many parts', () => {
    const part = new Uint8Array(1);
    expect(ring.write(1, new Array<Uint8Array>(257).fill(part), 0)).toBeUndefined();
  });

  it('are for all who have the ring, which is closed when nobody has it and nothing is under way', async () => {
    const descriptors = () => readdirSync('/proc/self/fd').filter((fd) => isRing(`/proc/self/fd/${fd}`)).length;
    const bytes = new Uint8Array(allocatePages(1024 * 1024, false) as SharedArrayBuffer).fill(7);
    const fd = openSync(join(folder, 'file'), 'w');
    // Node has some of its own.
    const mine = descriptors();
    const other = takeRing() as KernelRing;
    expect(other).toBe(ring);
    other.release();
    expect(descriptors()).toBe(mine);
    const written = ring.write(fd, [bytes], 0);
    ring.release();
    // The same one while it is still at work.
    ring = takeRing() as KernelRing;
    expect(await Promise.all([written, ring.write(fd, [bytes], bytes.length)])).toEqual([bytes.length, bytes.length]);
    const last = ring.write(fd, [bytes], 0);
    ring.release();
    expect(await last).toBe(bytes.length);
    expect(descriptors()).toBe(mine - 1);
    ring = takeRing() as KernelRing;
    expect(await ring.write(fd, [bytes], 0)).toBe(bytes.length);
    closeSync(fd);
  });

  it('keep no program running, and survive the collector', () => {
    const module = fileURLToPath(new URL('../src/node/kernel-ring.ts', import.meta.url));
    const program = `
      const { takeRing } = await import(${JSON.stringify(module)});
      const { openSync, readFileSync } = await import('node:fs');
      const fd = openSync(${JSON.stringify(join(folder, 'file'))}, 'w+');
      const ring = takeRing();
      const all = [];
      for (let at = 0; at < 30; at++) all.push(ring.write(fd, [new Uint8Array(100_000).fill(at)], at * 100_000));
      gc();
      await Promise.all(all);
      const bytes = readFileSync(${JSON.stringify(join(folder, 'file'))});
      console.log(bytes.length, bytes.every((octet, at) => octet === Math.floor(at / 100_000)));
    `;
    const flags = ['--expose-gc', '--disable-warning=ExperimentalWarning', '--input-type=module', '-e', program];
    const { stdout, stderr, status } = spawnSync(process.execPath, flags, { encoding: 'utf8', timeout: 20_000 });
    expect([stdout.trim(), status], stderr).toEqual(['3000000 true', 0]);
  });
});
