import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JobEngine } from '@carmine/job-engine';
import { createNodeJobEngine } from '@carmine/job-engine/node';
import { openSqliteJobStore } from '@carmine/job-store/node';
import { SeededRandom } from '@carmine/testkit';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

const content = new SeededRandom(16).bytes(20_000);

describe('the connections of jobs', () => {
  let folder: string;
  let inbox: string;
  let server: Server;
  let engine: JobEngine;
  let close: () => Promise<void>;
  const sockets = new Map<object, Set<string>>();
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'carmine-connections-'));
    inbox = join(folder, 'inbox');
    mkdirSync(inbox);
    sockets.clear();
    server = createServer((request, response) => {
      const who = sockets.get(request.socket) ?? new Set();
      sockets.set(
        request.socket,
        who.add(`${request.url?.split('/')[1]} ${request.headers.authorization ?? 'nobody'}`),
      );
      response.writeHead(200, { etag: '"1"', 'content-length': content.length });
      response.end(request.method === 'HEAD' ? undefined : content);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const store = openSqliteJobStore({ stateDirectory: join(folder, 'state') });
    engine = createNodeJobEngine({ store, roots: [inbox] });
    await engine.start();
    close = async () => {
      await engine.stop();
      await store.close();
    };
  });
  afterEach(async () => {
    await close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true });
  });

  async function job(name: string, files: number): Promise<string> {
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/${name}`;
    const file = (index: number) => [`${base}/${index}`, join(inbox, `${name}-${index}`)] as const;
    const [remoteUrl, localFile] = file(0);
    const jobId = await engine.createJob({ displayName: name, remoteUrl, localFile, suspend: true });
    for (let index = 1; index < files; index++) await engine.addFile(jobId, ...file(index));
    return jobId;
  }
  async function complete(...jobs: readonly string[]): Promise<void> {
    for (const jobId of jobs) await engine.setJobState(jobId, 'resume');
    for (const jobId of jobs) {
      const transferred = async () => expect((await engine.getJob(jobId)).state).toBe('transferred');
      await vi.waitFor(transferred, { timeout: 20_000, interval: 10 });
      expect(await engine.setJobState(jobId, 'complete')).toBe(0);
    }
  }

  it('go from file to file: fifty small ones come over four', async () => {
    await complete(await job('one', 50));
    expect(sockets.size).toBe(4);
    expect(readdirSync(inbox)).toHaveLength(50);
  });

  it('go from file to file through a proxy too', async () => {
    const { port } = server.address() as AddressInfo;
    const file = (index: number) => [`http://files.example/${index}`, join(inbox, `${index}`)] as const;
    const [remoteUrl, localFile] = file(0);
    const jobId = await engine.createJob({ displayName: 'far', remoteUrl, localFile, suspend: true });
    await engine.setProxySettings(jobId, { usage: 'override', proxyList: `127.0.0.1:${port}` });
    for (let index = 1; index < 20; index++) await engine.addFile(jobId, ...file(index));
    await complete(jobId);
    expect(sockets.size).toBe(4);
    expect(readdirSync(inbox)).toHaveLength(20);
  });

  it('go to no other job', async () => {
    const [first, second] = [await job('first', 5), await job('second', 5)];
    await complete(first, second);
    const each = [...sockets.values()].map((who) => [...who].join());
    expect(each.toSorted()).toEqual(['first', 'second'].flatMap((name) => new Array(4).fill(`${name} nobody`)));
  });

  it.each([false, true])(
    'are other ones when it is somebody else, or goes another way (changed: %s)',
    async (changed) => {
      const jobId = await job('one', 1);
      const transferred = async () => expect((await engine.getJob(jobId)).state).toBe('transferred');
      await engine.setJobState(jobId, 'resume');
      await vi.waitFor(transferred, { timeout: 20_000, interval: 5 });
      // What it comes to is the same: the way is direct.
      if (changed)
        await engine.setProxySettings(jobId, { usage: 'override', proxyList: 'proxy', bypassList: '127.0.0.1' });
      const { port } = server.address() as AddressInfo;
      await engine.addFile(jobId, `http://127.0.0.1:${port}/one/1`, join(inbox, 'one-1'));
      await complete(jobId);
      expect(readdirSync(inbox)).toHaveLength(2);
      expect(sockets.size).toBe(changed ? 2 : 1);
    },
  );
});
