import { createMemoryJobStore, type JobStore, type StoredJob } from '@carmine/job-store';
import { describe, expect, it } from 'vitest';
import { EngineFixture, seconds } from './support/engine-fixture.ts';

describe('restart', () => {
  it('goes on with jobs that were active, from where the journal is', async () => {
    const f = await EngineFixture.start();
    const id = await f.create('a');
    f.transfers.at('a').receive(10);
    await f.settle();
    // The journal is ahead of the store by what came within the last second.
    f.transfers.at('a').receive(70);
    await f.restart();
    expect(await f.state(id)).toBe('connecting');
    expect(await f.engine.getJob(id)).toMatchObject({ bytesTransferred: 70n, bytesTotal: 100n });
    expect(f.transfers.at('a').request.temporaryName).toBe(f.transfers.requests[0]?.temporaryName);
  });

  it('leaves suspended, failed and transferred jobs as they were, error report included', async () => {
    const f = await EngineFixture.start();
    const suspended = await f.create('s', { suspend: true });
    const failed = await f.create('e');
    f.transfers.at('e').fail('transfer/http-status', { status: 404 });
    await f.settle();
    const done = await f.create('d');
    f.transfers.at('d').succeed();
    await f.settle();
    const before = await Promise.all([suspended, failed, done].map((id) => f.engine.getJob(id)));
    await f.restart();
    expect(await Promise.all([suspended, failed, done].map((id) => f.engine.getJob(id)))).toMatchObject(
      before.map(({ jobLastModificationTime: _changes, ...job }) => job),
    );
    expect((await f.engine.getError(failed, 0)).context).toBe('remoteFile');
    expect(f.transfers.urls).toEqual([]);
  });

  it('keeps waiting as long as it would have', async () => {
    const f = await EngineFixture.start();
    const id = await f.create('a');
    f.transfers.at('a').fail('transfer/timed-out');
    await f.clock.advance(400 * seconds);
    await f.restart();
    expect(await f.state(id)).toBe('transientError');
    await f.clock.advance(199 * seconds);
    expect(f.transfers.urls).toEqual([]);
    await f.clock.advance(1 * seconds);
    expect(f.transfers.urls).toEqual(['a']);
  });

  it('keeps credentials, and never shows them', async () => {
    const f = await EngineFixture.start();
    const id = await f.create('a', { suspend: true });
    const credentials = { target: 'server', scheme: 'ntlm', userName: 'u', password: 'secret-word' } as const;
    await f.engine.setCredentials(id, credentials);
    await f.engine.setCredentials(id, { ...credentials, scheme: 'basic' });
    expect(await f.engine.removeCredentials(id, 'server', 'basic')).toBe(0);
    expect(await f.engine.removeCredentials(id, 'server', 'basic')).toBe(1);
    await f.restart();
    await f.engine.setJobState(id, 'resume');
    await f.settle();
    expect(f.transfers.at('a').request.credentials).toEqual([credentials]);
    const shown = JSON.stringify([await f.engine.getJob(id), await f.engine.getFileDetails(id, 0)], (_, value) =>
      typeof value === 'bigint' ? String(value) : value,
    );
    expect(shown).not.toContain('secret-word');
  });

  it('stops in order: transfers stop, progress is kept, changes are refused, reading is not', async () => {
    const f = await EngineFixture.start();
    const id = await f.create('a');
    f.transfers.at('a').receive(30);
    await f.engine.stop();
    expect(f.transfers.urls).toEqual([]);
    expect((await f.store.load())[0]?.files[0]?.bytesTransferred).toBe(30n);
    await expect(f.engine.setJobState(id, 'cancel')).rejects.toMatchObject({ code: 'internal/shutting-down' });
    await expect(f.create('b')).rejects.toMatchObject({ code: 'internal/shutting-down' });
    expect((await f.engine.getJob(id)).bytesTransferred).toBe(30n);
    await f.restart();
    expect(f.transfers.urls).toEqual(['a']);
  });
});

/** A store whose process dies after its n-th write: later ones never return. */
function dyingStore(inner: JobStore): JobStore & { dieAfter: number; writes: number } {
  const gate = async (write: () => Promise<void>) => {
    if (store.writes >= store.dieAfter) await new Promise<never>(() => undefined);
    store.writes++;
    await write();
  };
  const store = {
    dieAfter: Number.POSITIVE_INFINITY,
    writes: 0,
    load: () => inner.load(),
    save: (job: StoredJob) => gate(() => inner.save(job)),
    end: (job: Parameters<JobStore['end']>[0]) => gate(() => inner.end(job)),
    listEnded: () => inner.listEnded(),
    close: () => inner.close(),
  };
  return store;
}

describe('a crash after any write to the store', () => {
  const twoFiles = async (dieAfter: number, action: 'complete' | 'cancel') => {
    const store = dyingStore(createMemoryJobStore());
    const f = await EngineFixture.start({ store });
    const id = await f.create('a');
    await f.engine.addFile(id, 'http://origin.example/b', '/srv/b');
    f.transfers.at('a').succeed();
    await f.settle();
    f.transfers.at('b').succeed();
    await f.settle();
    store.writes = 0;
    store.dieAfter = dieAfter;
    let acknowledged = false;
    void f.engine.setJobState(id, action).then(() => {
      acknowledged = true;
    });
    await f.settle();
    store.dieAfter = Number.POSITIVE_INFINITY;
    const finishedBefore = [...f.transfers.finished];
    await f.restart();
    return { f, id, acknowledged, finishedBefore };
  };

  it.each([0, 1, 2, 3, 4])(
    'in the middle of Complete (after %i) loses no file and repeats none wrongly',
    async (after) => {
      const { f, id, acknowledged } = await twoFiles(after, 'complete');
      if (after === 0) {
        // The intent was not durable: Complete did not happen.
        expect(await f.state(id)).toBe('transferred');
        expect(f.transfers.finished).toEqual([]);
        expect(await f.engine.setJobState(id, 'complete')).toBe(0);
      }
      expect(acknowledged).toBe(after >= 4);
      expect(new Set(f.transfers.finished)).toEqual(new Set(['/srv/a', '/srv/b']));
      expect(await f.ended()).toMatchObject([{ jobId: id, state: 'acknowledged', reason: 'completed' }]);
      await expect(f.engine.getJob(id)).rejects.toMatchObject({ code: 'job/not-found' });
    },
  );

  it.each([0, 1, 2])('in the middle of Cancel (after %i) leaves either the job or its end', async (after) => {
    const { f, id } = await twoFiles(after, 'cancel');
    if (after === 0) {
      expect(await f.state(id)).toBe('transferred');
    } else {
      expect(f.transfers.discarded).toEqual(expect.arrayContaining(['/srv/a', '/srv/b']));
      expect(await f.ended()).toMatchObject([{ jobId: id, state: 'cancelled', reason: 'cancelled by request' }]);
    }
  });

  it('at every point of a whole life leaves a job that goes on to the end', async () => {
    for (let dieAfter = 1; dieAfter < 12; dieAfter++) {
      const store = dyingStore(createMemoryJobStore());
      const f = await EngineFixture.start({ store });
      store.dieAfter = dieAfter;
      const id = await f.create('a');
      for (const step of [10, 60, 90]) {
        if (f.transfers.urls.length > 0) f.transfers.at('a').receive(step);
        await f.clock.advance(2 * seconds);
      }
      store.dieAfter = Number.POSITIVE_INFINITY;
      await f.restart();
      if ((await f.state(id)) !== 'transferred') f.transfers.at('a').succeed();
      expect(await f.state(id)).toBe('transferred');
      expect(await f.engine.setJobState(id, 'complete')).toBe(0);
      expect(await f.ended()).toHaveLength(1);
    }
  });
});
