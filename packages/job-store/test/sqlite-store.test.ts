import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { JobStore } from '@carmine/job-store';
import { openSqliteJobStore } from '@carmine/job-store/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { jobStoreSuite, listEnded, sampleEnded, sampleJob } from './store-suite.ts';

jobStoreSuite('sqlite', async () => {
  const stateDirectory = mkdtempSync(join(tmpdir(), 'carmine-store-'));
  const stores: JobStore[] = [];
  const open = async () => {
    const store = openSqliteJobStore({ stateDirectory });
    stores.push(store);
    return store;
  };
  return {
    store: await open(),
    reopen: open,
    async dispose() {
      for (const store of stores) await store.close();
      rmSync(stateDirectory, { recursive: true });
    },
  };
});

describe('sqlite job store', () => {
  let stateDirectory: string;
  let store: JobStore | undefined;
  beforeEach(() => {
    stateDirectory = mkdtempSync(join(tmpdir(), 'carmine-store-'));
  });
  afterEach(async () => {
    await store?.close();
    store = undefined;
    rmSync(stateDirectory, { recursive: true });
  });
  const open = () => {
    store = openSqliteJobStore({ stateDirectory, now: () => Date.UTC(2026, 0, 1) });
    return store;
  };
  const files = () => readdirSync(stateDirectory).sort();
  const secret = 'a-password-nobody-may-read';
  const withSecret = sampleJob(1, {
    credentials: [{ target: 'server', scheme: 'ntlm', userName: 'somebody-secret', password: secret }],
  });

  it('keeps every file to this user', async () => {
    await open().save(withSecret);
    for (const name of files()) expect(statSync(join(stateDirectory, name)).mode & 0o777).toBe(0o600);
    expect(files()).toContain('jobs.key');
  });

  it('never writes a secret in the clear, neither into the database nor into its log', async () => {
    await open().save(withSecret);
    const everything = () => files().map((name) => readFileSync(join(stateDirectory, name), 'latin1'));
    expect(everything().join('')).toContain('files.example');
    expect(everything().join('')).not.toContain(secret);
    await store?.close();
    expect(everything().join('')).not.toContain(secret);
    expect(everything().join('')).not.toContain('somebody-secret');
  });

  it('says so when the key does not fit, and leaves the database where it is', async () => {
    await open().save(withSecret);
    await store?.close();
    writeFileSync(join(stateDirectory, 'jobs.key'), new Uint8Array(32));
    expect(open).toThrow(expect.objectContaining({ code: 'job/store-key' }));
    writeFileSync(join(stateDirectory, 'jobs.key'), 'short');
    expect(open).toThrow(expect.objectContaining({ code: 'job/store-key' }));
    expect(files()).toEqual(['jobs.key', 'jobs.sqlite']);
  });

  it('does not open the secret of one job as that of another', async () => {
    await open().save(withSecret);
    await store?.save(sampleJob(2));
    await store?.close();
    const database = new DatabaseSync(join(stateDirectory, 'jobs.sqlite'));
    database.exec(`UPDATE job SET secret = (SELECT secret FROM job WHERE sequence = 1) WHERE sequence = 2`);
    database.close();
    expect(open).toThrow(expect.objectContaining({ code: 'job/store-key' }));
  });

  it('moves a damaged database aside, keeps it, and starts anew the next time', async () => {
    await open().save(sampleJob(1));
    await store?.close();
    const path = join(stateDirectory, 'jobs.sqlite');
    const bytes = readFileSync(path);
    bytes.fill(0xff, 0, 2_000);
    writeFileSync(path, bytes);
    expect(open).toThrow(expect.objectContaining({ code: 'job/store-damaged', hresult: 0x8020_006c }));
    const aside = files().find((name) => name.includes('damaged'));
    expect(aside).toBe('jobs.sqlite.damaged-2026-01-01T00-00-00-000Z');
    expect(readFileSync(join(stateDirectory, aside as string)).equals(bytes)).toBe(true);
    expect(await open().load()).toEqual([]);
  });

  it('notices damage in the middle: every page of a used database is checked at the start', async () => {
    open();
    for (let i = 1; i <= 200; i++) await store?.save(sampleJob(i));
    await store?.close();
    const path = join(stateDirectory, 'jobs.sqlite');
    const bytes = readFileSync(path);
    bytes.fill(0xff, 40_960, 45_056);
    writeFileSync(path, bytes);
    expect(open).toThrow(expect.objectContaining({ code: 'job/store-damaged' }));
    expect(files().some((name) => name.includes('damaged'))).toBe(true);
  });

  it('refuses a second process', async () => {
    await open().save(sampleJob(1));
    expect(() => openSqliteJobStore({ stateDirectory })).toThrow(
      expect.objectContaining({ code: 'configuration/in-use' }),
    );
    expect(files().some((name) => name.includes('damaged'))).toBe(false);
    expect(await store?.load()).toHaveLength(1);
  });

  /** As older versions of the database have jobs: with their files in them, and in version 1 no word of ranges. */
  function downgrade(version: 1 | 2): void {
    const database = new DatabaseSync(join(stateDirectory, 'jobs.sqlite'));
    const files = `(SELECT json_group_array(json(document)) FROM (SELECT document FROM file WHERE job = job.id ORDER BY position))`;
    database.exec(`UPDATE job SET document = json_set(document, '$.files', json(${files})); DROP TABLE file`);
    if (version === 1) {
      database.exec(`UPDATE job SET document = json_remove(document, '$.files[0].ranges', '$.files[1].ranges')`);
      expect(database.prepare(`SELECT count(*) AS n FROM job WHERE document LIKE '%ranges%'`).get()).toEqual({ n: 0 });
    }
    database.exec(`PRAGMA user_version=${version}`);
    database.close();
  }

  it.each([1, 2] as const)(
    'opens a database of version %s: jobs, files, secrets and history are kept',
    async (version) => {
      const [file] = withSecret.files;
      if (file === undefined) throw new Error('no file');
      const ranges = version === 1 ? null : [{ offset: 1, length: 2 }];
      const moving = { ...file, bytesTotal: 2n ** 40n, bytesTransferred: 5n, ranges };
      const jobs = [{ ...withSecret, files: [file, moving] }, sampleJob(2, { state: 'queued' })];
      open();
      for (const job of jobs) await store?.save(job);
      await store?.end(sampleEnded(sampleJob(3)));
      await store?.close();
      downgrade(version);
      expect(await open().load()).toEqual(jobs);
      expect(await listEnded(store as JobStore)).toEqual([sampleEnded(sampleJob(3))]);
      // Once: what is saved from now on stays as it is.
      const changed = sampleJob(2, { files: [{ ...file, ranges: [{ offset: 7, length: 8 }] }] });
      await store?.save(changed);
      await store?.close();
      expect((await open().load())[1]).toEqual(changed);
    },
  );

  it('leaves an older database as it is when a job of it cannot be read', async () => {
    open();
    for (const sequence of [1, 2]) await store?.save(sampleJob(sequence));
    await store?.close();
    downgrade(1);
    const path = join(stateDirectory, 'jobs.sqlite');
    const before = new DatabaseSync(path);
    before.exec(`UPDATE job SET document = '{"jobId":' WHERE sequence = 2`);
    before.close();
    expect(open).toThrow(expect.objectContaining({ code: 'job/store-damaged' }));
    const aside = new DatabaseSync(join(stateDirectory, files().find((name) => name.endsWith('Z')) as string));
    expect(aside.prepare('PRAGMA user_version').get()).toEqual({ user_version: 1 });
    expect(aside.prepare(`SELECT count(*) AS n FROM job WHERE document LIKE '%localFile%'`).get()).toEqual({ n: 1 });
    aside.close();
  });

  it('notices that a file of a job is missing', async () => {
    await open().save(sampleJob(1));
    await store?.close();
    const database = new DatabaseSync(join(stateDirectory, 'jobs.sqlite'));
    database.exec('DELETE FROM file');
    database.close();
    expect(open).toThrow(expect.objectContaining({ code: 'job/store-damaged' }));
  });

  it('writes the files of a job that changed, and no others', async () => {
    const [file] = sampleJob(1).files;
    if (file === undefined) throw new Error('no file');
    const files = Array.from({ length: 1_000 }, (_, index) => ({ ...file, localFile: `/srv/${index}` }));
    await open().save(sampleJob(1, { files }));
    const log = () => statSync(join(stateDirectory, 'jobs.sqlite-wal')).size;
    const before = log();
    for (let index = 0; index < 10; index++) {
      files[index] = { ...file, localFile: `/srv/${index}`, bytesTransferred: 1n };
      await store?.save(sampleJob(1, { files: [...files] }));
    }
    // A few pages each; all of them would be sixty.
    expect(log() - before).toBeLessThan(10 * 8 * 4_096);
    await store?.close();
    expect((await open().load())[0]?.files).toEqual(files);
  });

  it('refuses a database of a newer program and leaves it alone', async () => {
    open();
    await store?.close();
    const database = new DatabaseSync(join(stateDirectory, 'jobs.sqlite'));
    database.exec('PRAGMA user_version=99');
    database.close();
    expect(open).toThrow(expect.objectContaining({ code: 'job/store-version' }));
    expect(files()).toEqual(['jobs.key', 'jobs.sqlite']);
  });

  it('survives being abandoned without close: what was acknowledged is there', async () => {
    await open().save(sampleJob(1));
    await store?.end(sampleEnded(sampleJob(1)));
    await store?.save(sampleJob(2));
    // A copy of the files is what a crash at this moment leaves.
    const copy = mkdtempSync(join(tmpdir(), 'carmine-store-'));
    for (const name of files()) writeFileSync(join(copy, name), readFileSync(join(stateDirectory, name)));
    const recovered = openSqliteJobStore({ stateDirectory: copy });
    expect((await recovered.load()).map((job) => job.sequence)).toEqual([2]);
    expect(await listEnded(recovered)).toHaveLength(1);
    await recovered.close();
    rmSync(copy, { recursive: true });
  });
});
