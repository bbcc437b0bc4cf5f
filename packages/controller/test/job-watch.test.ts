import { MemoryJobs } from '@carmine/compliance';
import type { JobProvider, JobSnapshot } from '@carmine/core';
import { CarmineError } from '@carmine/errors';
import { FakeClock, settle } from '@carmine/testkit';
import { describe, expect, it } from 'vitest';
import { JobWatch } from '../src/index.ts';

function sleeper(clock: FakeClock) {
  return (milliseconds: number, signal?: AbortSignal) =>
    new Promise<void>((resolve, reject) => {
      if (signal?.aborted === true) return reject(new CarmineError('internal/aborted'));
      const cancel = clock.after(milliseconds, resolve);
      signal?.addEventListener(
        'abort',
        () => {
          cancel();
          reject(new CarmineError('internal/aborted'));
        },
        { once: true },
      );
    });
}

async function watching(watchJob?: JobProvider['watchJob'], signal?: AbortSignal) {
  const clock = new FakeClock();
  const memory = new MemoryJobs();
  const jobId = await memory.createJob({ displayName: 'x', remoteUrl: 'http://o/', localFile: '/x', suspend: true });
  const jobs = { watchJob: watchJob ?? ((id: string, options) => memory.watchJob(id, options)) } satisfies Pick<
    JobProvider,
    'watchJob'
  >;
  const watch = new JobWatch({ jobs, jobId, sleep: sleeper(clock), pollInterval: 500, signal });
  await settle();
  /** What `next` gives, and after how many milliseconds. */
  const next = async (limit?: number): Promise<readonly [JobSnapshot['state'] | 'look', number]> => {
    const began = clock.now();
    let given: JobSnapshot['state'] | 'look' | undefined;
    const pending = watch.next(limit).then((job) => {
      given = job?.state ?? 'look';
    });
    while (given === undefined) {
      await settle();
      if (given === undefined && clock.next !== undefined) await clock.advance(clock.next - clock.now());
    }
    await pending;
    return [given, clock.now() - began];
  };
  return { clock, memory, jobId, watch, next };
}

describe('JobWatch', () => {
  it('asks for one look when the machine begins to tell, and then passes on what it is told', async () => {
    const { memory, jobId, next, watch, clock } = await watching();
    expect(await next()).toEqual(['look', 0]);
    memory.force(jobId, 'connecting');
    expect(await next()).toEqual(['connecting', 0]);
    await watch.close();
    expect(clock.next).toBeUndefined();
  });

  it.each(['transferred', 'error'] as const)('asks for a look when the job is %s', async (state) => {
    const { memory, jobId, next } = await watching();
    await next();
    memory.force(jobId, state);
    expect(await next()).toEqual(['look', 0]);
  });

  it('asks for a look when nothing was told for long, and at the limit, and misses nothing meanwhile', async () => {
    const { memory, jobId, next } = await watching();
    await next();
    expect(await next()).toEqual(['look', 30_000]);
    expect(await next(5_000)).toEqual(['look', 5_000]);
    memory.force(jobId, 'connecting');
    expect(await next()).toEqual(['connecting', 0]);
  });

  it.each<[string, JobProvider['watchJob']]>([
    ['refuses', async () => Promise.reject(new CarmineError('cim/not-supported'))],
    ['fails', async () => Promise.reject(new Error('x'))],
    ['never answers', () => new Promise(() => {})],
  ])('looks from time to time when the machine %s', async (_, watchJob) => {
    const { next } = await watching(watchJob);
    const [first] = await next();
    expect(first).toBe('look');
    expect(await next()).toEqual(['look', 500]);
    expect(await next(100)).toEqual(['look', 100]);
  });

  it('goes on looking when the machine no longer tells, and when the job is gone', async () => {
    const broken = async () =>
      (async function* (): AsyncIterable<JobSnapshot> {
        yield* [] as JobSnapshot[];
        throw new CarmineError('wsman/unreachable', { context: { target: 'x', reason: 'y' } });
      })();
    const first = await watching(broken);
    await first.next();
    expect(await first.next()).toEqual(['look', 0]);
    expect(await first.next()).toEqual(['look', 500]);
    const second = await watching();
    await second.next();
    await second.memory.setJobState(second.jobId, 'cancel');
    expect(await second.next()).toEqual(['look', 0]);
    expect(await second.next()).toEqual(['look', 500]);
  });

  it('stops waiting when its signal aborts', async () => {
    const controller = new AbortController();
    const { watch, next, clock } = await watching(undefined, controller.signal);
    await next();
    const waiting = watch.next();
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'internal/aborted' });
    await watch.close();
    expect(clock.next).toBeUndefined();
  });

  it('does not wait for a machine that does not let go', async () => {
    const stuck: AsyncIterable<JobSnapshot> = {
      [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}), return: () => new Promise(() => {}) }),
    };
    const { watch, clock } = await watching(async () => stuck);
    const closed = watch.close();
    await clock.advance(2_000);
    await closed;
    expect(clock.next).toBeUndefined();
  });
});
