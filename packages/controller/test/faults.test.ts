import { CarmineError } from '@carmine/errors';
import { describe, expect, it } from 'vitest';
import type { CopyOptions } from '../src/index.ts';
import { type Fault, type Look, World } from './support.ts';

/** A copy that waits once, so that asking for the reason is among the calls. */
const looks: readonly Look[] = [
  { state: 'queued' },
  { state: 'transientError', transferred: 10n, total: 100n },
  { state: 'transferring', transferred: 50n, total: 100n },
  { state: 'transferred', transferred: 100n, total: 100n },
];
const changes: Partial<CopyOptions> = { priority: 'high' };

function newWorld(): World {
  const world = new World();
  world.jobs.looks = [...looks];
  return world;
}

/** One run with one fault; checks what holds for every run and returns what became of it. */
async function run(fault: Fault) {
  const world = newWorld();
  world.fault = fault;
  const outcome = await world.copy(changes).then(
    (result) => ({ error: undefined, told: result.leftovers.join(), result }),
    (thrown: unknown) => ({
      error: CarmineError.from(thrown),
      told: CarmineError.from(thrown).message,
      result: undefined,
    }),
  );
  const at = `call ${fault.at}, ${world.calls[fault.at - 1]}`;
  for (const left of await world.remains()) expect(outcome.told, at).toContain(left);
  for (const [index, { bytesTransferred }] of world.progress.entries())
    expect(bytesTransferred, at).toBeGreaterThanOrEqual(world.progress[index - 1]?.bytesTransferred ?? 0n);
  // No timer outlives the copy.
  expect(world.clock.next, at).toBeUndefined();
  return { ...outcome, world, at, left: await world.remains() };
}

const reference = newWorld();
await reference.copy(changes);
const steps = reference.calls.map((call, index) => [index + 1, call] as const);
/** The last three: deleteUrl, getUrlGroupDetails, deleteUrlGroup. */
const isCleaningUp = (at: number) => at > steps.length - 3;

const fatal = () => new CarmineError('cim/failed', { context: { reason: 'made up' } });
const transient = () => new CarmineError('wsman/unreachable', { context: { target: 'it', reason: 'made up' } });

it('there are as many calls as expected', () => {
  expect(steps).toHaveLength(12 + 1 + looks.length + 1 + 3 + 3);
});

describe('a fatal failure', () => {
  it.each(steps)('of call %i, %s', async (at, call) => {
    const { error, told, left } = await run({ at, when: 'before', error: fatal() });
    if (isCleaningUp(at)) {
      expect(error).toBeUndefined();
      expect(told).toContain(call === 'source.deleteUrl' ? 'the URL ' : 'the URL group');
    } else if (at === 13 || at === 16) {
      // It only looks more often, or does not know the reason for the wait.
      expect(call).toBe(at === 13 ? 'destination.watchJob' : 'destination.getFileDetails');
      expect(error).toBeUndefined();
    } else {
      expect(error).toMatchObject({ code: 'cim/failed' });
      expect(told).not.toContain('left behind');
      expect(left).toEqual([]);
    }
  });
});

describe('a failure that passes', () => {
  const tolerant = (at: number) => at > 12;

  it.each(steps)('before call %i, %s', async (at) => {
    const { error, told, left } = await run({ at, when: 'before', error: transient() });
    expect(left).toEqual([]);
    expect(told).not.toContain('left behind');
    if (tolerant(at)) expect(error).toBeUndefined();
    else expect(error).toMatchObject({ code: 'wsman/unreachable' });
  });

  it.each(steps)('that loses the answer of call %i, %s', async (at) => {
    const { error, told, left } = await run({ at, when: 'after', error: transient() });
    expect(left).toEqual([]);
    expect(told).not.toContain('left behind');
    if (tolerant(at)) expect(error).toBeUndefined();
    else expect(error).toMatchObject({ code: 'wsman/unreachable' });
  });
});

describe('an interruption', () => {
  const abortable = steps.filter(([at]) => !isCleaningUp(at));

  it.each(abortable)('before call %i, %s', async (at) => {
    const { error, left } = await run({ at, when: 'before', error: 'abort' });
    expect(error).toMatchObject({ code: 'internal/aborted' });
    expect(error?.message).not.toContain('left behind');
    expect(left).toEqual([]);
  });

  it.each(abortable)('that loses the answer of call %i, %s', async (at) => {
    const { error, left } = await run({ at, when: 'after', error: 'abort' });
    expect(error).toMatchObject({ code: 'internal/aborted' });
    expect(error?.message).not.toContain('left behind');
    expect(left).toEqual([]);
  });

  it('between two looks at the job', async () => {
    const world = newWorld();
    world.clock.after(700, () => world.controller.abort());
    await expect(world.copy(changes)).rejects.toMatchObject({ code: 'internal/aborted' });
    expect(world.calls.filter((call) => call === 'destination.getJob')).toHaveLength(2);
    expect(await world.remains()).toEqual([]);
  });
});
