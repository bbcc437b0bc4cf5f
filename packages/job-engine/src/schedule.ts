import { type JobPriority, type JobState, jobPriorities } from '@carmine/core';

/** What the scheduler sees of a job. */
export interface Candidate {
  readonly jobId: string;
  readonly state: JobState;
  readonly priority: JobPriority;
  /** Place in the queue: smaller is sooner. */
  readonly place: number;
  /** When its turn began; milliseconds. */
  readonly turnBegan: number;
}

export type Decision = { readonly event: 'turn' | 'sliceEnded'; readonly jobId: string };

/**
 * The next thing to do, or undefined (spec/bits.md 4.5): all foreground jobs run concurrently, plus exactly one background
 * job. A higher level pre-empts a lower one; jobs of one level take turns. Jobs that wait after an error do not hold up
 * lower levels.
 */
export function decide(jobs: readonly Candidate[], now: number, sliceTime: number): Decision | undefined {
  const foreground = jobs.find((job) => job.state === 'queued' && job.priority === 'foreground');
  if (foreground !== undefined) return { event: 'turn', jobId: foreground.jobId };
  const background = jobs.filter((job) => job.priority !== 'foreground');
  const queued = background.filter((job) => job.state === 'queued').sort(byLevelThenPlace)[0];
  // More than one only after somebody changed a priority: the best keeps its turn.
  const [active, surplus] = background.filter(isActive).sort(byLevelThenPlace);
  if (surplus !== undefined) return { event: 'sliceEnded', jobId: surplus.jobId };
  if (queued === undefined) return undefined;
  if (active === undefined) return { event: 'turn', jobId: queued.jobId };
  const preempted = level(queued) < level(active);
  const slice = level(queued) === level(active) && now - active.turnBegan >= sliceTime;
  return preempted || slice ? { event: 'sliceEnded', jobId: active.jobId } : undefined;
}

/** When `decide` may say something else without anything happening; undefined when never. */
export function sliceEnd(jobs: readonly Candidate[], sliceTime: number): number | undefined {
  const active = jobs.find((job) => job.priority !== 'foreground' && isActive(job));
  if (active === undefined) return undefined;
  const rival = jobs.some((job) => job.state === 'queued' && job.priority === active.priority);
  return rival ? active.turnBegan + sliceTime : undefined;
}

export function isActive(job: { readonly state: JobState }): boolean {
  return job.state === 'connecting' || job.state === 'transferring';
}

function byLevelThenPlace(a: Candidate, b: Candidate): number {
  return level(a) - level(b) || a.place - b.place;
}

function level(job: Candidate): number {
  return jobPriorities.indexOf(job.priority);
}
