import { CarmineError } from '@carmine/errors';
import { type JobState, jobStates } from './job-types.ts';

/**
 * The life cycle of a BITS job (BITS documentation, Life Cycle of a BITS Job).
 *
 * A job begins suspended. Resume queues it; the scheduler gives it turns (connecting, transferring); a slice that ends
 * puts it back into the queue. A failure that may pass makes it wait in transientError until the retry timer, the
 * network or Resume queues it again, or until the no-progress time-out turns it into an error; a failure that will not
 * pass makes it an error, which Resume leaves. When all files are there it is transferred, until Complete renames them.
 * Complete and Cancel are allowed in every state that is not final; nothing is allowed in a final one.
 *
 * Rules that are not in the table:
 * - Resume on a job without files fails with BG_E_EMPTY and changes nothing (`checkResume`).
 * - A transient failure whose retry could not fall before the no-progress time-out is fatal at once
 *   (`failureEvent`: MinimumRetryDelay larger than NoProgressTimeout, or a time-out of 0).
 * - Complete is committed only when the renames were done; if one fails, `completeFailed` is what happened.
 */
export const jobEvents = [
  // what callers ask for
  'resume',
  'suspend',
  'complete',
  'cancel',
  'addFile',
  // what the engine sees
  'turn',
  'connected',
  'sliceEnded',
  'filesDone',
  'transientFailure',
  'fatalFailure',
  'retryDue',
  'networkRestored',
  'noProgressTimeout',
  'completeFailed',
  'inactivityTimeout',
  'restart',
] as const;
export type JobEvent = (typeof jobEvents)[number];

/** What the engine does after a transition, in this order. The machine itself does nothing. */
export type JobEffect =
  | 'startTransfer'
  | 'stopTransfer'
  | 'armRetryTimer'
  | 'disarmRetryTimer'
  | 'recordError'
  | 'clearError'
  | 'countError'
  | 'stampCompletion'
  | 'finishFiles'
  | 'discardFiles'
  | 'endJob';

type Entry = readonly [next: JobState, ...effects: JobEffect[]];
type Row = Partial<Record<JobEvent, Entry>>;

const complete: Entry = ['acknowledged', 'stopTransfer', 'disarmRetryTimer', 'finishFiles', 'endJob'];
const cancel: Entry = ['cancelled', 'stopTransfer', 'disarmRetryTimer', 'discardFiles', 'endJob'];
const fail: Entry = ['error', 'stopTransfer', 'disarmRetryTimer', 'recordError', 'countError'];
const wait: Entry = ['transientError', 'stopTransfer', 'recordError', 'countError', 'armRetryTimer'];

const table = {
  suspended: {
    resume: ['queued'],
    suspend: ['suspended'],
    addFile: ['suspended'],
    complete,
    cancel,
    completeFailed: ['suspended', 'recordError'],
    inactivityTimeout: cancel,
    networkRestored: ['suspended'],
    restart: ['suspended'],
  },
  queued: {
    resume: ['queued'],
    suspend: ['suspended'],
    addFile: ['queued'],
    complete,
    cancel,
    turn: ['connecting', 'startTransfer'],
    // A network that is gone takes queued jobs with it (Users and Network Connections).
    transientFailure: wait,
    fatalFailure: fail,
    filesDone: ['transferred', 'clearError', 'stampCompletion'],
    completeFailed: ['suspended', 'recordError'],
    inactivityTimeout: cancel,
    networkRestored: ['queued'],
    restart: ['queued'],
  },
  connecting: {
    resume: ['connecting'],
    suspend: ['suspended', 'stopTransfer'],
    addFile: ['connecting'],
    complete,
    cancel,
    connected: ['transferring', 'clearError'],
    sliceEnded: ['queued', 'stopTransfer'],
    filesDone: ['transferred', 'stopTransfer', 'clearError', 'stampCompletion'],
    transientFailure: wait,
    fatalFailure: fail,
    completeFailed: ['suspended', 'stopTransfer', 'recordError'],
    networkRestored: ['connecting'],
    restart: ['queued'],
  },
  transferring: {
    resume: ['transferring'],
    suspend: ['suspended', 'stopTransfer'],
    addFile: ['transferring'],
    complete,
    cancel,
    // Each file of a job connects anew; the job stays where it is.
    connected: ['transferring'],
    sliceEnded: ['queued', 'stopTransfer'],
    filesDone: ['transferred', 'stopTransfer', 'clearError', 'stampCompletion'],
    transientFailure: wait,
    fatalFailure: fail,
    completeFailed: ['suspended', 'stopTransfer', 'recordError'],
    networkRestored: ['transferring'],
    restart: ['queued'],
  },
  transientError: {
    resume: ['queued', 'disarmRetryTimer'],
    suspend: ['suspended', 'disarmRetryTimer', 'clearError'],
    addFile: ['transientError'],
    complete,
    cancel,
    retryDue: ['queued'],
    networkRestored: ['queued', 'disarmRetryTimer'],
    // A retry that failed again while the job was already waiting.
    transientFailure: wait,
    fatalFailure: fail,
    noProgressTimeout: ['error', 'disarmRetryTimer'],
    completeFailed: ['suspended', 'disarmRetryTimer', 'recordError'],
    inactivityTimeout: cancel,
    restart: ['transientError', 'armRetryTimer'],
  },
  error: {
    resume: ['queued', 'clearError'],
    suspend: ['suspended', 'clearError'],
    addFile: ['error'],
    complete,
    cancel,
    completeFailed: ['error', 'recordError'],
    inactivityTimeout: cancel,
    networkRestored: ['error'],
    restart: ['error'],
  },
  transferred: {
    // All is there: resuming has nothing to do.
    resume: ['transferred'],
    suspend: ['suspended'],
    // UNSPECIFIED: BITS says "then Resume again"; a job with an unfinished file is therefore suspended, not transferred.
    addFile: ['suspended'],
    complete,
    cancel,
    // The files stay where they are; Complete can be tried again (e.g. the target was in use).
    completeFailed: ['transferred', 'recordError'],
    inactivityTimeout: cancel,
    networkRestored: ['transferred'],
    restart: ['transferred'],
  },
  acknowledged: {},
  cancelled: {},
} as const satisfies Record<JobState, Row>;

/** A transition that the table allows. */
export interface JobTransition {
  readonly state: JobState;
  readonly effects: readonly JobEffect[];
}

/** The next state and what to do; throws `job/invalid-state` (BG_E_INVALID_STATE) when the table has no entry. */
export function jobTransition(state: JobState, event: JobEvent): JobTransition {
  const entry = (table[state] as Row)[event];
  if (entry === undefined) {
    throw new CarmineError('job/invalid-state', { context: { action: event, state, expected: statesAllowing(event) } });
  }
  const [next, ...effects] = entry;
  return { state: next, effects };
}

/** Final states: the job is no longer listed. */
export function isFinalJobState(state: JobState): boolean {
  return state === 'acknowledged' || state === 'cancelled';
}

/** Throws `job/empty` (BG_E_EMPTY) for Resume on a job without files. */
export function checkResume(fileCount: number): void {
  if (fileCount === 0) throw new CarmineError('job/empty');
}

/** What a failure that may pass is for this job; delays in seconds. `sinceProgress`: time without progress so far. */
export function failureEvent(
  settings: { readonly minimumRetryDelay: number; readonly noProgressTimeout: number },
  sinceProgress: number,
): 'transientFailure' | 'fatalFailure' {
  const { minimumRetryDelay, noProgressTimeout } = settings;
  if (noProgressTimeout === 0 || minimumRetryDelay > noProgressTimeout || sinceProgress >= noProgressTimeout)
    return 'fatalFailure';
  return 'transientFailure';
}

/** Every legal transition, for diagrams and tests. */
export function jobTransitions(): { from: JobState; event: JobEvent; to: JobState; effects: readonly JobEffect[] }[] {
  return jobStates.flatMap((from) =>
    (Object.entries(table[from] as Row) as [JobEvent, Entry][]).map(([event, [to, ...effects]]) => ({
      from,
      event,
      to,
      effects,
    })),
  );
}

function statesAllowing(event: JobEvent): JobState[] {
  return jobStates.filter((state) => (table[state] as Row)[event] !== undefined);
}
