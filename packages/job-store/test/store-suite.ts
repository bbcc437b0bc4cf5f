import { type EndedJob, sizeUnknown } from '@carmine/core';
import type { JobStore, StoredFile, StoredJob } from '@carmine/job-store';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

export function sampleJob(sequence: number, changes: Partial<StoredJob> = {}): StoredJob {
  return {
    jobId: `{00000000-0000-4000-8000-${String(sequence).padStart(12, '0')}}`,
    sequence,
    displayName: 'Größe & <Name>',
    description: '',
    priority: 'normal',
    minimumRetryDelay: 600,
    noProgressTimeout: 1_209_600,
    serviceAccount: 'NetworkService',
    owner: 'S-1-5-20',
    state: 'suspended',
    files: [
      {
        remoteUrl: 'https://files.example/a',
        localFile: '/srv/a',
        ranges: null,
        temporaryName: 'BIT0.tmp',
        bytesTotal: sizeUnknown,
        bytesTransferred: 0n,
        transferred: false,
        renamed: false,
        sha256: null,
        expectedSha256: null,
        computeSha256: false,
      },
    ],
    creationTime: 134_000_000_000_000_001n,
    modificationTime: 134_000_000_000_000_002n,
    completionTime: 0n,
    transientErrorCount: 0,
    error: null,
    lastError: 0,
    nextAttempt: 0n,
    lastProgress: 0n,
    lastActivity: 0n,
    activeSeconds: 0,
    ending: null,
    credentials: [],
    clientCertificate: null,
    proxy: { usage: 'preconfig' },
    ...changes,
  };
}

export function sampleEnded(job: StoredJob, reason = 'completed'): EndedJob {
  return {
    jobId: job.jobId,
    displayName: job.displayName,
    description: job.description,
    state: 'acknowledged',
    owner: job.owner,
    filesTotal: 1,
    filesTransferred: 1,
    bytesTotal: 5_000_000_000n,
    bytesTransferred: 5_000_000_000n,
    jobCreationTime: job.creationTime,
    endTime: job.modificationTime,
    reason,
    lastError: 0x8019_0194,
  };
}

export async function listEnded(store: JobStore): Promise<EndedJob[]> {
  const all: EndedJob[] = [];
  for await (const job of store.listEnded()) all.push(job);
  return all;
}

/** What every job store does. `reopen` gives a store over what the first one left; absent where nothing is left. */
export function jobStoreSuite(
  name: string,
  open: () => Promise<{ readonly store: JobStore; reopen?(): Promise<JobStore>; dispose(): Promise<void> }>,
): void {
  describe(`JobStore: ${name}`, () => {
    let fixture: Awaited<ReturnType<typeof open>>;
    let store: JobStore;
    beforeEach(async () => {
      fixture = await open();
      store = fixture.store;
    });
    afterEach(() => fixture.dispose());

    it('gives back exactly what was saved, bytes and 64-bit integers included', async () => {
      const job = sampleJob(1, {
        state: 'transientError',
        error: { code: 0x8007_2efe, context: 'generalTransport', message: 'lost', fileIndex: 0 },
        credentials: [{ target: 'server', scheme: 'ntlm', userName: 'u', password: 'pässwörd' }],
        clientCertificate: { by: 'hash', location: 'localMachine', store: 'MY', hash: Uint8Array.of(1, 2, 255) },
        proxy: { usage: 'noProxy', proxyList: null },
        ending: { action: 'complete', reason: 'completed' },
        files: sampleJob(1).files.map((file) => ({ ...file, ranges: [{ offset: 2 ** 40, length: 5 }, { offset: 0 }] })),
      });
      await store.save(job);
      expect(await store.load()).toEqual([job]);
    });

    it('replaces by id and lists in order of creation', async () => {
      const [first, second] = [sampleJob(1), sampleJob(2)];
      await store.save(second);
      await store.save(first);
      await store.save({ ...second, state: 'queued', credentials: [] });
      expect(await store.load()).toEqual([first, { ...second, state: 'queued' }]);
    });

    it('keeps the files of a job as they were last saved: more, fewer, others', async () => {
      const [file] = sampleJob(1).files;
      const named = (...names: string[]) => names.map((localFile) => ({ ...file, localFile }) as StoredFile);
      const abc = named('a', 'b', 'c');
      const lists = [abc, abc.slice(0, 1), [...abc.slice(0, 1), ...named('d', 'e')], [], named('x')];
      for (const files of lists) {
        await store.save(sampleJob(1, { files }));
        await store.save(sampleJob(2, { files: abc }));
        expect((await store.load()).map((job) => job.files)).toEqual([files, abc]);
      }
      // With the id of one that ended there is nothing of it left.
      await store.end(sampleEnded(sampleJob(2)));
      await store.save(sampleJob(2, { files: abc.slice(1) }));
      expect((await store.load())[1]?.files).toEqual(abc.slice(1));
    });

    it('forgets credentials that were removed', async () => {
      const credentials = [{ target: 'server', scheme: 'basic', userName: 'u', password: 'p' }] as const;
      await store.save(sampleJob(1, { credentials }));
      await store.save(sampleJob(1));
      expect((await store.load())[0]?.credentials).toEqual([]);
    });

    it('does not share objects with its callers', async () => {
      const job = sampleJob(1);
      await store.save(job);
      const [loaded] = await store.load();
      (loaded as { displayName: string }).displayName = 'changed';
      expect((await store.load())[0]?.displayName).toBe(job.displayName);
    });

    it('moves an ended job to the history', async () => {
      const [first, second] = [sampleJob(1), sampleJob(2)];
      await store.save(first);
      await store.save(second);
      await store.end(sampleEnded(first, 'cancelled by request'));
      expect(await store.load()).toEqual([second]);
      await store.end(sampleEnded(second));
      expect(await store.load()).toEqual([]);
      expect(await listEnded(store)).toEqual([sampleEnded(first, 'cancelled by request'), sampleEnded(second)]);
    });

    it('lists a long history completely and in order', async () => {
      for (let i = 0; i < 250; i++) await store.end(sampleEnded(sampleJob(i), `reason ${i}`));
      expect((await listEnded(store)).map((job) => job.reason)).toEqual(
        Array.from({ length: 250 }, (_, i) => `reason ${i}`),
      );
    });

    it('keeps jobs and history over a restart, where it can', async () => {
      const job = sampleJob(1, {
        credentials: [{ target: 'server', scheme: 'ntlm', userName: 'u', password: 'secret' }],
      });
      await store.save(job);
      await store.save(sampleJob(2));
      await store.end(sampleEnded(sampleJob(2)));
      await store.close();
      const again = fixture.reopen === undefined ? store : await fixture.reopen();
      expect(await again.load()).toEqual([job]);
      expect(await listEnded(again)).toEqual([sampleEnded(sampleJob(2))]);
    });
  });
}
