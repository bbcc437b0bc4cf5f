import { sizeUnknown, toFiletime } from '@carmine/core';
import { CarmineError } from '@carmine/errors';
import { beforeEach, describe, expect, it } from 'vitest';
import { days, EngineFixture, minutes, seconds } from './support/engine-fixture.ts';

describe('life of a job', () => {
  let f: EngineFixture;
  beforeEach(async () => {
    f = await EngineFixture.start();
  });

  it('goes from queued through connecting and transferring to transferred, and is acknowledged by Complete', async () => {
    const id = await f.create('a');
    expect(await f.state(id)).toBe('connecting');
    f.transfers.at('a').receive(40);
    expect(await f.state(id)).toBe('transferring');
    expect(await f.engine.getJob(id)).toMatchObject({ bytesTransferred: 40n, bytesTotal: 100n, jobCompletionTime: 0n });
    f.transfers.at('a').succeed();
    expect(await f.state(id)).toBe('transferred');
    const job = await f.engine.getJob(id);
    expect(job).toMatchObject({ bytesTransferred: 100n, filesTransferred: 1, jobCompletionTime: f.now });
    expect(job.files[0]).toMatchObject({ completed: true });
    expect(await f.engine.setJobState(id, 'complete')).toBe(0);
    expect(f.transfers.finished).toEqual(['/srv/a']);
    expect(await f.ended()).toMatchObject([
      {
        jobId: id,
        state: 'acknowledged',
        reason: 'completed',
        bytesTransferred: 100n,
        filesTransferred: 1,
        lastError: 0,
      },
    ]);
    await expect(f.engine.getJob(id)).rejects.toMatchObject({ hresult: 0x8020_0001 });
  });

  it('tells a watcher of whatever changes in the list of jobs, soon when it is another state, and of nothing else', async () => {
    let told: boolean[] = [];
    const tells = async (work: () => unknown): Promise<'soon' | 'some time' | 'no'> => {
      told = [];
      await work();
      await f.settle();
      return told.includes(true) ? 'soon' : told.length > 0 ? 'some time' : 'no';
    };
    const unwatch = f.engine.watch?.((soon) => told.push(soon));
    let id = '';
    const steps: readonly (readonly [string, () => unknown, string])[] = [
      ['created', async () => (id = await f.create('a')), 'soon'],
      ['moved, and so connected', () => f.transfers.at('a').receive(40), 'soon'],
      ['moved on', () => f.transfers.at('a').receive(50), 'some time'],
      ['modified', () => f.engine.modifyJob(id, { description: 'x' }), 'some time'],
      ['transferred', () => f.transfers.at('a').succeed(), 'soon'],
      ['completed', () => f.engine.setJobState(id, 'complete'), 'soon'],
      ['looked at', () => f.engine.listJobs(), 'no'],
    ];
    for (const [step, work, expected] of steps) expect([step, await tells(work)]).toEqual([step, expected]);
    unwatch?.();
    expect(await tells(() => f.create('b'))).toBe('no');
  });

  it('transfers the files of a job one after the other, those added meanwhile included', async () => {
    const id = await f.create('a');
    await f.engine.addFile(id, 'http://origin.example/b', '/srv/b');
    f.transfers.at('a').receive(10);
    expect(f.transfers.urls).toEqual(['a']);
    expect(await f.engine.getJob(id)).toMatchObject({ bytesTotal: sizeUnknown, filesTotal: 2 });
    f.transfers.at('a').succeed();
    await f.settle();
    expect(f.transfers.urls).toEqual(['b']);
    await f.engine.addFile(id, 'http://origin.example/c', '/srv/c');
    f.transfers.at('b').succeed();
    await f.settle();
    f.transfers.at('c').succeed();
    expect(await f.state(id)).toBe('transferred');
  });

  it('resumes a transferred job to which a file was added', async () => {
    const id = await f.create('a');
    f.transfers.at('a').succeed();
    await f.settle();
    await f.engine.addFile(id, 'http://origin.example/b', '/srv/b');
    expect(await f.state(id)).toBe('suspended');
    await f.engine.setJobState(id, 'resume');
    await f.settle();
    expect(f.transfers.urls).toEqual(['b']);
    expect(f.transfers.requests).toHaveLength(2);
  });

  it('suspends: the transfer stops, nothing goes on until Resume, and then it goes on with the same temporary file', async () => {
    const id = await f.create('a');
    f.transfers.at('a').receive(40);
    await f.engine.setJobState(id, 'suspend');
    expect(await f.state(id)).toBe('suspended');
    expect(f.transfers.urls).toEqual([]);
    await f.clock.advance(30 * days);
    expect(f.transfers.requests).toHaveLength(1);
    expect(await f.engine.getJob(id)).toMatchObject({ bytesTransferred: 40n });
    await f.engine.setJobState(id, 'resume');
    await f.settle();
    expect(f.transfers.at('a').request.temporaryName).toBe(f.transfers.requests[0]?.temporaryName);
    expect(await f.engine.getJob(id)).toMatchObject({ bytesTransferred: 40n });
  });

  it('does nothing on Resume while active', async () => {
    const id = await f.create('a');
    f.transfers.at('a').receive(1);
    await f.settle();
    await f.engine.setJobState(id, 'resume');
    expect(await f.state(id)).toBe('transferring');
    expect(f.transfers.requests).toHaveLength(1);
  });

  it('completes in part: finished files get their names, the others are deleted', async () => {
    const id = await f.create('a');
    await f.engine.addFile(id, 'http://origin.example/b', '/srv/b');
    f.transfers.at('a').succeed();
    await f.settle();
    f.transfers.at('b').receive(50);
    expect(await f.engine.setJobState(id, 'complete')).toBe(0x0020_0017);
    expect(f.transfers.finished).toEqual(['/srv/a']);
    expect(f.transfers.discarded).toEqual(['/srv/b']);
    expect(f.transfers.urls).toEqual([]);
    expect(await f.ended()).toMatchObject([{ state: 'acknowledged', reason: 'completed in part: 1 of 2 files' }]);
  });

  it('keeps a job transferred when a rename fails, and finishes only the rest when Complete is tried again', async () => {
    const id = await f.create('a');
    await f.engine.addFile(id, 'http://origin.example/b', '/srv/b');
    f.transfers.at('a').succeed();
    await f.settle();
    f.transfers.at('b').succeed();
    await f.settle();
    f.transfers.failures.set('finish /srv/b', new CarmineError('file/busy', { context: { path: '/srv/b' } }));
    await expect(f.engine.setJobState(id, 'complete')).rejects.toMatchObject({ hresult: 0x8007_0020 });
    expect(await f.state(id)).toBe('transferred');
    f.transfers.failures.clear();
    expect(await f.engine.setJobState(id, 'complete')).toBe(0);
    expect(f.transfers.finished).toEqual(['/srv/a', '/srv/b']);
    expect(await f.ended()).toMatchObject([{ reason: 'completed', lastError: 0x8007_0020 }]);
  });

  it('cancels: temporary files of transferred and unfinished files go', async () => {
    const id = await f.create('a');
    await f.engine.addFile(id, 'http://origin.example/b', '/srv/b');
    f.transfers.at('a').succeed();
    await f.settle();
    f.transfers.at('b').receive(5);
    expect(await f.engine.setJobState(id, 'cancel')).toBe(0);
    expect(f.transfers.discarded).toEqual(['/srv/a', '/srv/b']);
    expect(f.transfers.finished).toEqual([]);
    expect(await f.ended()).toMatchObject([{ state: 'cancelled', reason: 'cancelled by request' }]);
  });

  it('says BG_S_UNABLE_TO_DELETE_FILES when a temporary file stays', async () => {
    const id = await f.create('a', { suspend: true });
    f.transfers.failures.set('discard /srv/a', new CarmineError('file/access-denied', { context: { path: '/srv/a' } }));
    expect(await f.engine.setJobState(id, 'cancel')).toBe(0x0020_001a);
    expect(await f.ended()).toHaveLength(1);
    expect(f.problems).toHaveLength(1);
  });

  it('ends a job once, however many callers ask at the same time', async () => {
    const id = await f.create('a');
    const outcomes = await Promise.allSettled([
      f.engine.setJobState(id, 'cancel'),
      f.engine.setJobState(id, 'complete'),
      f.engine.setJobState(id, 'resume'),
    ]);
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['fulfilled', 'rejected', 'rejected']);
    expect(await f.ended()).toHaveLength(1);
  });

  it('cancels a job that nobody touched for 90 days, and keeps why', async () => {
    const id = await f.create('a', { suspend: true });
    await f.clock.advance(89 * days);
    await f.engine.modifyJob(id, { description: 'still wanted' });
    await f.clock.advance(89 * days);
    expect(await f.state(id)).toBe('suspended');
    await f.clock.advance(1 * days);
    expect(await f.ended()).toMatchObject([{ jobId: id, state: 'cancelled', reason: 'inactive for 90 days' }]);
    expect(f.transfers.discarded).toEqual(['/srv/a']);
  });

  it('shows phases: queued, connecting, transferring, verifying, waiting, done', async () => {
    const id = await f.create('a');
    await f.engine.addFile(id, 'http://origin.example/b', '/srv/b');
    const phases = async () => [
      (await f.engine.getFileDetails(id, 0)).phase,
      (await f.engine.getFileDetails(id, 1)).phase,
    ];
    expect(await phases()).toEqual(['connecting', 'queued']);
    f.transfers.at('a').receive(1);
    expect(await phases()).toEqual(['transferring', 'queued']);
    f.transfers.at('a').succeed(100, 'ab'.repeat(32));
    await f.settle();
    expect(await phases()).toEqual(['done', 'connecting']);
    expect(await f.engine.getFileDetails(id, 0)).toMatchObject({ sha256: 'ab'.repeat(32) });
    f.transfers.at('b').fail('transfer/timed-out', { origin: 'http://origin.example' });
    await f.settle();
    expect(await f.engine.getFileDetails(id, 1)).toMatchObject({
      phase: 'waiting',
      waitReason: 'http://origin.example did not answer in time',
      nextAttempt: toFiletime(f.clock.now() + 600 * seconds),
    });
    await f.engine.setJobState(id, 'suspend');
    expect(await f.engine.getFileDetails(id, 1)).toMatchObject({
      phase: 'waiting',
      waitReason: 'suspended',
      nextAttempt: 0n,
    });
  });

  it('passes digest expectations on, also to a running transfer, and freezes them once the file is there', async () => {
    const id = await f.create('a');
    await f.engine.modifyFileDetails(id, 0, { expectedSha256: 'AB'.repeat(32) });
    expect(f.transfers.at('a').expected).toEqual({ expectedSha256: 'ab'.repeat(32), computeSha256: false });
    await f.engine.setJobState(id, 'suspend');
    await f.engine.setJobState(id, 'resume');
    await f.settle();
    expect(f.transfers.at('a').request.expectedSha256).toBe('ab'.repeat(32));
    f.transfers.at('a').succeed();
    await f.settle();
    await expect(f.engine.modifyFileDetails(id, 0, { computeSha256: true })).rejects.toMatchObject({
      hresult: 0x8020_0002,
    });
  });

  it('saves progress at most once per second, and reports it at once', async () => {
    const id = await f.create('a');
    f.transfers.at('a').receive(1);
    await f.settle();
    let saves = 0;
    const save = f.store.save.bind(f.store);
    f.store.save = (job) => {
      saves++;
      return save(job);
    };
    for (let i = 2; i <= 90; i++) {
      f.transfers.at('a').receive(i);
      await f.clock.advance(100);
      expect((await f.engine.getJob(id)).bytesTransferred).toBe(BigInt(i));
    }
    expect(saves).toBeGreaterThan(5);
    expect(saves).toBeLessThanOrEqual(9);
  });

  it('turns an active time of 90 days into BG_E_MAXDOWNLOAD_TIMEOUT; Resume starts the count again', async () => {
    const id = await f.create('a');
    f.transfers.at('a').receive(1);
    await f.clock.advance(90 * days + minutes);
    expect(await f.state(id)).toBe('error');
    expect((await f.engine.getError(id, 0)).code).toBe(0x8020_0054);
    await f.engine.setJobState(id, 'resume');
    await f.clock.advance(89 * days);
    expect(await f.state(id)).not.toBe('error');
  });
});
