import type { JobProvider, JobSnapshot } from '@carmine/core';
import { CarmineError } from '@carmine/errors';

/**
 * Jobs that always say the same and do nothing: what the torture tests manage. `onCall` is told of every call, so that an
 * action of somebody who may not act cannot go unnoticed.
 */
export function countingJobs(onCall: (method: keyof JobProvider) => void): JobProvider {
  const called = async <T>(method: keyof JobProvider, value: T): Promise<T> => {
    onCall(method);
    return value;
  };
  return {
    async *listJobs() {
      onCall('listJobs');
      yield job;
      yield { ...job, jobId: '{00000000-0000-4000-8000-000000000002}', state: 'error' };
    },
    getJob: () => called('getJob', job),
    createJob: () => called('createJob', job.jobId),
    addFile: () => called('addFile', 0),
    setJobState: () => called('setJobState', 0),
    modifyJob: () => called('modifyJob', undefined),
    setCredentials: () => called('setCredentials', 0),
    removeCredentials: () => called('removeCredentials', 0),
    async getError() {
      onCall('getError');
      throw new CarmineError('job/no-error-information');
    },
    setClientCertificate: () => called('setClientCertificate', 0),
    removeClientCertificate: () => called('removeClientCertificate', 0),
    setProxySettings: () => called('setProxySettings', 0),
  };
}

const time = 134_000_000_000_000_000n;
const job: JobSnapshot = {
  jobId: '{00000000-0000-4000-8000-000000000001}',
  displayName: 'copy <of> "a&b"',
  description: 'ünïcödé 漢字',
  priority: 'normal',
  minimumRetryDelay: 600,
  noProgressTimeout: 1_209_600,
  files: [
    {
      remoteUrl: 'https://host/images/a%20b.vhdx',
      localFile: '/srv/inbox/a b.vhdx',
      bytesTotal: 1_000_000n,
      bytesTransferred: 400_000n,
      completed: false,
    },
  ],
  jobCreationTime: time,
  jobLastModificationTime: time,
  jobCompletionTime: 0n,
  bytesTotal: 1_000_000n,
  bytesTransferred: 400_000n,
  filesTotal: 1,
  filesTransferred: 0,
  transientErrorCount: 0,
  state: 'transferring',
  owner: 'S-1-5-20',
};
