import { CarmineError } from '@carmine/errors';

/**
 * The life of a URL group. A group is absent until CreateUrlGroup. It is listening when its port is served, and
 * offline when it is not: the port is taken, an https port has no certificate, or the agent is starting; an offline
 * group can be changed like a listening one and comes online when the cause is gone. Deleting drains: running answers
 * are ended, then the group is absent.
 *
 * CreateUrlGroup on a group that exists changes nothing; DeleteUrlGroup on one that does not exist changes nothing
 * ("if it was [not] available earlier").
 */
export const urlGroupStates = ['absent', 'offline', 'listening', 'draining'] as const;
export type UrlGroupState = (typeof urlGroupStates)[number];

export const urlGroupEvents = ['create', 'change', 'online', 'offline', 'delete', 'drained', 'shutDown'] as const;
export type UrlGroupEvent = (typeof urlGroupEvents)[number];

/** What the server does after a transition, in this order. */
export type UrlGroupEffect = 'persist' | 'listen' | 'endTransfers' | 'unlisten' | 'forget';

type Entry = readonly [next: UrlGroupState, ...effects: UrlGroupEffect[]];
type Row = Partial<Record<UrlGroupEvent, Entry>>;

const table = {
  absent: {
    create: ['offline', 'persist', 'listen'],
    delete: ['absent'],
  },
  offline: {
    create: ['offline'],
    // A change, e.g. a certificate that was missing, may be what the port waited for.
    change: ['offline', 'persist', 'listen'],
    online: ['listening'],
    offline: ['offline'],
    delete: ['absent', 'unlisten', 'forget'],
    shutDown: ['offline'],
  },
  listening: {
    create: ['listening'],
    change: ['listening', 'persist'],
    online: ['listening'],
    offline: ['offline', 'endTransfers'],
    delete: ['draining', 'forget', 'endTransfers'],
    shutDown: ['offline', 'endTransfers', 'unlisten'],
  },
  draining: {
    // A new group of the same prefix waits for the old one's answers to end.
    drained: ['absent', 'unlisten'],
    delete: ['draining'],
    shutDown: ['absent', 'unlisten'],
  },
} as const satisfies Record<UrlGroupState, Row>;

export interface UrlGroupTransition {
  readonly state: UrlGroupState;
  readonly effects: readonly UrlGroupEffect[];
}

/** The next state and what to do; throws `url-group/invalid-state` when the table has no entry. */
export function urlGroupTransition(state: UrlGroupState, event: UrlGroupEvent): UrlGroupTransition {
  const entry = (table[state] as Row)[event];
  if (entry === undefined) {
    const expected = urlGroupStates.filter((candidate) => (table[candidate] as Row)[event] !== undefined);
    throw new CarmineError('url-group/invalid-state', { context: { action: event, state, expected } });
  }
  const [next, ...effects] = entry;
  return { state: next, effects };
}

/** Every legal transition, for diagrams and tests. */
export function urlGroupTransitions(): {
  from: UrlGroupState;
  event: UrlGroupEvent;
  to: UrlGroupState;
  effects: readonly UrlGroupEffect[];
}[] {
  return urlGroupStates.flatMap((from) =>
    (Object.entries(table[from] as Row) as [UrlGroupEvent, Entry][]).map(([event, [to, ...effects]]) => ({
      from,
      event,
      to,
      effects,
    })),
  );
}
