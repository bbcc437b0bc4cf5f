import { describe, expect, it } from 'vitest';
import {
  type UrlGroupState,
  urlGroupEvents,
  urlGroupStates,
  urlGroupTransition,
  urlGroupTransitions,
} from '../src/index.ts';

/** Rows are states, columns the events in their order; `-` is illegal. A absent, O offline, L listening, D draining. */
const expected = `
  absent    O - - - A - -
  offline   O O L O A - O
  listening L L L O D - O
  draining  - - - - D A A`;
const names: Record<string, UrlGroupState> = { A: 'absent', O: 'offline', L: 'listening', D: 'draining' };
const rows = expected
  .trim()
  .split('\n')
  .map((line) => line.trim().split(/\s+/)) as [UrlGroupState, ...string[]][];

describe('URL group states', () => {
  it('covers every state', () => {
    expect(rows.map(([state]) => state)).toEqual([...urlGroupStates]);
  });

  for (const [state, ...cells] of rows) {
    it.each(urlGroupEvents.map((event, index) => [event, cells[index]!] as const))(
      `${state} × %s is %s`,
      (event, cell) => {
        if (cell === '-') {
          expect(() => urlGroupTransition(state, event)).toThrow(
            expect.objectContaining({
              code: 'url-group/invalid-state',
              context: expect.objectContaining({ action: event, state }),
            }),
          );
        } else expect(urlGroupTransition(state, event).state).toBe(names[cell]);
      },
    );
  }

  it('never forgets a group without ending what it serves, and never persists without a change', () => {
    for (const { from, event, to, effects } of urlGroupTransitions()) {
      if (from === 'listening' && to !== 'listening') expect(effects, `${from} × ${event}`).toContain('endTransfers');
      if (effects.includes('persist')) expect(['create', 'change']).toContain(event);
      expect(effects.includes('forget')).toBe(event === 'delete' && (from === 'offline' || from === 'listening'));
    }
  });
});
