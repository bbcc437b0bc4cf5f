import type { EndedJob } from '@carmine/core';
import type { JobStore, StoredJob } from './types.ts';

/** Jobs in memory: for tests and for agents that need no durability. */
export function createMemoryJobStore(): JobStore {
  const jobs = new Map<string, StoredJob>();
  const ended: EndedJob[] = [];
  return {
    async load() {
      return [...jobs.values()].sort((a, b) => a.sequence - b.sequence).map((job) => structuredClone(job));
    },
    async save(job) {
      jobs.set(job.jobId, structuredClone(job));
    },
    async end(job) {
      jobs.delete(job.jobId);
      ended.push(structuredClone(job));
    },
    async *listEnded() {
      yield* structuredClone(ended);
    },
    async close() {},
  };
}
