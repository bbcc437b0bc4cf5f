import { CarmineError } from '@carmine/errors';
import { SeededRandom } from '@carmine/testkit';
import {
  createPlanner,
  ExtentSet,
  type PlannerCommand,
  type PlannerOptions,
  type ResponseHead,
} from '@carmine/transfer';
import { expect } from 'vitest';

/** What the network and the origin of one simulated transfer are like. Bytes, seconds where not said otherwise. */
export interface World {
  readonly seed: number;
  readonly length: number;
  /** Milliseconds. */
  readonly roundTrip: number;
  /** Bytes per second of all connections together. */
  readonly link: number;
  /** Bytes per second of the n-th connection that is opened, from 0. */
  rate(connection: number): number;
  /** Milliseconds that an answer waits where the connections could bring more than the link carries. */
  readonly queue?: number | undefined;
  /** A connection is reset when it has carried so much. */
  readonly resetAfter?: number | undefined;
  /** Of 1,000 connections, how many bring nothing more after a while, without a word. */
  readonly stalls?: number | undefined;
  /** Of 1,000 requests, how many are answered 503. */
  readonly refusals?: number | undefined;
  /** More connections at the same time than that get 503. */
  readonly limit?: number | undefined;
  /** Nothing passes between these milliseconds. */
  readonly blackout?: readonly [number, number] | undefined;
  /** The origin does not say whether it knows ranges. */
  readonly silentAboutRanges?: boolean | undefined;
}

export interface Course {
  /** Milliseconds. */
  readonly time: number;
  readonly requests: number;
  readonly connections: number;
  readonly mostOpen: number;
  readonly end: 'complete' | 'fail' | 'stuck';
  readonly error: CarmineError | undefined;
}

interface Open {
  readonly stream: number;
  readonly connection: Connection;
  answered: boolean;
  answersAt: number;
  paused: boolean;
  position: number;
  end: number;
  pending: number;
  readonly head: ResponseHead;
}

interface Connection {
  readonly number: number;
  carried: number;
  readonly stallsAt: number;
}

/** Runs a planner through a world in virtual time, checking at every step what must always hold. */
export function runThrough(world: World, options: PlannerOptions, allowed: number): Course {
  const random = new SeededRandom(world.seed);
  const planner = createPlanner(options);
  const open = new Map<number, Open>();
  const connections = new Map<number, Connection>();
  /** Written some time after it was received, journalled some time after that. */
  const later: { readonly at: number; readonly work: () => void }[] = [];
  const journalled = new ExtentSet();
  let [now, requests, opened, mostOpen, taken] = [0, 0, 0, 0, 0];
  let end = 'stuck' as Course['end'];
  let error: CarmineError | undefined;
  let over = false;

  const refuse = (): ResponseHead => ({ status: 503, headers: {}, origin: 'o' });
  const answer = (range: { readonly start: number; readonly end: number } | undefined): ResponseHead => {
    if (random.below(1_000) < (world.refusals ?? 0) && requests > 1) return refuse();
    if (open.size >= (world.limit ?? Number.POSITIVE_INFINITY)) return refuse();
    const headers = {
      etag: '"1"',
      ...(world.silentAboutRanges === true ? {} : { 'accept-ranges': 'bytes' }),
    };
    if (range === undefined)
      return { status: 200, headers: { ...headers, 'content-length': `${world.length}` }, origin: 'o' };
    const contentRange = `bytes ${range.start}-${range.end - 1}/${world.length}`;
    return { status: 206, headers: { ...headers, 'content-range': contentRange }, origin: 'o' };
  };
  const waiting = (): number => {
    const receiving = [...open.values()].filter(({ answered, paused }) => answered && !paused);
    const demand = receiving.reduce((sum, { connection }) => sum + world.rate(connection.number), 0);
    return demand >= world.link ? (world.queue ?? 40) : 0;
  };
  const obey = (command: PlannerCommand): void => {
    expect(over).toBe(false);
    switch (command.type) {
      case 'request': {
        requests++;
        const { range } = command.request;
        const start = range?.start ?? 0;
        const stop = range?.end ?? world.length;
        if (range !== undefined) {
          // Nothing that is journalled is ever asked for again.
          const before = journalled.total;
          const both = new ExtentSet([...journalled.extents, range]);
          expect(both.total).toBe(before + range.end - range.start);
        }
        let connection = connections.get(command.slot);
        const fresh = connection === undefined;
        if (connection === undefined) {
          const stalls = random.below(1_000) < (world.stalls ?? 0);
          const stallsAt = stalls ? random.below(2_000_000) : Number.POSITIVE_INFINITY;
          connection = { number: opened++, carried: 0, stallsAt };
          connections.set(command.slot, connection);
        }
        const head = { ...answer(range), elapsed: world.roundTrip + waiting() };
        open.set(command.stream, {
          stream: command.stream,
          connection,
          answered: false,
          answersAt: now + (fresh ? world.roundTrip : 0) + head.elapsed,
          paused: false,
          position: start,
          end: stop,
          pending: 0,
          head,
        });
        mostOpen = Math.max(mostOpen, open.size);
        expect(open.size).toBeLessThanOrEqual(allowed);
        return;
      }
      case 'abort': {
        const stream = open.get(command.stream);
        open.delete(command.stream);
        for (const [slot, connection] of connections) if (connection === stream?.connection) connections.delete(slot);
        return;
      }
      case 'pause':
      case 'resume': {
        const stream = open.get(command.stream);
        if (stream !== undefined) stream.paused = command.type === 'pause';
        return;
      }
      case 'prepare':
        later.push({ at: now + random.below(10), work: () => tell({ type: 'prepared' }) });
        return;
      case 'checkpoint':
        for (const extent of command.extents) {
          const before = journalled.total;
          journalled.add(extent);
          // Every byte is journalled once.
          expect(journalled.total).toBe(before + extent.end - extent.start);
        }
        later.push({
          at: now + random.below(30),
          work: () => tell({ type: 'journalled', sequence: command.sequence }),
        });
        return;
      case 'complete':
        [end, over] = ['complete', true];
        return;
      case 'fail':
        [end, over, error] = ['fail', true, command.error];
        return;
      case 'stopped':
      case 'flush':
      case 'noteDigest':
      case 'verify':
      case 'findBad':
      case 'forget':
      case 'adopt':
        return;
    }
  };
  const drain = () => {
    for (let command = planner.poll(); command !== undefined; command = planner.poll()) obey(command);
  };
  const tell = (event: Parameters<typeof planner.handle>[0]) => {
    planner.handle(event, now);
    drain();
  };
  const arrive = (stream: Open, bytes: number) => {
    stream.position += bytes;
    stream.connection.carried += bytes;
    const count = planner.receive(stream.stream, bytes, now);
    taken += count;
    if (count > 0) {
      const { stream: id } = stream;
      later.push({ at: now + random.below(20), work: () => tell({ type: 'written', stream: id, bytes: count }) });
    }
    drain();
  };
  const lose = (stream: Open) => {
    open.delete(stream.stream);
    for (const [slot, connection] of connections) if (connection === stream.connection) connections.delete(slot);
    tell({
      type: 'failed',
      stream: stream.stream,
      error: new CarmineError('transfer/connection-lost', { context: { origin: 'o' } }),
    });
  };

  tell({ type: 'start' });
  while (!over && now < longest) {
    now += step;
    // In order: a stream is written as it was received.
    later.sort((a, b) => a.at - b.at);
    while (!over && later[0] !== undefined && later[0].at <= now) later.shift()?.work();
    const due = planner.nextTimeout();
    if (!over && due !== undefined && due <= now) tell({ type: 'timeout' });
    const dark = world.blackout !== undefined && now >= world.blackout[0] && now < world.blackout[1];
    if (dark) continue;
    const receiving = [...open.values()].filter((stream) => stream.answered && !stream.paused);
    const share = world.link / Math.max(1, receiving.length);
    for (const stream of Array.from(open.values())) {
      if (over) break;
      if (open.get(stream.stream) !== stream) continue;
      if (!stream.answered) {
        if (now < stream.answersAt) continue;
        stream.answered = true;
        tell({ type: 'responded', stream: stream.stream, head: stream.head });
        continue;
      }
      const { connection } = stream;
      if (stream.paused || connection.carried >= connection.stallsAt) continue;
      const speed = Math.min(share, world.rate(connection.number));
      const bytes = Math.min(stream.end - stream.position, Math.ceil((speed * step) / 1_000));
      if (bytes > 0) arrive(stream, bytes);
      if (over || open.get(stream.stream) !== stream) continue;
      if (stream.position === stream.end) {
        open.delete(stream.stream);
        tell({ type: 'ended', stream: stream.stream });
      } else if (connection.carried >= (world.resetAfter ?? Number.POSITIVE_INFINITY)) {
        lose(stream);
      }
    }
  }
  if (end === 'complete') {
    // Every byte exactly once, and none that nobody asked for.
    expect([journalled.total, taken, planner.transferred]).toEqual([world.length, world.length, world.length]);
  }
  return { time: now, requests, connections: opened, mostOpen, end, error };
}

/** Milliseconds. */
const step = 10;
const longest = 3_600_000;
