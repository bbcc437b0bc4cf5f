import type { JobProvider, JobSnapshot } from '@carmine/core';

/** A provider with one job; what is fuzzed stands before it. */
export function fuzzJobs(): JobProvider {
  const job: JobSnapshot = {
    jobId: '{00000000-0000-4000-8000-000000000001}',
    displayName: 'fuzz',
    description: 'ü 😀',
    priority: 'normal',
    minimumRetryDelay: 600,
    noProgressTimeout: 1_209_600,
    files: [
      {
        remoteUrl: 'http://origin.example/file',
        localFile: '/inbox/file',
        bytesTotal: 5n,
        bytesTransferred: 1n,
        completed: false,
      },
    ],
    jobCreationTime: 1n,
    jobLastModificationTime: 2n,
    jobCompletionTime: 0n,
    bytesTotal: 5n,
    bytesTransferred: 1n,
    filesTotal: 1,
    filesTransferred: 0,
    transientErrorCount: 0,
    state: 'suspended',
    owner: 'S-1-5-20',
  } as JobSnapshot;
  const done = async () => 0 as const;
  return {
    async *listJobs() {
      yield job;
    },
    getJob: async () => job,
    createJob: async () => job.jobId,
    addFile: done,
    setJobState: done,
    modifyJob: async () => {},
    setCredentials: done,
    removeCredentials: done,
    getError: async () => ({ context: 'none', code: 0, contextDescription: '', errorDescription: '' }),
    setClientCertificate: done,
    removeClientCertificate: done,
    setProxySettings: done,
  };
}
