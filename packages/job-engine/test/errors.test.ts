import { toFiletime } from '@carmine/core';
import { CarmineError } from '@carmine/errors';
import { beforeEach, describe, expect, it } from 'vitest';
import { days, EngineFixture, seconds } from './support/engine-fixture.ts';

describe('errors and retries', () => {
  let f: EngineFixture;
  let id: string;
  beforeEach(async () => {
    f = await EngineFixture.start();
    id = await f.create('a');
  });

  it('waits MinimumRetryDelay after a transient error and tries again', async () => {
    f.transfers.at('a').fail('transfer/connection-lost', { origin: 'x' });
    expect(await f.state(id)).toBe('transientError');
    expect(await f.engine.getError(id, 1033)).toMatchObject({ code: 0x8007_2efe, context: 'remoteFile' });
    expect(await f.engine.getJob(id)).toMatchObject({ transientErrorCount: 1 });
    await f.clock.advance(599 * seconds);
    expect(f.transfers.requests).toHaveLength(1);
    await f.clock.advance(1 * seconds);
    expect(await f.state(id)).toBe('connecting');
    expect(f.transfers.requests).toHaveLength(2);
    // The report stays until the job is out of trouble.
    await expect(f.engine.getError(id, 0)).rejects.toMatchObject({ hresult: 0x8020_000f });
    f.transfers.at('a').fail('transfer/connection-lost', { origin: 'x' });
    await f.settle();
    expect(await f.engine.getJob(id)).toMatchObject({ transientErrorCount: 2 });
  });

  it('waits as long as the server says, when that is longer than its own delay', async () => {
    const busy = (retryAfter: string) =>
      f.transfers.at('a').fail('transfer/http-status-transient', { status: 503, retryAfter });
    busy('1800');
    expect(await f.state(id)).toBe('transientError');
    await f.clock.advance(1_799 * seconds);
    expect(await f.state(id)).toBe('transientError');
    await f.clock.advance(1 * seconds);
    expect(await f.state(id)).toBe('connecting');
    // Its own delay is 600 s.
    busy('5');
    expect(await f.state(id)).toBe('transientError');
    await f.clock.advance(599 * seconds);
    expect(await f.state(id)).toBe('transientError');
    await f.clock.advance(1 * seconds);
    expect(await f.state(id)).toBe('connecting');
  });

  it('raises a MinimumRetryDelay below 5 to 5', async () => {
    await f.engine.modifyJob(id, { minimumRetryDelay: 0 });
    expect(await f.engine.getJob(id)).toMatchObject({ minimumRetryDelay: 5 });
    f.transfers.at('a').fail('transfer/connect');
    await f.clock.advance(5 * seconds);
    expect(f.transfers.requests).toHaveLength(2);
  });

  it('retries at once on Resume', async () => {
    f.transfers.at('a').fail('transfer/connect');
    await f.settle();
    await f.engine.setJobState(id, 'resume');
    expect(await f.state(id)).toBe('connecting');
    await f.clock.advance(600 * seconds);
    expect(f.transfers.requests).toHaveLength(2);
  });

  it.each([
    ['transfer/http-status', { status: 404 }, 'remoteFile'],
    ['transfer/no-ranges', {}, 'remoteFile'],
    ['transfer/digest-mismatch', { actual: '1', expected: '2' }, 'remoteFile'],
    ['file/access-denied', { path: '/srv/a' }, 'localFile'],
  ] as const)('stops in error on %s, keeps the report, and leaves it on Resume', async (code, context, expected) => {
    f.transfers.at('a').receive(10);
    await f.settle();
    f.transfers.at('a').fail(code, context);
    expect(await f.state(id)).toBe('error');
    expect((await f.engine.getError(id, 0)).context).toBe(expected);
    await f.clock.advance(30 * days);
    expect(f.transfers.requests).toHaveLength(1);
    await f.engine.setJobState(id, 'resume');
    expect(await f.state(id)).toBe('connecting');
    await expect(f.engine.getError(id, 0)).rejects.toMatchObject({ code: 'job/no-error-information' });
  });

  it('describes an HTTP error as Windows does', async () => {
    // The registry has no HRESULT for this code: the raiser computes it.
    f.transfers.at('a').fail('transfer/authentication');
    await f.settle();
    const report = await f.engine.getError(id, 0);
    expect(report.code).toBe(0x8019_0191);
    expect(report.errorDescription).toContain('(0x80190191)');
    expect(report.contextDescription).toContain('remote file');
  });

  it('turns into an error when there was no progress for NoProgressTimeout; the last error stays the report', async () => {
    await f.engine.modifyJob(id, { noProgressTimeout: 1_500 });
    for (let attempt = 0; attempt < 2; attempt++) {
      f.transfers.at('a').fail('transfer/name-not-resolved', { host: 'h' });
      await f.clock.advance(600 * seconds);
    }
    f.transfers.at('a').fail('transfer/name-not-resolved', { host: 'h' });
    expect(await f.state(id)).toBe('transientError');
    await f.clock.advance(299 * seconds);
    expect(await f.state(id)).toBe('transientError');
    await f.clock.advance(1 * seconds);
    expect(await f.state(id)).toBe('error');
    expect((await f.engine.getError(id, 0)).code).toBe(0x8007_2ee7);
  });

  it('restarts the no-progress timer with progress', async () => {
    await f.engine.modifyJob(id, { noProgressTimeout: 900 });
    f.transfers.at('a').fail('transfer/timed-out');
    await f.clock.advance(600 * seconds);
    f.transfers.at('a').receive(50);
    f.transfers.at('a').fail('transfer/timed-out');
    await f.clock.advance(599 * seconds);
    expect(await f.state(id)).toBe('transientError');
    await f.clock.advance(1 * seconds);
    expect(await f.state(id)).toBe('connecting');
  });

  it('is in error at once when NoProgressTimeout is 0 or smaller than the retry delay', async () => {
    await f.engine.modifyJob(id, { noProgressTimeout: 0 });
    f.transfers.at('a').fail('transfer/timed-out');
    expect(await f.state(id)).toBe('error');
  });

  it('keeps only what is at fault: other jobs go on', async () => {
    const other = await f.create('b');
    f.transfers.at('a').fail('transfer/http-status', { status: 404 });
    expect(await f.state(other)).toBe('connecting');
  });

  it('shows bytes going to 0 when the content was wrong', async () => {
    f.transfers.at('a').receive(100);
    await f.settle();
    f.transfers.disk.set(f.transfers.at('a').request.temporaryName, { length: 100, transferred: 0, finished: false });
    f.transfers.at('a').request.onProgress();
    f.transfers.at('a').fail('transfer/digest-mismatch', { actual: '1', expected: '2' });
    expect(await f.state(id)).toBe('error');
    expect(await f.engine.getJob(id)).toMatchObject({ bytesTransferred: 0n, filesTransferred: 0 });
  });

  it('goes on when the store fails for a while, and loses nothing', async () => {
    const save = f.store.save.bind(f.store);
    f.store.save = () => Promise.reject(new CarmineError('file/disk-full', { context: { path: 'db' } }));
    f.transfers.at('a').succeed();
    await f.clock.advance(20 * seconds);
    expect(f.problems.length).toBeGreaterThan(0);
    await expect(f.engine.modifyJob(id, { description: 'x' })).rejects.toMatchObject({ code: 'file/disk-full' });
    expect(await f.engine.getJob(id)).toMatchObject({ description: '' });
    f.store.save = save;
    await f.clock.advance(10 * seconds);
    expect(await f.state(id)).toBe('transferred');
  });

  it('says when it is tried again', async () => {
    f.transfers.at('a').fail('transfer/timed-out');
    await f.settle();
    expect((await f.engine.getFileDetails(id, 0)).nextAttempt).toBe(toFiletime(f.clock.now() + 600 * seconds));
  });
});
