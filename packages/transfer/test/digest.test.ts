import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SeededRandom } from '@carmine/testkit';
import type { DiskFile } from '@carmine/transfer';
import { nodeDisk } from '@carmine/transfer/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startDigest } from '../src/node/digest.ts';

const content = new SeededRandom(8).bytes(6 * 1024 * 1024);
const sha256 = (length: number) => createHash('sha256').update(content.subarray(0, length)).digest('hex');

let folder: string;
let file: DiskFile;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'carmine-digest-'));
  file = await (await nodeDisk.openDirectory(folder, undefined)).create('file');
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
});
