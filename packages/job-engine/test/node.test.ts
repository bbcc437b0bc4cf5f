import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SeededRandom } from '@carmine/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NodeFixture } from './support/node-fixture.ts';

const content = new SeededRandom(6).bytes(500_000);

describe('engine, SQLite, undici and files together', () => {
  let f: NodeFixture;
  beforeEach(async () => {
    f = await NodeFixture.start(content);
  });
  afterEach(() => f.end());
  const create = (name: string, url = f.origin.url) =>
    f.engine.createJob({ displayName: name, remoteUrl: url, localFile: join(f.inbox, name) });

  it('moves a file, and its final name appears with Complete', async () => {
    f.origin.open(content.length);
    const jobId = await create('file');
    await f.engine.modifyFileDetails(jobId, 0, { computeSha256: true }).catch(() => undefined);
    await f.reaches(jobId, 'transferred');
    expect(readdirSync(f.inbox).every((name) => name.startsWith('BIT'))).toBe(true);
    expect(await f.engine.setJobState(jobId, 'complete')).toBe(0);
    expect(readFileSync(join(f.inbox, 'file')).equals(content)).toBe(true);
    expect(readdirSync(f.inbox)).toEqual(['file']);
  });

  it('goes on after a stop and a new start', async () => {
    f.origin.open(300_000);
    const jobId = await create('file');
    await f.reaches(jobId, 'transferring');
    await f.close();
    expect(readdirSync(f.inbox)).toHaveLength(2);
    await f.open();
    f.origin.open(content.length);
    await f.reaches(jobId, 'transferred');
    expect(await f.engine.setJobState(jobId, 'complete')).toBe(0);
    expect(readFileSync(join(f.inbox, 'file')).equals(content)).toBe(true);
  });

  it('shows the HTTP error of a file that is not there, and leaves nothing after Cancel', async () => {
    const jobId = await create('file', f.origin.url.replace('/file', '/nothing'));
    await f.reaches(jobId, 'error');
    expect(await f.engine.getError(jobId, 0x409)).toMatchObject({
      code: 0x8019_0194,
      context: 'remoteFile',
      errorDescription: expect.stringContaining('0x80190194'),
    });
    expect(await f.engine.setJobState(jobId, 'cancel')).toBe(0);
    expect(readdirSync(f.inbox)).toEqual([]);
  });

  it('refuses destinations outside its roots and in directories that are not there', async () => {
    const at = (localFile: string) => f.engine.createJob({ displayName: '', remoteUrl: f.origin.url, localFile });
    await expect(at(join(f.folder, 'file'))).rejects.toMatchObject({ code: 'file/outside-roots' });
    await expect(at(join(f.inbox, '..', 'file'))).rejects.toMatchObject({ code: 'file/outside-roots' });
    await expect(at(join(f.inbox, 'no', 'file'))).rejects.toMatchObject({ hresult: 0x8007_0003 });
    await expect(at('relative')).rejects.toMatchObject({ hresult: 0x8007_007b });
    expect(f.origin.starts).toEqual([]);
  });
});
