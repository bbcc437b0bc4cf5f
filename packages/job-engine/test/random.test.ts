import { type JobAction, jobActions, jobPriorities } from '@carmine/core';
import { isCarmineError } from '@carmine/errors';
import { SeededRandom } from '@carmine/testkit';
import { describe, expect, it } from 'vitest';
import { EngineFixture, minutes, seconds } from './support/engine-fixture.ts';

describe('random lives of many jobs', () => {
  it.each(Array.from({ length: 40 }, (_, seed) => seed))(
    'seed %i: no job vanishes, turns are given as they must',
    async (seed) => {
      const dice = new SeededRandom(seed);
      const f = await EngineFixture.start();
      const created: string[] = [];
      for (let step = 0; step < 120; step++) {
        const running = [...f.transfers.running.values()];
        const jobId = created.length === 0 ? undefined : dice.pick(created);
        switch (dice.below(10)) {
          case 0:
            created.push(await f.create(`job-${created.length}`, { suspend: dice.below(3) === 0 }));
            break;
          case 1:
          case 2:
            if (jobId !== undefined) await act(f, jobId, dice.pick<JobAction>(jobActions));
            break;
          case 3:
            if (jobId !== undefined) {
              await f.engine.modifyJob(jobId, { priority: dice.pick(jobPriorities) }).catch(onlyKnown);
            }
            break;
          case 4:
            if (jobId !== undefined) {
              await f.engine.addFile(jobId, `http://origin.example/more-${step}`, `/srv/more-${step}`).catch(onlyKnown);
            }
            break;
          case 5:
            if (running.length > 0) dice.pick(running).receive(1 + dice.below(99));
            break;
          case 6:
            if (running.length > 0) dice.pick(running).succeed();
            break;
          case 7:
            if (running.length > 0)
              dice.pick(running).fail(dice.pick(['transfer/timed-out', 'transfer/no-ranges'] as const));
            break;
          case 8:
            await f.clock.advance(dice.below(15) * minutes + seconds);
            break;
          default:
            if (dice.below(4) === 0) await f.restart();
            break;
        }
        await f.settle();
        await check(f, created);
      }
      expect(f.problems).toEqual([]);
    },
  );
});

async function act(f: EngineFixture, jobId: string, action: JobAction): Promise<void> {
  await f.engine.setJobState(jobId, action).catch(onlyKnown);
}

/** Ended jobs are not found, and the machine forbids some actions; anything else is a bug. */
function onlyKnown(error: unknown): void {
  if (!isCarmineError(error, 'job/not-found') && !isCarmineError(error, 'job/invalid-state')) throw error;
}

async function check(f: EngineFixture, created: readonly string[]): Promise<void> {
  const listed = [];
  for await (const job of f.engine.listJobs()) listed.push(job);
  const ended = await f.ended();
  expect([...listed, ...ended].map((job) => job.jobId).sort()).toEqual([...created].sort());
  expect(ended.every((job) => job.reason !== '')).toBe(true);
  const active = listed.filter((job) => job.state === 'connecting' || job.state === 'transferring');
  const background = active.filter((job) => job.priority !== 'foreground');
  const queued = listed.filter((job) => job.state === 'queued');
  // One transfer per active job, all foreground jobs at work, one background job if there is any to run.
  expect(f.transfers.running.size).toBe(active.length);
  expect(queued.filter((job) => job.priority === 'foreground')).toEqual([]);
  expect(background.length).toBe(queued.length + background.length > 0 ? 1 : 0);
  const level = (job: { readonly priority: (typeof jobPriorities)[number] }) => jobPriorities.indexOf(job.priority);
  for (const job of queued) expect(level(job)).toBeGreaterThanOrEqual(level(background[0] ?? job));
  for (const job of listed) {
    expect(job.filesTransferred).toBeLessThanOrEqual(job.filesTotal);
    if (job.state === 'transferred') expect(job.filesTransferred).toBe(job.filesTotal);
  }
  // The store says the same.
  expect((await f.store.load()).map((job) => `${job.jobId} ${job.state}`).sort()).toEqual(
    listed.map((job) => `${job.jobId} ${job.state}`).sort(),
  );
}
