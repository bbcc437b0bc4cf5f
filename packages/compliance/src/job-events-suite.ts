import type { JobProvider, JobSnapshot } from '@carmine/core';
import { settle } from '@carmine/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

/** A provider that tells of changes, with whatever it stands on. */
export interface JobEventsFixture {
  readonly provider: JobProvider & Required<Pick<JobProvider, 'watchJob'>>;
  /** A URL and paths that the provider accepts; nothing needs to answer at the URL. */
  readonly remoteUrl: string;
  localFile(name: string): string;
  /** Lets so much time pass, in milliseconds, that everything that happened before has been told. */
  pass(): Promise<void>;
  close(): Promise<void>;
}

/** What everybody does who has `watchJob`, whatever is between them and the jobs. */
export function jobEventsSuite(name: string, open: () => Promise<JobEventsFixture>): void {
  describe(`events of jobs: ${name}`, () => {
    let fixture: JobEventsFixture;
    let number = 0;
    beforeEach(async () => {
      fixture = await open();
    });
    afterEach(() => fixture.close());

    const create = () =>
      fixture.provider.createJob({
        displayName: 'suite',
        remoteUrl: fixture.remoteUrl,
        localFile: fixture.localFile(`file-${++number}`),
        suspend: true,
      });

    it('tells of every change after the subscription stands, with the job as it is then', async () => {
      const jobId = await create();
      const changes = await listen(fixture, jobId);
      await fixture.provider.modifyJob(jobId, { displayName: 'Größe & <Name>' });
      await fixture.pass();
      expect(changes.seen).toEqual([await fixture.provider.getJob(jobId)]);
      expect(changes.seen[0]).toMatchObject({ jobId, displayName: 'Größe & <Name>', filesTotal: 1 });
      await fixture.provider.addFile(jobId, fixture.remoteUrl, fixture.localFile('second'));
      await fixture.pass();
      expect(changes.seen.map(({ filesTotal }) => filesTotal)).toEqual([1, 2]);
      await changes.leave();
    });

    it('says nothing of other jobs, nor of what was before', async () => {
      const [jobId, other] = [await create(), await create()];
      await fixture.provider.modifyJob(jobId, { description: 'before' });
      const changes = await listen(fixture, jobId);
      await fixture.provider.modifyJob(other, { description: 'changed' });
      await fixture.provider.setJobState(other, 'cancel');
      await create();
      await fixture.pass();
      expect(changes.seen).toEqual([]);
      await changes.leave();
    });

    it('finds the job by its id in any case', async () => {
      const jobId = await create();
      const changes = await listen(fixture, jobId.toLowerCase());
      await fixture.provider.modifyJob(jobId, { description: 'changed' });
      await fixture.pass();
      expect(changes.seen).toHaveLength(1);
      await changes.leave();
    });

    it('ends when the job is no longer listed', async () => {
      const jobId = await create();
      const changes = await listen(fixture, jobId);
      await fixture.provider.setJobState(jobId, 'cancel');
      await fixture.pass();
      expect(changes).toMatchObject({ ended: true, error: undefined });
    });

    it('ends for whoever leaves while he waits', async () => {
      const jobId = await create();
      const changes = await listen(fixture, jobId);
      await fixture.pass();
      await changes.leave();
      await settle();
      expect(changes).toMatchObject({ ended: true, error: undefined, seen: [] });
    });

    it('ends for whoever aborts while he waits', async () => {
      const jobId = await create();
      const controller = new AbortController();
      const changes = await listen(fixture, jobId, controller.signal);
      await fixture.pass();
      controller.abort();
      await settle();
      expect(changes).toMatchObject({ ended: true, error: undefined, seen: [] });
    });

    it('serves several at once', async () => {
      const jobId = await create();
      const [a, b] = [await listen(fixture, jobId), await listen(fixture, jobId)];
      await fixture.provider.modifyJob(jobId, { description: 'changed' });
      await fixture.pass();
      await a.leave();
      await fixture.provider.modifyJob(jobId, { description: 'again' });
      await fixture.pass();
      expect([a.seen.length, b.seen.length]).toEqual([1, 2]);
      await b.leave();
    });
  });
}

interface Listening {
  readonly seen: JobSnapshot[];
  ended: boolean;
  error: unknown;
  leave(): Promise<unknown>;
}

async function listen({ provider }: JobEventsFixture, jobId: string, signal?: AbortSignal): Promise<Listening> {
  const iterator = (await provider.watchJob(jobId, { signal }))[Symbol.asyncIterator]();
  const listening: Listening = {
    seen: [],
    ended: false,
    error: undefined,
    leave: async () => iterator.return?.(),
  };
  const run = async (): Promise<void> => {
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next())
      listening.seen.push(next.value);
  };
  run().then(
    () => {
      listening.ended = true;
    },
    (error: unknown) => {
      listening.error = error;
      listening.ended = true;
    },
  );
  return listening;
}
