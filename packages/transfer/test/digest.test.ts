import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SeededRandom } from '@carmine/testkit';
import type { DiskFile } from '@carmine/transfer';
import { nodeDisk } from '@carmine/transfer/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startDigest } from '../src/node/digest.ts';
import { allocatePages } from '../src/node/direct-writes.ts';

const content = new SeededRandom(8).bytes(6 * 1024 * 1024);
const sha256 = (length: number) => createHash('sha256').update(content.subarray(0, length)).digest('hex');

let folder: string;
let file: DiskFile;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'carmine-digest-'));
  const directory = await nodeDisk.openDirectory(folder, undefined);
  file = await directory.create('file');
  await directory.close();
});
afterEach(async () => {
  await file.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('a running digest', () => {
  it('follows a file that grows', async () => {
    const digest = startDigest(file);
    const half = 5 * 1024 * 1024 + 3;
    await file.write([content.subarray(0, half)], 0);
    digest.advance(1024 * 1024);
    digest.advance(half);
    await file.write([content.subarray(half)], half);
    expect(await digest.finish(content.length)).toBe(sha256(content.length));
    await digest.stop();
  });

  it('is not woken for little, and for all of it then', async () => {
    const MiB = 1024 * 1024;
    const memory = new Uint8Array(allocatePages(content.length) as SharedArrayBuffer);
    memory.set(content);
    const digest = startDigest(file, content.length);
    let released = 0;
    const offer = (start: number, end: number) => {
      expect(digest.offer(start, memory.subarray(start, end), () => released++, end - start)).toBe(true);
      digest.advance(end);
    };
    /** What is 16 MiB ahead of what its thread was given is followed no more. */
    const given = (bytes: number) => digest.follows(16 * MiB + bytes - 1) && !digest.follows(16 * MiB + bytes);
    offer(0, 2 * MiB);
    expect(given(0)).toBe(true);
    offer(2 * MiB, 3 * MiB);
    expect(given(3 * MiB)).toBe(true);
    offer(3 * MiB, 4 * MiB);
    expect(given(3 * MiB)).toBe(true);
    offer(4 * MiB, content.length);
    expect(await digest.finish(content.length)).toBe(sha256(content.length));
    expect(released).toBe(4);
    await digest.stop();
  });

  it.each([0, 1, 100_000, content.length])('needs no announcement (%i bytes)', async (length) => {
    await file.write([content.subarray(0, length)], 0);
    const digest = startDigest(file);
    expect(await digest.finish(length)).toBe(sha256(length));
    await digest.stop();
  });

  it.each([1_000, content.length])('says so when %i bytes are not there', async (length) => {
    const digest = startDigest(file);
    await expect(digest.finish(length)).rejects.toThrow('shorter');
    await digest.stop();
  });

  it('ends when it is stopped, and reads no more', async () => {
    await file.write([content], 0);
    const digest = startDigest(file);
    digest.advance(content.length);
    const finished = digest.finish(content.length);
    const stopped = digest.stop();
    await expect(finished).rejects.toMatchObject({ code: 'internal/aborted' });
    await stopped;
  });

  it.each([1, 2, 3, 4])(
    'takes what is written from memory, which is filled anew as soon as it is released (%i)',
    async (seed) => {
      const random = new SeededRandom(seed);
      const memory = new Uint8Array(allocatePages(content.length) as SharedArrayBuffer);
      const digest = startDigest(file, content.length);
      const parts: { start: number; end: number }[] = [];
      for (let start = 0; start < content.length; ) {
        const end = Math.min(content.length, start + 1 + random.below(900_000));
        parts.push({ start, end });
        start = end;
      }
      // As several connections bring it: nearly in order.
      for (let at = 1; at < parts.length; at++) {
        if (random.below(2) === 0) [parts[at - 1], parts[at]] = [parts[at]!, parts[at - 1]!];
      }
      let [lent, mostLent, reached] = [0, 0, 0];
      const done = new Uint8Array(content.length);
      for (const { start, end } of parts) {
        const bytes = memory.subarray(start, end);
        bytes.set(content.subarray(start, end));
        await file.write([bytes], start, digest.follows(start) ? 'past' : 'kept');
        done.fill(1, start, end);
        const kept = digest.offer(
          start,
          bytes,
          () => {
            lent -= bytes.length;
            bytes.fill(0xee);
          },
          bytes.length,
        );
        // Not kept, it is in use again at once.
        if (kept) lent += bytes.length;
        else bytes.fill(0xee);
        mostLent = Math.max(mostLent, lent);
        const gap = done.indexOf(0);
        const next = gap < 0 ? content.length : gap;
        if (next > reached) digest.advance(next);
        reached = next;
      }
      expect(mostLent).toBeGreaterThan(0);
      expect(await digest.finish(content.length)).toBe(sha256(content.length));
      await digest.stop();
      expect(lent).toBe(0);
    },
  );

  it('gives back what it kept when it is stopped, and only when nobody reads it any more', async () => {
    const bytes = new Uint8Array(allocatePages(content.length) as SharedArrayBuffer);
    bytes.set(content);
    const digest = startDigest(file, 2 * content.length);
    const released: string[] = [];
    const half = content.length / 2;
    digest.offer(0, bytes.subarray(0, half), () => released.push('being read'), half);
    digest.offer(half, bytes.subarray(half), () => released.push('waiting'), half);
    digest.advance(half);
    const stopped = digest.stop();
    expect(released).toEqual(['waiting']);
    await stopped;
    expect(released).toEqual(['waiting', 'being read']);
    expect(digest.offer(0, bytes, () => {}, bytes.length)).toBe(false);
  });

  it('leaves memory that no other thread can read to whoever has it', async () => {
    const digest = startDigest(file, content.length);
    expect(digest.offer(0, content, () => {}, content.length)).toBe(false);
    await digest.stop();
  });
});
