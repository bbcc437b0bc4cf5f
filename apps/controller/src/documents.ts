import {
  type EndedJob,
  type Filetime,
  fromFiletime,
  type JobSnapshot,
  sizeUnknown,
  type UrlTransfer,
} from '@carmine/core';
import { formatHresult } from '@carmine/errors';
import { formatBytes, table } from './output.ts';

/** A job as `carmine.job/1` shows it. */
export function jobDocument(job: JobSnapshot) {
  return {
    schema: 'carmine.job/1' as const,
    id: job.jobId,
    name: job.displayName,
    description: job.description,
    state: job.state,
    priority: job.priority,
    bytesTotal: known(job.bytesTotal),
    bytesTransferred: job.bytesTransferred,
    filesTotal: job.filesTotal,
    filesTransferred: job.filesTransferred,
    files: job.files.map((file) => ({
      url: file.remoteUrl,
      path: file.localFile,
      bytesTotal: known(file.bytesTotal),
      bytesTransferred: file.bytesTransferred,
      completed: file.completed,
    })),
    minimumRetryDelay: job.minimumRetryDelay,
    noProgressTimeout: job.noProgressTimeout,
    errors: job.transientErrorCount,
    created: time(job.jobCreationTime),
    modified: time(job.jobLastModificationTime),
    completed: time(job.jobCompletionTime),
    owner: job.owner,
  };
}

export function endedJobDocument(job: EndedJob) {
  return {
    schema: 'carmine.ended-job/1' as const,
    id: job.jobId,
    name: job.displayName,
    description: job.description,
    state: job.state,
    reason: job.reason,
    lastError: job.lastError === 0 ? null : formatHresult(job.lastError),
    bytesTotal: known(job.bytesTotal),
    bytesTransferred: job.bytesTransferred,
    filesTotal: job.filesTotal,
    filesTransferred: job.filesTransferred,
    created: time(job.jobCreationTime),
    ended: time(job.endTime),
    owner: job.owner,
  };
}

/** What a server agent is sending, as `carmine.transfer/1` shows it. */
export function transferDocument(transfer: UrlTransfer) {
  return {
    schema: 'carmine.transfer/1' as const,
    id: transfer.transferId,
    urlGroup: transfer.urlGroup,
    urlSuffix: transfer.urlSuffix,
    identity: transfer.identity,
    source: transfer.source,
    range: transfer.range,
    length: transfer.length,
    bytesSent: transfer.bytesSent,
    started: time(transfer.startTime),
  };
}

export function transferTable(transfers: readonly UrlTransfer[]): string {
  if (transfers.length === 0) return 'nothing is being sent';
  return table(
    ['ID', 'URL', 'PEER', 'ACCOUNT', 'RANGE', 'SENT'],
    transfers.map((each) => [
      String(each.transferId),
      each.urlGroup + each.urlSuffix,
      each.source,
      each.identity,
      each.range ?? '',
      `${formatBytes(each.bytesSent)} of ${formatBytes(each.length)}`,
    ]),
  );
}

export function jobTable(jobs: readonly JobSnapshot[]): string {
  if (jobs.length === 0) return 'no jobs';
  return table(
    ['ID', 'STATE', 'PRIORITY', 'FILES', 'BYTES', 'NAME'],
    jobs.map((job) => [
      job.jobId,
      job.state,
      job.priority,
      `${job.filesTransferred}/${job.filesTotal}`,
      `${formatBytes(job.bytesTransferred)} of ${size(job.bytesTotal)}`,
      job.displayName,
    ]),
  );
}

export function endedJobTable(jobs: readonly EndedJob[]): string {
  if (jobs.length === 0) return 'no ended jobs';
  return table(
    ['ID', 'STATE', 'ENDED', 'FILES', 'REASON', 'NAME'],
    jobs.map((job) => [
      job.jobId,
      job.state,
      time(job.endTime) ?? '',
      `${job.filesTransferred}/${job.filesTotal}`,
      job.reason,
      job.displayName,
    ]),
  );
}

export function jobText(job: JobSnapshot): string {
  const lines: [string, string][] = [
    ['id', job.jobId],
    ['name', job.displayName],
    ['description', job.description],
    ['state', job.state],
    ['priority', job.priority],
    ['bytes', `${formatBytes(job.bytesTransferred)} of ${size(job.bytesTotal)}`],
    ['files', `${job.filesTransferred} of ${job.filesTotal}`],
    ['retry delay', `${job.minimumRetryDelay} s`],
    ['no-progress time-out', `${job.noProgressTimeout} s`],
    ['errors so far', String(job.transientErrorCount)],
    ['created', time(job.jobCreationTime) ?? ''],
    ['modified', time(job.jobLastModificationTime) ?? ''],
    ['completed', time(job.jobCompletionTime) ?? '-'],
    ['owner', job.owner],
  ];
  const files = job.files.map((file) => [
    file.remoteUrl,
    file.localFile,
    `${formatBytes(file.bytesTransferred)} of ${size(file.bytesTotal)}`,
    file.completed ? 'yes' : 'no',
  ]);
  return `${lines.map(([name, value]) => `${name.padEnd(21)} ${value}`.trimEnd()).join('\n')}\n\n${table(['URL', 'PATH', 'BYTES', 'COMPLETED'], files)}`;
}

function size(bytes: bigint): string {
  return bytes === sizeUnknown ? 'unknown' : formatBytes(bytes);
}

function known(bytes: bigint): bigint | null {
  return bytes === sizeUnknown ? null : bytes;
}

function time(filetime: Filetime): string | null {
  return filetime === 0n ? null : new Date(fromFiletime(filetime)).toISOString();
}
