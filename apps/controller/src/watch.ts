import { JobWatch } from '@carmine/controller';
import { type JobSnapshot, sizeUnknown } from '@carmine/core';
import { isCarmineError } from '@carmine/errors';
import type { Machine } from './connect.ts';
import { endedJobDocument, jobDocument, jobTable } from './documents.ts';
import { exitCodes } from './exit-code.ts';
import { type Call, text, wholeNumber } from './options.ts';
import { ProgressDisplay } from './progress.ts';
import { stderrSink } from './terminal.ts';
import { sleep } from './time.ts';

/** `carmine job watch`: until the job needs somebody; its exit code says how it stands. */
export async function watchJobs(call: Call, machine: Machine, jobId: string | undefined): Promise<number> {
  const interval = (wholeNumber(text(call, 'interval'), '--interval', 1, 3600) ?? 1) * 1000;
  const timeout = wholeNumber(text(call, 'timeout'), '--timeout');
  const end = timeout === undefined ? Number.POSITIVE_INFINITY : performance.now() + timeout * 1000;
  return jobId === undefined
    ? watchAll(call, machine, interval, end)
    : watchOne(call, machine, braced(jobId), interval, end);
}

async function watchOne(call: Call, { jobs }: Machine, jobId: string, interval: number, end: number): Promise<number> {
  const display = new ProgressDisplay(stderrSink());
  const watch = new JobWatch({ jobs, jobId, sleep, pollInterval: interval, signal: call.signal });
  try {
    let told: JobSnapshot | undefined;
    for (;;) {
      let job: JobSnapshot;
      try {
        job = told ?? (await jobs.getJob(jobId, call));
      } catch (error) {
        if (!isCarmineError(error, 'job/not-found')) throw error;
        for await (const ended of jobs.listEndedJobs(call)) {
          if (ended.jobId !== jobId) continue;
          display.end();
          call.output.result(`${ended.state}: ${ended.reason}`, endedJobDocument(ended));
          return ended.state === 'acknowledged' ? exitCodes.done : exitCodes.transfer;
        }
        throw error;
      }
      call.output.element(jobDocument(job));
      display.show({
        phase: phaseOf(job),
        bytesTransferred: job.bytesTransferred,
        bytesTotal: job.bytesTotal === sizeUnknown ? undefined : job.bytesTotal,
        jobId,
      });
      if (job.state === 'transferred' || job.state === 'error') {
        display.end();
        if (call.output.format !== 'ndjson') call.output.result(job.state, jobDocument(job));
        return job.state === 'transferred' ? exitCodes.done : exitCodes.transfer;
      }
      const left = end - performance.now();
      if (left <= 0) return exitCodes.timedOut;
      told = await watch.next(left);
    }
  } finally {
    await watch.close();
    display.end();
  }
}

async function watchAll(call: Call, { jobs }: Machine, interval: number, end: number): Promise<number> {
  for (;;) {
    const all: JobSnapshot[] = [];
    for await (const job of jobs.listJobs(call)) {
      call.output.element(jobDocument(job));
      all.push(job);
    }
    if (call.output.format === 'text') call.output.result(jobTable(all), { schema: 'carmine.job-list/1' });
    const open = all.filter((job) => job.state !== 'transferred' && job.state !== 'error' && job.state !== 'suspended');
    if (open.length === 0) {
      if (call.output.format === 'json')
        call.output.result('', { schema: 'carmine.job-list/1', jobs: all.map(jobDocument) });
      return all.some((job) => job.state === 'error') ? exitCodes.partly : exitCodes.done;
    }
    if (performance.now() >= end) return exitCodes.timedOut;
    await sleep(interval, call.signal);
  }
}

function phaseOf(job: JobSnapshot) {
  if (job.state === 'connecting' || job.state === 'transferring') return job.state;
  if (job.state === 'transientError') return 'waiting';
  return job.state === 'transferred' ? 'finishing' : 'queued';
}

function braced(id: string): string {
  return /^[0-9a-f-]{36}$/i.test(id) ? `{${id.toUpperCase()}}` : id;
}
