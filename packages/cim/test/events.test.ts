import type { JobSnapshot } from '@carmine/core';
import { toFiletime } from '@carmine/core';
import { FakeClock, settle } from '@carmine/testkit';
import { describe, expect, it } from 'vitest';
import {
  type AuditEvent,
  bitsNamespace,
  type CimInstance,
  type CimOperations,
  createDispatcher,
  type EventOptions,
  isInstance,
  type Role,
} from '../src/index.ts';
import { administrator, collect, job, stub, user } from './support.ts';

type MachineOptions = Partial<EventOptions> & { readonly watch?: boolean; readonly onLook?: () => void };

/** Jobs that change by hand; counts how often all of them are looked at. */
function machine(options: MachineOptions = {}) {
  const jobs = new Map<string, JobSnapshot>();
  const watchers = new Set<(soon: boolean) => void>();
  const clock = new FakeClock();
  const audit: AuditEvent[] = [];
  const roles: Role[] = [];
  const counts = { looks: 0 };
  const { watch = true, onLook, ...events } = options;
  let failure: Error | undefined;
  const provider = stub({
    async *listJobs() {
      counts.looks++;
      onLook?.();
      if (failure !== undefined) throw failure;
      yield* jobs.values();
    },
    async *listUrlGroups() {},
  });
  const watching = {
    watch(changed: (soon: boolean) => void) {
      watchers.add(changed);
      return () => void watchers.delete(changed);
    },
  };
  const dispatcher = createDispatcher({
    providers: {
      jobs: Object.assign(Object.create(provider), watch ? watching : { watch: undefined }),
      urlGroups: Object.assign(Object.create(provider), { watch: undefined }),
    },
    audit: (event) => audit.push(event),
    rolesOf: () => roles,
    events: { now: () => clock.now(), after: (delay, callback) => clock.after(delay, callback), ...events },
  });
  const changed = (soon = false) => {
    for (const watcher of watchers) watcher(soon);
  };
  return {
    clock,
    audit,
    roles,
    counts,
    watchers,
    dispatcher,
    cim: dispatcher.session(administrator),
    set(id: string, changes: Partial<JobSnapshot> = {}, soon = false) {
      jobs.set(id, { ...(jobs.get(id) ?? { ...job, jobId: id }), ...changes });
      changed(soon);
    },
    remove(id: string) {
      jobs.delete(id);
      changed();
    },
    fail(error: Error | undefined) {
      failure = error;
      changed();
    },
    changed,
  };
}

const query = (from = '__InstanceOperationEvent', more = '', within = 1) =>
  `SELECT * FROM ${from} WITHIN ${within} WHERE TargetInstance ISA 'BitsClientJob' ${more}`;

/** Takes events as they come. */
async function listen(cim: CimOperations, text = query(), signal?: AbortSignal) {
  const source = await cim.subscribe(bitsNamespace, text, { signal });
  const iterator = source[Symbol.asyncIterator]();
  const seen: CimInstance[] = [];
  const state: { ended: boolean; error: unknown } = { ended: false, error: undefined };
  void (async () => {
    try {
      for (;;) {
        const next = await iterator.next();
        if (next.done === true) break;
        seen.push(next.value);
      }
    } catch (error) {
      state.error = error;
    }
    state.ended = true;
  })();
  return { seen, state, told: () => seen.splice(0).map(summary), close: () => iterator.return?.() };
}

function summary({ className, properties }: CimInstance): string {
  const target = properties.get('TargetInstance') ?? null;
  const id = isInstance(target) ? target.properties.get('JobId') : undefined;
  return `${/^__Instance(\w+)Event$/.exec(className)?.[1]} ${typeof id === 'string' ? id : ''}`;
}

function stateOf(event: CimInstance | undefined, which: string): unknown {
  const instance = event?.properties.get(which) ?? null;
  return isInstance(instance) ? instance.properties.get('State') : undefined;
}

describe('a subscription', () => {
  it('tells of creation, modification and deletion, with both instances and the time', async () => {
    const m = machine();
    m.set('{A}', { state: 'queued' });
    const events = await listen(m.cim);
    m.set('{B}');
    m.set('{A}', { state: 'connecting', files: [{ ...job.files[0]!, bytesTransferred: 8n }] });
    await m.clock.advance(1_000);
    const [modified, created] = events.seen;
    expect(modified).toMatchObject({ namespace: 'root\\microsoft\\bits', className: '__InstanceModificationEvent' });
    expect(modified?.properties.get('TIME_CREATED')).toBe(toFiletime(m.clock.now()));
    expect(stateOf(modified, 'PreviousInstance')).toBe(0);
    expect(stateOf(modified, 'TargetInstance')).toBe(1);
    expect(created?.className).toBe('__InstanceCreationEvent');
    expect(created?.properties.has('PreviousInstance')).toBe(false);
    expect(events.told()).toEqual(['Modification {A}', 'Creation {B}']);
    m.remove('{A}');
    await m.clock.advance(1_000);
    expect(events.told()).toEqual(['Deletion {A}']);
    await events.close();
  });

  it('tells nothing of what was before, nor of what stayed the same', async () => {
    const m = machine();
    m.set('{A}');
    const events = await listen(m.cim);
    m.changed();
    m.set('{A}', { files: [{ ...job.files[0]! }] });
    await m.clock.advance(5_000);
    expect(events.seen).toEqual([]);
    await events.close();
  });

  it('costs nothing while nothing changes, and one look however much does', async () => {
    const m = machine();
    for (let index = 0; index < 10_000; index++) m.set(`{${index}}`);
    const events = await listen(m.cim);
    expect(m.counts.looks).toBe(1);
    expect(m.clock.next).toBeUndefined();
    await m.clock.advance(3_600_000);
    expect(m.counts.looks).toBe(1);
    for (let index = 0; index < 50; index++) m.set('{7}', { transientErrorCount: index });
    await m.clock.advance(100);
    expect(m.counts.looks).toBe(2);
    expect(events.told()).toEqual(['Modification {7}']);
    // A job that changes all the time is looked at once per WITHIN.
    for (let index = 0; index < 100; index++) {
      m.set('{7}', { transientErrorCount: 1_000 + index });
      await m.clock.advance(100);
    }
    expect(m.counts.looks).toBe(12);
    await events.close();
    expect(m.watchers.size).toBe(0);
    m.set('{7}', { transientErrorCount: 1 });
    expect(m.clock.next).toBeUndefined();
  });

  it('does not wait for what is to be told soon, as long as looking costs little', async () => {
    let slow = 0;
    let looking = 0;
    const now = () => m.clock.now() + looking;
    const m: ReturnType<typeof machine> = machine({ now, onLook: () => (looking += slow) });
    const events = await listen(m.cim, query('__InstanceOperationEvent', '', 10));
    m.set('{A}');
    await m.clock.advance(10_000);
    expect(events.told()).toEqual(['Creation {A}']);
    // How far it is may wait, that it is done not.
    m.set('{A}', { bytesTransferred: 1n });
    await m.clock.advance(1_000);
    expect(events.told()).toEqual([]);
    m.set('{A}', { state: 'transferred' }, true);
    m.set('{A}', { bytesTransferred: 2n });
    await m.clock.advance(19);
    expect(events.told()).toEqual([]);
    await m.clock.advance(1);
    expect(events.told()).toEqual(['Modification {A}']);
    // Each look takes 300 ms: nine times as long nobody looks.
    slow = 300;
    m.set('{A}', { state: 'error' }, true);
    await m.clock.advance(100);
    expect(events.told()).toEqual(['Modification {A}']);
    m.set('{A}', { state: 'queued' }, true);
    await m.clock.advance(2_919);
    expect(events.told()).toEqual([]);
    await m.clock.advance(1);
    expect(events.told()).toEqual(['Modification {A}']);
    expect(m.counts.looks).toBe(5);
    await events.close();
    expect(m.clock.next).toBeUndefined();
  });

  it('polls a provider that cannot tell, as often as the most impatient subscriber wants', async () => {
    const m = machine({ watch: false });
    const patient = await listen(m.cim, query('__InstanceOperationEvent', '', 10));
    const hasty = await listen(m.cim, query('__InstanceOperationEvent', '', 2));
    expect(m.counts.looks).toBe(2);
    m.set('{A}');
    await m.clock.advance(10_000);
    expect(m.counts.looks).toBe(7);
    expect([patient.told(), hasty.told()]).toEqual([['Creation {A}'], ['Creation {A}']]);
    await hasty.close();
    await m.clock.advance(20_000);
    expect(m.counts.looks).toBeLessThanOrEqual(10);
    await patient.close();
    expect(m.clock.next).toBeUndefined();
  });

  it('sees only what its query asks for', async () => {
    const m = machine();
    m.set('{A}', { state: 'queued' });
    m.set('{B}', { state: 'queued' });
    const transferred = await listen(
      m.cim,
      query('__InstanceModificationEvent', 'AND TargetInstance.State = 6 AND PreviousInstance.State <> 6'),
    );
    m.set('{A}', { state: 'connecting' });
    await m.clock.advance(1_000);
    m.set('{A}', { state: 'transferred' });
    m.remove('{B}');
    await m.clock.advance(1_000);
    m.set('{A}', { description: 'still' });
    await m.clock.advance(1_000);
    expect(transferred.told()).toEqual(['Modification {A}']);
    await transferred.close();
  });

  it('resolves only when everything that follows will be told', async () => {
    const m = machine();
    const first = await listen(m.cim);
    m.set('{A}');
    // The look that this change wakes runs while the second subscriber comes.
    await m.clock.advance(50);
    const second = await listen(m.cim);
    m.set('{B}');
    await m.clock.advance(2_000);
    expect(first.told()).toEqual(['Creation {A}', 'Creation {B}']);
    expect(second.told()).toEqual(['Creation {B}']);
    await Promise.all([first.close(), second.close()]);
  });

  it('watches several classes', async () => {
    const m = machine();
    const events = await listen(
      m.cim,
      query('__InstanceCreationEvent', "OR TargetInstance ISA 'BitsCompactServerUrlGroup'"),
    );
    m.set('{A}');
    await m.clock.advance(1_000);
    expect(events.told()).toEqual(['Creation {A}']);
    await events.close();
    expect(m.clock.next).toBeUndefined();
  });

  it('ends with its signal, also while it is being made', async () => {
    const m = machine();
    const controller = new AbortController();
    const events = await listen(m.cim, query(), controller.signal);
    controller.abort();
    await settle();
    expect(events.state).toEqual({ ended: true, error: undefined });
    const early = new AbortController();
    const pending = m.cim.subscribe(bitsNamespace, query(), { signal: early.signal });
    early.abort();
    await expect(pending).rejects.toMatchObject({ code: 'internal/aborted' });
    expect(m.watchers.size).toBe(0);
    expect(m.clock.next).toBeUndefined();
  });

  it('is not known to a machine without time, nor to a class that cannot be enumerated', async () => {
    const without = createDispatcher({ providers: { jobs: stub() } }).session(administrator);
    await expect(without.subscribe(bitsNamespace, query())).rejects.toMatchObject({ code: 'cim/not-supported' });
    await expect(
      machine().cim.subscribe(bitsNamespace, query().replace('BitsClientJob', 'BitsClientFile')),
    ).rejects.toMatchObject({ code: 'cim/not-supported' });
  });

  it('ends with an error when the provider fails', async () => {
    const m = machine();
    const events = await listen(m.cim);
    m.fail(new Error('disk'));
    await m.clock.advance(1_000);
    expect(events.state.error).toMatchObject({ code: 'cim/failed' });
    expect(m.audit.map(({ action, outcome }) => `${action} ${outcome}`)).toEqual([
      'Subscribe allowed',
      'Subscribe failed',
    ]);
    await expect(m.cim.subscribe(bitsNamespace, query())).rejects.toMatchObject({ code: 'cim/failed' });
    m.fail(undefined);
    const again = await listen(m.cim);
    m.set('{A}');
    await m.clock.advance(1_000);
    expect(again.told()).toEqual(['Creation {A}']);
    await again.close();
  });
});

describe('what a subscriber may use', () => {
  it('ends a subscription whose events nobody fetches', async () => {
    const m = machine({ maxQueued: 3 });
    const source = await m.cim.subscribe(bitsNamespace, query());
    for (const id of ['{A}', '{B}', '{C}']) m.set(id);
    await m.clock.advance(1_000);
    m.set('{D}');
    await m.clock.advance(1_000);
    await expect(collect(source)).rejects.toMatchObject({ code: 'cim/queue-overflow', hresult: 0x8004_1061 });
    expect(await collect(source)).toEqual([]);
    expect(m.watchers.size).toBe(0);
    expect(m.audit.at(-1)).toMatchObject({ action: 'Subscribe', outcome: 'failed', result: 0x8004_1061 });
  });

  it('counts subscriptions of each user and of all', async () => {
    const m = machine({ maxSubscriptionsPerUser: 2, maxSubscriptions: 3 });
    const other = m.dispatcher.session({ ...administrator, userSid: 'S-1-5-21-1-2-3-7' });
    const refused = { code: 'cim/too-many-subscriptions', hresult: 0x8004_106c };
    const [one] = [await listen(m.cim), await listen(m.cim)];
    await expect(m.cim.subscribe(bitsNamespace, query())).rejects.toMatchObject(refused);
    await listen(other);
    await expect(other.subscribe(bitsNamespace, query())).rejects.toMatchObject(refused);
    await one.close();
    await listen(other);
  });
});

describe('who may subscribe', () => {
  it('is whoever may read what is watched, for as long as he may', async () => {
    const m = machine();
    const cim = m.dispatcher.session(user);
    await expect(cim.subscribe(bitsNamespace, query())).rejects.toMatchObject({ code: 'auth/access-denied' });
    m.roles.push('reader');
    const events = await listen(cim);
    m.set('{A}');
    await m.clock.advance(1_000);
    expect(events.told()).toEqual(['Creation {A}']);
    m.roles.pop();
    m.set('{B}');
    await m.clock.advance(1_000);
    expect(events.told()).toEqual([]);
    expect(events.state.error).toMatchObject({ code: 'auth/access-denied' });
    expect(m.watchers.size).toBe(0);
    expect(m.audit.map(({ action, outcome }) => `${action} ${outcome}`)).toEqual([
      'Subscribe denied',
      'Subscribe allowed',
      'Subscribe denied',
    ]);
    expect(m.audit[1]?.object).toContain('__InstanceOperationEvent');
  });

  it('is told what is wrong with his query if he holds a role, and nothing otherwise', async () => {
    const m = machine();
    const cim = m.dispatcher.session(user);
    await expect(cim.subscribe(bitsNamespace, 'nonsense')).rejects.toMatchObject({ code: 'auth/access-denied' });
    m.roles.push('reader');
    await expect(cim.subscribe(bitsNamespace, 'nonsense')).rejects.toMatchObject({ code: 'cim/invalid-query' });
    await expect(cim.subscribe('root\\none', query())).rejects.toMatchObject({ code: 'cim/invalid-namespace' });
  });
});

describe('the classes of events', () => {
  it('are found in every namespace, and not listed', () => {
    const { schema } = machine().dispatcher;
    expect(schema.findClass(bitsNamespace, '__instancemodificationevent')?.properties.map(({ name }) => name)).toEqual([
      'SECURITY_DESCRIPTOR',
      'TIME_CREATED',
      'TargetInstance',
      'PreviousInstance',
    ]);
    expect([...schema.classes, ...schema.classesIn(bitsNamespace)].filter(({ name }) => name.startsWith('__'))).toEqual(
      [],
    );
    expect(schema.findClass('root\\none', '__InstanceCreationEvent')).toBeUndefined();
  });

  it('have no instances', async () => {
    const { cim } = machine();
    await expect(collect(cim.enumerateInstances(bitsNamespace, '__InstanceCreationEvent'))).rejects.toMatchObject({
      code: 'cim/not-supported',
    });
  });
});
