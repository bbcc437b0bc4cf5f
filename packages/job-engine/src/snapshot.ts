import { type EndedJob, type Filetime, type JobFileDetails, type JobSnapshot, sizeUnknown } from '@carmine/core';
import type { StoredFile, StoredJob } from '@carmine/job-store';
import type { PlannerPhase } from '@carmine/transfer';

/** The file that is being transferred now; what the store does not know of it. */
export interface LiveFile {
  readonly index: number;
  readonly phase: PlannerPhase;
}

export function toSnapshot(job: StoredJob): JobSnapshot {
  return {
    jobId: job.jobId,
    displayName: job.displayName,
    description: job.description,
    priority: job.priority,
    minimumRetryDelay: job.minimumRetryDelay,
    noProgressTimeout: job.noProgressTimeout,
    files: job.files.map((file) => ({
      remoteUrl: file.remoteUrl,
      localFile: file.localFile,
      bytesTotal: file.bytesTotal,
      bytesTransferred: file.bytesTransferred,
      completed: file.transferred,
    })),
    jobCreationTime: job.creationTime,
    jobLastModificationTime: job.modificationTime,
    jobCompletionTime: job.completionTime,
    ...totals(job.files),
    filesTotal: job.files.length,
    filesTransferred: job.files.filter((file) => file.transferred).length,
    transientErrorCount: job.transientErrorCount,
    state: job.state,
    owner: job.owner,
  };
}

/** What stays of a job when it ends. */
export function toEnded(
  job: StoredJob,
  state: 'acknowledged' | 'cancelled',
  reason: string,
  endTime: Filetime,
): EndedJob {
  return {
    jobId: job.jobId,
    displayName: job.displayName,
    description: job.description,
    state,
    owner: job.owner,
    filesTotal: job.files.length,
    filesTransferred: job.files.filter((file) => file.transferred).length,
    ...totals(job.files),
    jobCreationTime: job.creationTime,
    endTime,
    reason,
    lastError: job.lastError,
  };
}

export function toFileDetails(
  job: StoredJob,
  file: StoredFile,
  fileIndex: number,
  live: LiveFile | undefined,
): JobFileDetails {
  const { sha256, expectedSha256, computeSha256 } = file;
  return {
    jobId: job.jobId,
    fileIndex,
    sha256,
    expectedSha256,
    computeSha256,
    ...progressOf(job, file, fileIndex, live),
  };
}

type Progress = Pick<JobFileDetails, 'phase' | 'waitReason' | 'nextAttempt'>;

function progressOf(job: StoredJob, file: StoredFile, fileIndex: number, live: LiveFile | undefined): Progress {
  const phase = (name: Progress['phase']): Progress => ({ phase: name, waitReason: '', nextAttempt: 0n });
  if (file.transferred) return phase(job.ending?.action === 'complete' && !file.renamed ? 'finishing' : 'done');
  // Files go one after the other: what holds up the first one that is not done is not the others' business.
  if (job.files.findIndex((other) => !other.transferred) !== fileIndex) return phase('queued');
  const waiting = (waitReason: string): Progress => ({ phase: 'waiting', waitReason, nextAttempt: job.nextAttempt });
  switch (job.state) {
    case 'suspended':
      return waiting('suspended');
    case 'error':
    case 'transientError':
      return waiting(job.error?.message ?? 'an error');
    case 'connecting':
    case 'transferring':
      return phase(live?.index !== fileIndex ? 'connecting' : live.phase === 'done' ? 'verifying' : live.phase);
    default:
      return phase('queued');
  }
}

function totals(files: readonly StoredFile[]): { readonly bytesTotal: bigint; readonly bytesTransferred: bigint } {
  const unknown = files.some((file) => file.bytesTotal === sizeUnknown);
  return {
    bytesTotal: unknown ? sizeUnknown : files.reduce((sum, file) => sum + file.bytesTotal, 0n),
    bytesTransferred: files.reduce((sum, file) => sum + file.bytesTransferred, 0n),
  };
}
