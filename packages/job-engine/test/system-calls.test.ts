import { mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createJobEngine, type JobEngine } from '@carmine/job-engine';
import { createNodeTransfers, system } from '@carmine/job-engine/node';
import { createMemoryJobStore } from '@carmine/job-store';
import { FakeClock, type FileFaults, SeededRandom } from '@carmine/testkit';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { GatedOrigin } from './support/gated-origin.ts';

const faults = await vi.hoisted(async () => new (await import('@carmine/testkit')).FileFaults() as FileFaults);
vi.mock('node:fs/promises', async (actual) => faults.wrap(await actual<object>()));

const content = new SeededRandom(12).bytes(600_000);
const retryDelay = 60_000;

describe('a job whose disk fails', () => {
  let folder: string;
  let path: string;
  let origin: GatedOrigin;
  let engine: JobEngine;
  let clock: FakeClock;
  let problems: unknown[];
  beforeEach(async () => {
    faults.open = 0;
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'carmine-disk-')));
    path = join(folder, 'file');
    origin = await GatedOrigin.start(content);
    origin.open(content.length);
    clock = new FakeClock();
    problems = [];
    engine = createJobEngine({
      ...system,
      clock,
      store: createMemoryJobStore(),
      transfers: createNodeTransfers({ roots: [folder], checkpointBytes: 128 * 1024, checkpointTime: 20 }),
      onProblem: (problem) => problems.push(problem),
    });
    await engine.start();
  });
  afterEach(async () => {
    faults.disarm();
    await engine.stop();
    await origin.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function create(): Promise<string> {
    const jobId = await engine.createJob({
      displayName: 'job',
      remoteUrl: origin.url,
      localFile: path,
      suspend: true,
    });
    await engine.modifyJob(jobId, { priority: 'foreground', minimumRetryDelay: retryDelay / 1_000 });
    return jobId;
  }
  /** The first state that is neither waiting for a turn nor on the way. */
  async function settled(jobId: string): Promise<string> {
    let state = '';
    await vi.waitFor(
      async () => {
        await clock.advance(0);
        ({ state } = await engine.getJob(jobId));
        expect(['transferred', 'transientError', 'error']).toContain(state);
      },
      { timeout: 10_000, interval: 2 },
    );
    return state;
  }

  it.each([
    ['EIO', 'transientError', 0x8007_045d],
    ['ENOSPC', 'transientError', 0x8007_0070],
    ['EMFILE', 'transientError', 0x8007_0004],
    ['EACCES', 'error', 0x8007_0005],
  ] as const)(
    'says that the n-th call failed with %s, for every n, and goes on',
    async (fault, state, code) => {
      let failures = 0;
      for (let failAt = 1; ; failAt++) {
        const jobId = await create();
        faults.arm(({ number }) => (number === failAt ? fault : undefined));
        await engine.setJobState(jobId, 'resume');
        const first = await settled(jobId);
        const { happened, log } = faults;
        const where = `call ${failAt}, ${log[failAt - 1]}`;
        faults.disarm();
        await vi.waitFor(() => expect(faults.open, `${where}: open handles`).toBe(0), { interval: 2 });
        if (first !== 'transferred') {
          failures++;
          expect(first, where).toBe(state);
          expect(await engine.getError(jobId, 0x409), where).toMatchObject({ code, context: 'localFile' });
          // What is transient mends itself; what is not waits for somebody.
          if (state === 'transientError') await clock.advance(retryDelay);
          else await engine.setJobState(jobId, 'resume');
          expect(await settled(jobId), where).toBe('transferred');
        }
        expect(await engine.setJobState(jobId, 'complete')).toBe(0);
        expect(readFileSync(path).equals(content), where).toBe(true);
        expect(readdirSync(folder), where).toEqual(['file']);
        expect(faults.open, where).toBe(0);
        rmSync(path);
        if (happened === 0) break;
      }
      expect(failures).toBeGreaterThan(15);
      expect(problems).toEqual([]);
    },
    120_000,
  );

  it('is told when Complete fails at its n-th call, for every n, and may complete again', async () => {
    let failures = 0;
    for (let failAt = 1; ; failAt++) {
      const jobId = await create();
      await engine.setJobState(jobId, 'resume');
      expect(await settled(jobId)).toBe('transferred');
      faults.arm(({ number }) => (number === failAt ? 'EIO' : undefined));
      const thrown = await engine.setJobState(jobId, 'complete').then(
        () => undefined,
        (error: unknown) => error,
      );
      const { happened, log } = faults;
      const where = `call ${failAt}, ${log[failAt - 1]}`;
      faults.disarm();
      expect(faults.open, where).toBe(0);
      if (thrown !== undefined) {
        failures++;
        expect(thrown, where).toMatchObject({ code: 'file/io', hresult: 0x8007_045d });
        expect(await engine.setJobState(jobId, 'complete'), where).toBe(0);
      }
      expect(readFileSync(path).equals(content), where).toBe(true);
      expect(readdirSync(folder), where).toEqual(['file']);
      rmSync(path);
      if (happened === 0) break;
    }
    expect(failures).toBeGreaterThan(8);
  }, 60_000);

  it('waits while the disk is full, and goes on by itself when it is not any more', async () => {
    const jobId = await create();
    let writes = 0;
    // Some of it fits.
    faults.arm(({ name }) => (name === 'writev' && ++writes > 6 ? 'ENOSPC' : undefined));
    await engine.setJobState(jobId, 'resume');
    for (let attempt = 1; attempt <= 5; attempt++) {
      expect(await settled(jobId)).toBe('transientError');
      expect(await engine.getError(jobId, 0x409)).toMatchObject({ code: 0x8007_0070, context: 'localFile' });
      const before = writes;
      await clock.advance(retryDelay - 1);
      expect(writes).toBe(before);
      await clock.advance(1);
    }
    expect(await settled(jobId)).toBe('transientError');
    const { bytesTransferred } = await engine.getJob(jobId);
    faults.disarm();
    await clock.advance(retryDelay);
    expect(await settled(jobId)).toBe('transferred');
    // What fitted was not fetched again.
    expect(Math.max(...origin.starts)).toBeGreaterThanOrEqual(Number(bytesTransferred));
    expect(await engine.setJobState(jobId, 'complete')).toBe(0);
    expect(readFileSync(path).equals(content)).toBe(true);
    expect(readdirSync(folder)).toEqual(['file']);
  }, 60_000);

  it('has small files whole although the n-th call fails, for every n, and Complete says what went wrong', async () => {
    const names = ['a', 'b', 'file'];
    let failures = 0;
    for (let failAt = 1; ; failAt++) {
      const jobId = await create();
      for (const name of names.slice(0, 2)) await engine.addFile(jobId, `${origin.url}?${name}`, join(folder, name));
      faults.arm(({ number }) => (number === failAt ? 'EIO' : undefined));
      await engine.setJobState(jobId, 'resume');
      const where = `call ${failAt}`;
      // Who fails among others is fetched again, alone.
      expect(await settled(jobId), where).toBe('transferred');
      await vi.waitFor(() => expect(faults.open, `${where}: open handles`).toBe(0), { interval: 2 });
      const thrown = await engine.setJobState(jobId, 'complete').then(
        () => undefined,
        (error: unknown) => error,
      );
      const { happened } = faults;
      faults.disarm();
      if (thrown !== undefined) {
        failures++;
        expect(thrown, where).toMatchObject({ code: 'file/io', hresult: 0x8007_045d });
        expect(await engine.getJob(jobId), where).toMatchObject({ state: 'transferred', filesTransferred: 3 });
        expect(await engine.setJobState(jobId, 'complete'), where).toBe(0);
      }
      for (const name of names) expect(readFileSync(join(folder, name)).equals(content), where).toBe(true);
      expect(readdirSync(folder).sort(), where).toEqual(names);
      expect(faults.open, where).toBe(0);
      for (const name of names) rmSync(join(folder, name));
      if (happened === 0) {
        expect(failAt).toBeGreaterThan(40);
        break;
      }
    }
    expect(failures).toBeGreaterThan(10);
    expect(problems).toEqual([]);
  }, 120_000);
});
