import type { ServiceAccount } from '@carmine/core';
import { CarmineError } from '@carmine/errors';
import type { Job } from './job.ts';
import { owners } from './new-job.ts';
import type { JobEngineOptions } from './options.ts';

/** Whether a job may be created for this account: it is one that the agent has, and there are not too many jobs yet. */
export function checkAdmission(options: JobEngineOptions, account: ServiceAccount, jobs: readonly Job[]): void {
  checkAccount(options, account);
  checkJobCount(options, owners[account], jobs);
}

function checkAccount({ accounts = {}, ownUser }: JobEngineOptions, account: ServiceAccount): void {
  const accepted =
    Object.keys(accounts).length === 0
      ? account === 'NetworkService'
      : accounts[account] !== undefined && accounts[account] === ownUser;
  if (!accepted) throw new CarmineError('job/account-not-available', { context: { account } });
}

function checkJobCount({ limits }: JobEngineOptions, owner: string, jobs: readonly Job[]): void {
  if (limits === undefined) return;
  if (jobs.length >= limits.maxJobsPerMachine) {
    throw new CarmineError('job/too-many-jobs', { context: { limit: limits.maxJobsPerMachine } });
  }
  if (jobs.filter((job) => job.stored.owner === owner).length >= limits.maxJobsPerUser) {
    // BG_E_TOO_MANY_JOBS_PER_USER
    throw new CarmineError('job/too-many-jobs', { context: { limit: limits.maxJobsPerUser }, hresult: 0x8020_0049 });
  }
}

export function checkFileCount({ limits }: JobEngineOptions, count: number): void {
  const limit = limits?.maxFilesPerJob;
  if (limit !== undefined && count > limit) throw new CarmineError('job/too-many-files', { context: { limit } });
}
