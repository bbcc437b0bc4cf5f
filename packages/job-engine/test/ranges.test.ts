import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sizeUnknown } from '@carmine/core';
import { SeededRandom } from '@carmine/testkit';
import type { FileRange } from '@carmine/transfer';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EngineFixture } from './support/engine-fixture.ts';
import { NodeFixture } from './support/node-fixture.ts';

describe('AddFileWithRanges', () => {
  const url = 'http://origin.example/r';
  const ranges = [
    { offset: 50, length: 10 },
    { offset: 0, length: 20 },
  ] as const;

  it.each<[string, readonly FileRange[], number]>([
    ['no ranges', [], 0x8007_0057],
    ['an empty range', [{ offset: 5, length: 0 }], 0x8020_002b],
    ['a range before the file', [{ offset: -1, length: 2 }], 0x8020_002b],
    ['half a byte', [{ offset: 0.5, length: 2 }], 0x8020_002b],
    ['overlapping ranges', [{ offset: 5, length: 6 }, { offset: 10 }], 0x8020_002c],
    ['the same range twice', [{ offset: 5 }, { offset: 5 }], 0x8020_002c],
    ['501 ranges', Array.from({ length: 501 }, (_, index) => ({ offset: 2 * index, length: 1 })), 0x8020_0052],
  ])('refuses %s, and the job stays as it was', async (_what, wrong, hresult) => {
    const f = await EngineFixture.start();
    const id = await f.create('a', { suspend: true });
    await expect(f.engine.addFileWithRanges(id, url, '/srv/r', wrong)).rejects.toMatchObject({ hresult });
    expect((await f.engine.getJob(id)).filesTotal).toBe(1);
  });

  it('is an AddFile in everything else: states, destinations, URLs, the number of files', async () => {
    const f = await EngineFixture.start({ limits: { maxJobsPerMachine: 9, maxJobsPerUser: 9, maxFilesPerJob: 2 } });
    const id = await f.create('a', { suspend: true });
    await expect(f.engine.addFileWithRanges('{no}', url, '/srv/r', ranges)).rejects.toMatchObject({
      hresult: 0x8020_0001,
    });
    await expect(f.engine.addFileWithRanges(id, 'ftp://o/r', '/srv/r', ranges)).rejects.toMatchObject({
      hresult: 0x8007_2ee6,
    });
    expect(await f.engine.addFileWithRanges(id, url, '/srv/r', ranges)).toBe(0);
    await expect(f.engine.addFileWithRanges(id, url, '/srv/s', ranges)).rejects.toMatchObject({
      hresult: 0x8020_0051,
    });
  });

  it('shows the bytes of the ranges as the size of the file, from the beginning if no range goes to its end', async () => {
    const f = await EngineFixture.start();
    const id = await f.create('a', { suspend: true });
    await f.engine.addFileWithRanges(id, url, '/srv/r', ranges);
    await f.engine.addFileWithRanges(id, `${url}2`, '/srv/r2', [{ offset: 7 }]);
    const { files } = await f.engine.getJob(id);
    expect(files[1]).toEqual({
      remoteUrl: url,
      localFile: '/srv/r',
      bytesTotal: 30n,
      bytesTransferred: 0n,
      completed: false,
    });
    expect(files[2]?.bytesTotal).toBe(sizeUnknown);
  });

  it('keeps them over a restart as they were given, and a whole file has none', async () => {
    const f = await EngineFixture.start();
    const id = await f.create('a', { suspend: true });
    const given = [...ranges, { offset: 100, length: undefined }];
    await f.engine.addFileWithRanges(id, url, '/srv/r', given);
    // What the caller does with his list afterwards is his business.
    given.length = 0;
    await f.restart();
    expect(await f.engine.getFileRanges(id, 1)).toEqual([...ranges, { offset: 100 }]);
    expect(await f.engine.getFileRanges(id, 0)).toEqual([]);
    await expect(f.engine.getFileRanges(id, 2)).rejects.toMatchObject({ hresult: 0x8007_0057 });
    await f.engine.setJobState(id, 'resume');
    await f.settle();
    expect(f.transfers.at('a').request.ranges).toBeUndefined();
    f.transfers.at('a').succeed();
    await f.settle();
    expect(f.transfers.at('r').request.ranges).toEqual([...ranges, { offset: 100 }]);
  });
});

describe('a job with ranges', () => {
  const content = new SeededRandom(61).bytes(900_000);
  const ranges: FileRange[] = [{ offset: 700_000 }, { offset: 5, length: 300_000 }, { offset: 400_000, length: 1 }];
  const wanted = Buffer.concat(
    ranges.map(({ offset, length }) => content.subarray(offset, length === undefined ? undefined : offset + length)),
  );
  let f: NodeFixture;
  beforeEach(async () => {
    f = await NodeFixture.start(content, { connections: 1, checkpointBytes: 50_000 });
    f.origin.open(content.length);
  });
  afterEach(() => f.end());
  /** A job whose second file is of these ranges. */
  async function create(wantedRanges: readonly FileRange[]): Promise<string> {
    const whole = { displayName: 'ranges', remoteUrl: f.origin.url, localFile: join(f.inbox, 'whole') };
    const jobId = await f.engine.createJob({ ...whole, suspend: true });
    await f.engine.addFileWithRanges(jobId, f.origin.url, join(f.inbox, 'part'), wantedRanges);
    await f.engine.setJobState(jobId, 'resume');
    return jobId;
  }

  it('has them one after the other in a file, beside files that are whole', async () => {
    const jobId = await create(ranges);
    await f.reaches(jobId, 'transferred');
    expect(await f.engine.getJob(jobId)).toMatchObject({
      bytesTotal: BigInt(content.length + wanted.length),
      bytesTransferred: BigInt(content.length + wanted.length),
      files: [{ bytesTotal: BigInt(content.length) }, { bytesTotal: BigInt(wanted.length), completed: true }],
    });
    expect(await f.engine.setJobState(jobId, 'complete')).toBe(0);
    expect(readFileSync(join(f.inbox, 'part')).equals(wanted)).toBe(true);
    expect(readFileSync(join(f.inbox, 'whole')).equals(content)).toBe(true);
    expect(readdirSync(f.inbox).sort()).toEqual(['part', 'whole']);
  });

  it('goes on after a restart within a range, and fetches nothing again of what is journalled', async () => {
    f.origin.open(400_000);
    const range = { offset: 100_000, length: 600_000 };
    const file = { remoteUrl: f.origin.url, localFile: join(f.inbox, 'part'), ranges: [range] };
    const jobId = await f.engine.createJob({ displayName: 'ranges', ...file });
    const transferred = async () => Number((await f.engine.getJob(jobId)).bytesTransferred);
    await vi.waitFor(async () => expect(await transferred()).toBeGreaterThan(200_000), {
      timeout: 10_000,
      interval: 5,
    });
    await f.close();
    f.origin.starts.length = 0;
    await f.open();
    expect(await f.engine.getFileRanges(jobId, 0)).toEqual([range]);
    const kept = await transferred();
    f.origin.open(content.length);
    await f.reaches(jobId, 'transferred');
    expect(kept).toBeGreaterThan(200_000);
    expect(f.origin.starts).toEqual([range.offset + kept]);
    expect(await f.engine.setJobState(jobId, 'complete')).toBe(0);
    expect(readFileSync(file.localFile).equals(content.subarray(100_000, 700_000))).toBe(true);
  });

  it.each<[string, FileRange, number]>([
    ['that goes on behind the end of the file', { offset: content.length - 1, length: 2 }, 0x8020_002b],
    ['that begins there', { offset: content.length }, 0x8020_002b],
  ])('is in error with a range %s, and says so', async (_what, wrong, code) => {
    const jobId = await create([wrong]);
    await f.reaches(jobId, 'error');
    expect(await f.engine.getError(jobId, 0x409)).toMatchObject({ code, context: 'remoteFile' });
    expect(await f.engine.setJobState(jobId, 'cancel')).toBe(0);
    expect(readdirSync(f.inbox)).toEqual([]);
  });

  it('is in error with BG_E_INSUFFICIENT_RANGE_SUPPORT where the server has no ranges', async () => {
    f.origin.ranges = false;
    const jobId = await create(ranges);
    await f.reaches(jobId, 'error');
    expect(await f.engine.getError(jobId, 0x409)).toMatchObject({ code: 0x8020_0013, context: 'remoteFile' });
    // Files before it are kept.
    expect(await f.engine.setJobState(jobId, 'complete')).toBe(0x0020_0017);
    expect(readdirSync(f.inbox)).toEqual(['whole']);
  });
});
