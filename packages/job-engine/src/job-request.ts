import type { StoredCertificate } from '@carmine/core';
import type { StoredFile, StoredJob } from '@carmine/job-store';
import type { TransferRequest } from './options.ts';

/** What is to be fetched for a file of a job; without the job: only what is there already is looked at. */
export function requestOf(
  file: StoredFile,
  job?: StoredJob,
  clientCertificate?: StoredCertificate,
  onProgress: () => void = () => undefined,
): TransferRequest {
  return {
    jobId: job?.jobId,
    url: file.remoteUrl,
    path: file.localFile,
    ranges: file.ranges ?? undefined,
    temporaryName: file.temporaryName,
    credentials: job?.credentials ?? [],
    clientCertificate,
    proxy: job?.proxy ?? { usage: 'preconfig' },
    background: job?.priority !== 'foreground',
    expectedSha256: file.expectedSha256 ?? undefined,
    computeSha256: file.computeSha256,
    onProgress,
  };
}
