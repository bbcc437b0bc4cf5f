import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JobEngine } from '@carmine/job-engine';
import { createNodeJobEngine } from '@carmine/job-engine/node';
import { createMemoryJobStore, type JobStore, type StoredJob } from '@carmine/job-store';
import { SeededRandom } from '@carmine/testkit';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

const random = new SeededRandom(71);
const contents = new Map(Array.from({ length: 40 }, (_, index) => [`/${index}`, random.bytes(100 + index * 500)]));
contents.set('/large', random.bytes(3 * 1024 * 1024));

describe('a job of small files', () => {
  let inbox: string;
  let server: Server;
  let engine: JobEngine;
  let store: JobStore;
  const asked: string[] = [];
  const saved: StoredJob[] = [];
  /** Holds back what is not to be answered yet. */
  let held: { readonly name: string; go(): void }[] = [];
  let hold: (name: string) => boolean = () => false;
  beforeEach(async () => {
    inbox = join(mkdtempSync(join(tmpdir(), 'carmine-small-')), 'inbox');
    mkdirSync(inbox);
    [asked.length, saved.length, held, hold] = [0, 0, [], () => false];
    server = createServer((request, response) => {
      const name = request.url ?? '';
      asked.push(name);
      const answer = () => {
        const content = contents.get(name);
        if (content === undefined) {
          response.writeHead(404, { 'content-length': 0 }).end();
          return;
        }
        response.writeHead(200, { etag: `"${name}"`, 'content-length': content.length });
        response.end(request.method === 'HEAD' ? undefined : content);
      };
      if (hold(name)) held.push({ name, go: answer });
      else answer();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const memory = createMemoryJobStore();
    store = {
      ...memory,
      async save(job) {
        saved.push(job);
        await memory.save(job);
      },
    };
    engine = createNodeJobEngine({ store, roots: [inbox] });
    await engine.start();
  });
  afterEach(async () => {
    await engine.stop();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    rmSync(join(inbox, '..'), { recursive: true });
  });

  async function create(names: readonly string[]): Promise<string> {
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const file = (name: string) => [`${base}${name}`, join(inbox, name.slice(1))] as const;
    const [remoteUrl, localFile] = file(names[0] ?? '');
    const jobId = await engine.createJob({ displayName: 'small', remoteUrl, localFile, suspend: true });
    for (const name of names.slice(1)) await engine.addFile(jobId, ...file(name));
    return jobId;
  }
  const small = (count: number) => [...contents.keys()].slice(0, count);
  const reaches = (jobId: string, state: string) =>
    vi.waitFor(async () => expect((await engine.getJob(jobId)).state).toBe(state), { timeout: 20_000, interval: 5 });
  async function complete(jobId: string, names: readonly string[]): Promise<void> {
    expect(await engine.setJobState(jobId, 'complete')).toBe(0);
    expect(readdirSync(inbox).sort()).toEqual(names.map((name) => name.slice(1)).toSorted());
    for (const name of names)
      expect(readFileSync(join(inbox, name.slice(1)))).toEqual(Buffer.from(contents.get(name) ?? []));
  }

  it('is fetched together: asked for once each, saved a few times, without journals', async () => {
    const names = small(40);
    const jobId = await create(names);
    saved.length = 0;
    await engine.setJobState(jobId, 'resume');
    await reaches(jobId, 'transferred');
    expect(asked.toSorted()).toEqual(names.toSorted());
    expect(saved.length).toBeLessThan(10);
    // A file that is told to be there is on the disk by then; nothing else is told.
    for (const { files } of saved) {
      for (const file of files) expect([0n, file.bytesTotal]).toContain(file.bytesTransferred);
    }
    expect(readdirSync(inbox).filter((name) => name.endsWith('.journal'))).toEqual([]);
    expect(await engine.getJob(jobId)).toMatchObject({ filesTransferred: 40, transientErrorCount: 0 });
    saved.length = 0;
    await complete(jobId, names);
    expect(saved.length).toBeLessThan(5);
  });

  it('may have large ones among them', async () => {
    const names = ['/0', '/large', '/1', '/2'];
    const jobId = await create(names);
    await engine.setJobState(jobId, 'resume');
    await reaches(jobId, 'transferred');
    await complete(jobId, names);
  });

  it('is in error because of the one that is not there, and has the others when that is mended', async () => {
    const names = ['/0', '/1', '/missing', '/2'];
    const jobId = await create(names);
    await engine.setJobState(jobId, 'resume');
    await reaches(jobId, 'error');
    expect(await engine.getError(jobId, 0x409)).toMatchObject({ code: 0x8019_0194 });
    const { files } = await engine.getJob(jobId);
    expect(files.slice(0, 3).map((file) => file.completed)).toEqual([true, true, false]);
    contents.set('/missing', random.bytes(500));
    await engine.setJobState(jobId, 'resume');
    await reaches(jobId, 'transferred');
    await complete(jobId, names);
    contents.delete('/missing');
  });

  it('keeps what is there when it is suspended, and does not ask for it again', async () => {
    const names = small(10);
    hold = (name) => name === '/5';
    const jobId = await create(names);
    await engine.setJobState(jobId, 'resume');
    await vi.waitFor(() => expect(new Set(asked)).toEqual(new Set(names)), { timeout: 5_000, interval: 2 });
    await engine.setJobState(jobId, 'suspend');
    const { files, state } = await engine.getJob(jobId);
    expect(state).toBe('suspended');
    const there = names.filter((_name, index) => files[index]?.completed === true);
    expect(there.length).toBeGreaterThan(4);
    expect(there).not.toContain('/5');
    [asked.length, hold] = [0, () => false];
    await engine.setJobState(jobId, 'resume');
    await reaches(jobId, 'transferred');
    expect(asked.filter((name) => there.includes(name))).toEqual([]);
    await complete(jobId, names);
  });

  it('leaves nothing when it is cancelled in the middle', async () => {
    hold = (name) => name === '/3';
    const jobId = await create(small(8));
    await engine.setJobState(jobId, 'resume');
    await vi.waitFor(() => expect(held).toHaveLength(1), { timeout: 5_000, interval: 2 });
    expect(await engine.setJobState(jobId, 'cancel')).toBe(0);
    expect(readdirSync(inbox)).toEqual([]);
  });

  it('takes no file whose digest was asked for after it was', async () => {
    const names = small(3);
    hold = (name) => name === '/2';
    const jobId = await create(names);
    await engine.setJobState(jobId, 'resume');
    await vi.waitFor(() => expect(held).toHaveLength(1), { timeout: 5_000, interval: 2 });
    const sha256 = createHash('sha256')
      .update(contents.get('/0') ?? '')
      .digest('hex');
    await engine.modifyFileDetails(jobId, 0, { expectedSha256: sha256 });
    await engine.modifyFileDetails(jobId, 1, { expectedSha256: '00'.repeat(32) });
    hold = () => false;
    for (const { go } of held) go();
    await reaches(jobId, 'error');
    expect((await engine.getError(jobId, 0x409)).context).toBe('remoteFile');
    expect(await engine.getFileDetails(jobId, 0)).toMatchObject({ sha256, phase: 'done' });
    await engine.modifyFileDetails(jobId, 1, { expectedSha256: null });
    await engine.setJobState(jobId, 'resume');
    await reaches(jobId, 'transferred');
    await complete(jobId, names);
  });

  it('gets its names although a crash came between them', async () => {
    const names = small(5);
    const jobId = await create(names);
    await engine.setJobState(jobId, 'resume');
    await reaches(jobId, 'transferred');
    const [job] = await store.load();
    if (job === undefined) throw new Error('no job');
    await complete(jobId, names);
    // As it was before the first name: nothing more is in the store.
    const files = job.files.map((file) => ({ ...file, naming: true }));
    await store.save({ ...job, files, ending: { action: 'complete', reason: 'completed' } });
    const again = createNodeJobEngine({ store, roots: [inbox] });
    await again.start();
    for await (const left of again.listJobs()) expect(left).toBeUndefined();
    await again.stop();
    expect(readdirSync(inbox)).toHaveLength(5);
  });

  it('is not completed when a file is gone, or is not as long as it was', async () => {
    const names = small(3);
    const jobId = await create(names);
    await engine.setJobState(jobId, 'resume');
    await reaches(jobId, 'transferred');
    const [first = ''] = readdirSync(inbox);
    rmSync(join(inbox, first));
    await expect(engine.setJobState(jobId, 'complete')).rejects.toMatchObject({ hresult: 0x8007_0002 });
    expect((await engine.getJob(jobId)).state).toBe('transferred');
    expect(readdirSync(inbox)).toHaveLength(2);
  });
});
