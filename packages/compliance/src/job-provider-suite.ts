import type { JobExtensions, JobProvider, JobSnapshot } from '@carmine/core';
import { isCarmineError } from '@carmine/errors';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

/** A provider under test with whatever it stands on. */
export interface JobProviderFixture {
  readonly provider: JobProvider & JobExtensions;
  /** A URL and paths that the provider accepts; nothing needs to answer at the URL. */
  readonly remoteUrl: string;
  localFile(name: string): string;
  close(): Promise<void>;
}

const unknownJob = '{00000000-0000-0000-0000-000000000000}';

/** What every JobProvider does, whatever is between it and the caller. */
export function jobProviderSuite(name: string, open: () => Promise<JobProviderFixture>): void {
  describe(`JobProvider: ${name}`, () => {
    let fixture: JobProviderFixture;
    let jobs: JobProvider & JobExtensions;
    let number = 0;
    beforeEach(async () => {
      fixture = await open();
      jobs = fixture.provider;
    });
    afterEach(() => fixture.close());

    const create = (changes: Partial<Parameters<JobProvider['createJob']>[0]> = {}) =>
      jobs.createJob({
        displayName: 'suite',
        remoteUrl: fixture.remoteUrl,
        localFile: fixture.localFile(`file-${++number}`),
        suspend: true,
        ...changes,
      });

    it('creates a suspended job with its first file and the documented defaults', async () => {
      const localFile = fixture.localFile('first');
      const jobId = await create({ displayName: 'Größe & <Name>', description: 'a "description"', localFile });
      expect(jobId).toMatch(/^\{[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}\}$/);
      const job = await jobs.getJob(jobId);
      expect(job).toMatchObject({
        jobId,
        displayName: 'Größe & <Name>',
        description: 'a "description"',
        state: 'suspended',
        priority: 'normal',
        minimumRetryDelay: 600,
        noProgressTimeout: 1_209_600,
        filesTotal: 1,
        filesTransferred: 0,
        bytesTotal: 0xffff_ffff_ffff_ffffn,
        bytesTransferred: 0n,
        jobCompletionTime: 0n,
        transientErrorCount: 0,
        owner: 'S-1-5-20',
      });
      expect(job.files).toEqual([
        {
          remoteUrl: fixture.remoteUrl,
          localFile,
          bytesTotal: 0xffff_ffff_ffff_ffffn,
          bytesTransferred: 0n,
          completed: false,
        },
      ]);
      expect(job.jobCreationTime).toBeGreaterThan(0n);
    });

    it('finds a job by its id in any case, and lists what was created', async () => {
      const [a, b] = [await create(), await create()];
      expect((await jobs.getJob(a.toLowerCase())).jobId).toBe(a);
      expect((await list(jobs)).map((job) => job.jobId).sort()).toEqual([a, b].sort());
    });

    it('adds files in order', async () => {
      const jobId = await create();
      const second = fixture.localFile('second');
      expect(await jobs.addFile(jobId, fixture.remoteUrl, second)).toBe(0);
      const job = await jobs.getJob(jobId);
      expect(job.filesTotal).toBe(2);
      expect(job.files[1]?.localFile).toBe(second);
    });

    it('changes exactly the five writable properties that are given', async () => {
      const jobId = await create({ description: 'kept' });
      await jobs.modifyJob(jobId, { displayName: 'new', priority: 'foreground', minimumRetryDelay: 61 });
      expect(await jobs.getJob(jobId)).toMatchObject({
        displayName: 'new',
        description: 'kept',
        priority: 'foreground',
        minimumRetryDelay: 61,
        noProgressTimeout: 1_209_600,
      });
      await jobs.modifyJob(jobId, { noProgressTimeout: 3600, description: '' });
      expect(await jobs.getJob(jobId)).toMatchObject({ noProgressTimeout: 3600, description: '' });
    });

    it('cancels: the job is no longer listed, and how it ended is kept', async () => {
      const jobId = await create({ displayName: 'short life' });
      expect(await jobs.setJobState(jobId, 'cancel')).toBe(0);
      expect(await list(jobs)).toEqual([]);
      await expect(jobs.getJob(jobId)).rejects.toSatisfy((error) => isCarmineError(error, 'job/not-found'));
      const ended = [];
      for await (const job of jobs.listEndedJobs()) ended.push(job);
      expect(ended).toMatchObject([{ jobId, displayName: 'short life', state: 'cancelled', filesTotal: 1 }]);
      expect(ended[0]?.reason).not.toBe('');
    });

    it('suspends a suspended job without effect, and completes partially with BG_S_PARTIAL_COMPLETE', async () => {
      const jobId = await create();
      expect(await jobs.setJobState(jobId, 'suspend')).toBe(0);
      expect((await jobs.getJob(jobId)).state).toBe('suspended');
      expect(await jobs.setJobState(jobId, 'complete')).toBe(0x0020_0017);
      await expect(jobs.getJob(jobId)).rejects.toSatisfy((error) => isCarmineError(error, 'job/not-found'));
    });

    it('has no error details while there is no error', async () => {
      const jobId = await create();
      await expect(jobs.getError(jobId, 0)).rejects.toMatchObject({ hresult: 0x8020_000f });
    });

    it('stores and removes credentials, proxy and digest settings', async () => {
      const jobId = await create();
      const credentials = { target: 'server', scheme: 'ntlm', userName: 'u', password: 'p "&<' } as const;
      expect(await jobs.setCredentials(jobId, credentials)).toBe(0);
      expect(await jobs.removeCredentials(jobId, 'server', 'ntlm')).toBe(0);
      expect(await jobs.setProxySettings(jobId, { usage: 'noProxy' })).toBe(0);
      expect(await jobs.removeClientCertificate(jobId)).toBe(0);
      const expectedSha256 = 'ab'.repeat(32);
      await jobs.modifyFileDetails(jobId, 0, { expectedSha256, computeSha256: true });
      expect(await jobs.getFileDetails(jobId, 0)).toMatchObject({
        jobId,
        fileIndex: 0,
        expectedSha256,
        computeSha256: true,
        sha256: null,
      });
      await jobs.modifyFileDetails(jobId, 0, { expectedSha256: null });
      expect(await jobs.getFileDetails(jobId, 0)).toMatchObject({ expectedSha256: null, computeSha256: true });
    });

    it('refuses what it cannot do with the documented HRESULT', async () => {
      await expect(create({ type: 'upload' })).rejects.toMatchObject({ hresult: 0x8000_4001 });
      await expect(create({ remoteUrl: 'not a url' })).rejects.toMatchObject({ hresult: 0x8007_2ee5 });
      expect(await list(jobs)).toEqual([]);
    });

    it('answers job/not-found for every call on an unknown job', async () => {
      const calls: Promise<unknown>[] = [
        jobs.getJob(unknownJob),
        jobs.addFile(unknownJob, fixture.remoteUrl, fixture.localFile('x')),
        jobs.setJobState(unknownJob, 'resume'),
        jobs.modifyJob(unknownJob, { description: 'x' }),
        jobs.setCredentials(unknownJob, { target: 'server', scheme: 'basic', userName: 'u', password: 'p' }),
        jobs.removeCredentials(unknownJob, 'server', 'basic'),
        jobs.getError(unknownJob, 0),
        jobs.removeClientCertificate(unknownJob),
        jobs.setProxySettings(unknownJob, { usage: 'noProxy' }),
        jobs.getFileDetails(unknownJob, 0),
      ];
      for (const outcome of await Promise.allSettled(calls)) {
        expect(outcome.status === 'rejected' && isCarmineError(outcome.reason, 'job/not-found')).toBe(true);
      }
    });
  });
}

async function list(jobs: JobProvider): Promise<JobSnapshot[]> {
  const all: JobSnapshot[] = [];
  for await (const job of jobs.listJobs()) all.push(job);
  return all;
}
