import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JobEngine } from '@carmine/job-engine';
import { createNodeJobEngine } from '@carmine/job-engine/node';
import { openSqliteJobStore } from '@carmine/job-store/node';
import { SeededRandom } from '@carmine/testkit';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { GatedOrigin } from './support/gated-origin.ts';

const content = new SeededRandom(6).bytes(500_000);

describe('engine, SQLite, undici and files together', () => {
  let folder: string;
  let inbox: string;
  let origin: GatedOrigin;
  let engine: JobEngine;
  let close: () => Promise<void>;
  const open = async () => {
    const store = openSqliteJobStore({ stateDirectory: join(folder, 'state') });
    engine = createNodeJobEngine({ store, roots: [inbox] });
    await engine.start();
    close = async () => {
      await engine.stop();
      await store.close();
    };
  };
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'carmine-engine-'));
    inbox = join(folder, 'inbox');
    mkdirSync(inbox);
    origin = await GatedOrigin.start(content);
    await open();
  });
  afterEach(async () => {
    await close();
    await origin.close();
    rmSync(folder, { recursive: true });
  });
  const create = (name: string, url = origin.url) =>
    engine.createJob({ displayName: name, remoteUrl: url, localFile: join(inbox, name) });
  const reaches = (jobId: string, state: string) =>
    vi.waitFor(async () => expect((await engine.getJob(jobId)).state).toBe(state), { timeout: 10_000, interval: 5 });

  it('moves a file, and its final name appears with Complete', async () => {
    origin.open(content.length);
    const jobId = await create('file');
    await engine.modifyFileDetails(jobId, 0, { computeSha256: true }).catch(() => undefined);
    await reaches(jobId, 'transferred');
    expect(readdirSync(inbox).every((name) => name.startsWith('BIT'))).toBe(true);
    expect(await engine.setJobState(jobId, 'complete')).toBe(0);
    expect(readFileSync(join(inbox, 'file')).equals(content)).toBe(true);
    expect(readdirSync(inbox)).toEqual(['file']);
  });

  it('goes on after a stop and a new start', async () => {
    origin.open(300_000);
    const jobId = await create('file');
    await reaches(jobId, 'transferring');
    await close();
    expect(readdirSync(inbox)).toHaveLength(2);
    await open();
    origin.open(content.length);
    await reaches(jobId, 'transferred');
    expect(await engine.setJobState(jobId, 'complete')).toBe(0);
    expect(readFileSync(join(inbox, 'file')).equals(content)).toBe(true);
  });

  it('shows the HTTP error of a file that is not there, and leaves nothing after Cancel', async () => {
    const jobId = await create('file', origin.url.replace('/file', '/nothing'));
    await reaches(jobId, 'error');
    expect(await engine.getError(jobId, 0x409)).toMatchObject({
      code: 0x8019_0194,
      context: 'remoteFile',
      errorDescription: expect.stringContaining('0x80190194'),
    });
    expect(await engine.setJobState(jobId, 'cancel')).toBe(0);
    expect(readdirSync(inbox)).toEqual([]);
  });

  it('refuses destinations outside its roots and in directories that are not there', async () => {
    const at = (localFile: string) => engine.createJob({ displayName: '', remoteUrl: origin.url, localFile });
    await expect(at(join(folder, 'file'))).rejects.toMatchObject({ code: 'file/outside-roots' });
    await expect(at(join(inbox, '..', 'file'))).rejects.toMatchObject({ code: 'file/outside-roots' });
    await expect(at(join(inbox, 'no', 'file'))).rejects.toMatchObject({ hresult: 0x8007_0003 });
    await expect(at('relative')).rejects.toMatchObject({ hresult: 0x8007_007b });
    expect(origin.starts).toEqual([]);
  });
});
