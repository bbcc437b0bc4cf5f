import { CarmineError } from '@carmine/errors';
import { describe, expect, it } from 'vitest';
import {
  checkResume,
  failureEvent,
  isFinalJobState,
  type JobEvent,
  type JobState,
  jobEvents,
  jobStates,
  jobTransition,
} from '../src/index.ts';

/**
 * Written from the life cycle in the BITS documentation, not from the table under test: rows are states, columns events,
 * `-` is illegal. Abbreviations: Q queued, C connecting, T transferring, S suspended, E error, W transientError,
 * D transferred, A acknowledged, X cancelled.
 */
const columns: JobEvent[] = [
  'resume',
  'suspend',
  'complete',
  'cancel',
  'addFile',
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
];
const expected = `
  suspended      Q S A X S - - - - - - - S - S X S
  queued         Q S A X Q C - - D W E - Q - S X Q
  connecting     C S A X C - T Q D W E - C - S - Q
  transferring   T S A X T - T Q D W E - T - S - Q
  transientError Q S A X W - - - - W E Q Q E S X W
  error          Q S A X E - - - - - - - E - E X E
  transferred    D S A X S - - - - - - - D - D X D
  acknowledged   - - - - - - - - - - - - - - - - -
  cancelled      - - - - - - - - - - - - - - - - -`;
const names: Record<string, JobState> = {
  Q: 'queued',
  C: 'connecting',
  T: 'transferring',
  S: 'suspended',
  E: 'error',
  W: 'transientError',
  D: 'transferred',
  A: 'acknowledged',
  X: 'cancelled',
};
const rows = expected
  .trim()
  .split('\n')
  .map((line) => line.trim().split(/\s+/));

describe('job states', () => {
  it('covers every state and every event', () => {
    expect(rows.map(([state]) => state).sort()).toEqual([...jobStates].sort());
    expect([...columns].sort()).toEqual([...jobEvents].sort());
  });

  for (const [state, ...cells] of rows as [JobState, ...string[]][]) {
    it.each(columns.map((event, index) => [event, cells[index]!] as const))(`${state} × %s is %s`, (event, cell) => {
      if (cell !== '-') {
        expect(jobTransition(state, event).state).toBe(names[cell]);
        return;
      }
      const error = thrownBy(() => jobTransition(state, event));
      expect(error).toMatchObject({
        code: 'job/invalid-state',
        hresult: 0x8020_0002,
        context: { action: event, state },
      });
    });
  }

  it('stops a running transfer whenever it leaves the active states', () => {
    for (const state of ['connecting', 'transferring'] as const) {
      for (const event of jobEvents) {
        const next = attempt(() => jobTransition(state, event));
        // After a restart nothing runs that could be stopped.
        if (next === undefined || event === 'restart' || ['connecting', 'transferring'].includes(next.state)) continue;
        expect(next.effects, `${state} × ${event}`).toContain('stopTransfer');
      }
    }
  });

  it('ends the job in exactly the final states, with its files finished or discarded', () => {
    for (const state of jobStates) {
      for (const event of jobEvents) {
        const next = attempt(() => jobTransition(state, event));
        if (next === undefined) continue;
        expect(next.effects.includes('endJob')).toBe(isFinalJobState(next.state));
        expect(next.effects.includes('finishFiles')).toBe(next.state === 'acknowledged');
        expect(next.effects.includes('discardFiles')).toBe(next.state === 'cancelled');
      }
    }
  });

  it('counts each move into an error state and each failed retry, and nothing else', () => {
    for (const state of jobStates) {
      for (const event of jobEvents) {
        const next = attempt(() => jobTransition(state, event));
        if (next !== undefined)
          expect(next.effects.includes('countError')).toBe(event === 'transientFailure' || event === 'fatalFailure');
      }
    }
  });

  it('refuses to resume a job without files with BG_E_EMPTY', () => {
    expect(thrownBy(() => checkResume(0))).toMatchObject({ code: 'job/empty', hresult: 0x8020_0003 });
    expect(() => checkResume(1)).not.toThrow();
  });

  it.each([
    [600, 1_209_600, 0, 'transientFailure'],
    [600, 1_209_600, 1_209_600, 'fatalFailure'],
    [600, 0, 0, 'fatalFailure'],
    [600, 599, 0, 'fatalFailure'],
    [600, 600, 599, 'transientFailure'],
  ] as const)(
    'delay %i s, time-out %i s, %i s without progress: %s',
    (minimumRetryDelay, noProgressTimeout, since, event) => {
      expect(failureEvent({ minimumRetryDelay, noProgressTimeout }, since)).toBe(event);
    },
  );
});

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(CarmineError);
    return error;
  }
  throw new Error('nothing was thrown');
}
