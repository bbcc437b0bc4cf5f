import { beforeEach, describe, expect, it } from 'vitest';
import { decide, sliceEnd } from '../src/schedule.ts';
import { EngineFixture, minutes, seconds } from './support/engine-fixture.ts';

describe('scheduling', () => {
  let f: EngineFixture;
  beforeEach(async () => {
    f = await EngineFixture.start();
  });
  const create = async (name: string, priority: 'foreground' | 'high' | 'normal' | 'low') => {
    const id = await f.create(name, { suspend: true });
    await f.engine.modifyJob(id, { priority });
    await f.engine.setJobState(id, 'resume');
    await f.settle();
    return id;
  };

  it('runs all foreground jobs and exactly one background job', async () => {
    for (const name of ['f1', 'f2', 'f3']) await create(name, 'foreground');
    for (const name of ['n1', 'n2']) await create(name, 'normal');
    expect(f.transfers.urls).toEqual(['f1', 'f2', 'f3', 'n1']);
  });

  it('lets a higher level pre-empt a lower one, which goes on afterwards', async () => {
    const low = await create('low', 'low');
    f.transfers.at('low').receive(30);
    await create('high', 'high');
    expect(f.transfers.urls).toEqual(['high']);
    expect(await f.state(low)).toBe('queued');
    await create('normal', 'normal');
    f.transfers.at('high').succeed();
    await f.settle();
    expect(f.transfers.urls).toEqual(['normal']);
    f.transfers.at('normal').succeed();
    await f.settle();
    expect(f.transfers.urls).toEqual(['low']);
    expect(await f.engine.getJob(low)).toMatchObject({ bytesTransferred: 30n });
  });

  it('does not let a waiting job of a higher level hold up a lower one', async () => {
    await create('high', 'high');
    await create('low', 'low');
    f.transfers.at('high').fail('transfer/timed-out');
    await f.settle();
    expect(f.transfers.urls).toEqual(['low']);
    await f.clock.advance(600 * seconds);
    expect(f.transfers.urls).toEqual(['high']);
  });

  it('gives jobs of one level turns of five minutes, first come first served', async () => {
    for (const name of ['a', 'b', 'c']) await create(name, 'normal');
    const order: string[] = [];
    for (let i = 0; i < 6; i++) {
      order.push(f.transfers.urls.join());
      await f.clock.advance(5 * minutes);
    }
    expect(order).toEqual(['a', 'b', 'c', 'a', 'b', 'c']);
  });

  it('does not interrupt a job that is alone on its level', async () => {
    await create('a', 'normal');
    await create('later', 'low');
    await f.clock.advance(60 * minutes);
    expect(f.transfers.requests).toHaveLength(1);
  });

  it('follows a change of priority', async () => {
    const a = await create('a', 'normal');
    const b = await create('b', 'normal');
    await f.engine.modifyJob(b, { priority: 'high' });
    await f.settle();
    expect(f.transfers.urls).toEqual(['b']);
    await f.engine.modifyJob(a, { priority: 'foreground' });
    await f.settle();
    expect(f.transfers.urls).toEqual(['a', 'b']);
    await f.engine.modifyJob(a, { priority: 'low' });
    await f.settle();
    expect(f.transfers.urls).toEqual(['b']);
  });

  it('hands the turn on when a job is suspended, cancelled or done', async () => {
    const [a, b] = [await create('a', 'normal'), await create('b', 'normal')];
    await create('c', 'normal');
    await f.engine.setJobState(a, 'suspend');
    await f.settle();
    expect(f.transfers.urls).toEqual(['b']);
    await f.engine.setJobState(b, 'cancel');
    await f.settle();
    expect(f.transfers.urls).toEqual(['c']);
  });
});

describe('decide', () => {
  const job = (jobId: string, state: 'queued' | 'transferring', priority: 'high' | 'normal', place: number) => ({
    jobId,
    state,
    priority,
    place,
    turnBegan: 0,
  });

  it('is silent when nothing is to be done', () => {
    expect(decide([], 0, 10)).toBeUndefined();
    expect(decide([job('a', 'transferring', 'normal', 1)], 1_000, 10)).toBeUndefined();
  });

  it('ends a slice only for a job of the same level, and says when', () => {
    const jobs = [job('a', 'transferring', 'high', 1), job('b', 'queued', 'normal', 2)];
    expect(decide(jobs, 1_000, 10)).toBeUndefined();
    expect(sliceEnd(jobs, 10)).toBeUndefined();
    const rivals = [job('a', 'transferring', 'high', 1), job('b', 'queued', 'high', 2)];
    expect(sliceEnd(rivals, 10)).toBe(10);
    expect(decide(rivals, 9, 10)).toBeUndefined();
    expect(decide(rivals, 10, 10)).toEqual({ event: 'sliceEnded', jobId: 'a' });
  });
});
