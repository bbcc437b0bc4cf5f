import { fromFiletime, type JobEvent } from '@carmine/core';
import type { StoredJob } from '@carmine/job-store';
import { isActive } from './schedule.ts';

/** What falls due for a job by itself. */
export interface Due {
  readonly event: Extract<JobEvent, 'retryDue' | 'noProgressTimeout' | 'inactivityTimeout'> | 'maximumDownloadTime';
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** The first thing that falls due for a job (spec/bits.md 4.3); undefined when nothing does. `activeSince`: of its turn. */
export function nextDue(job: StoredJob, activeSince: number): Due | undefined {
  const dues: Due[] = [];
  if (isActive(job)) {
    dues.push({ event: 'maximumDownloadTime', at: activeSince + (maximumDownloadTime - job.activeSeconds) * 1_000 });
  } else {
    dues.push({ event: 'inactivityTimeout', at: fromFiletime(job.lastActivity) + inactivityTimeout * 1_000 });
  }
  if (job.state === 'transientError') {
    dues.push({ event: 'noProgressTimeout', at: fromFiletime(job.lastProgress) + job.noProgressTimeout * 1_000 });
    dues.push({ event: 'retryDue', at: fromFiletime(job.nextAttempt) });
  }
  return dues.sort((a, b) => a.at - b.at)[0];
}

/** Seconds: JobInactivityTimeout and MaximumDownloadTime, both 90 days. */
const inactivityTimeout = 7_776_000;
const maximumDownloadTime = 7_776_000;
