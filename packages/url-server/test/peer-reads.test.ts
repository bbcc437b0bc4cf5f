import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { NativeFile } from '../src/node/native-file.ts';
import { PeerReads } from '../src/node/peer-reads.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'setImmediate', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Peers whose every look at them is told what they miss then, the last number from then on. */
function peers(...looks: readonly (readonly (number | undefined)[])[]) {
  const log: string[] = [];
  const left = looks.map((each) => [...each]);
  const native = {
    missing: (_socket: Socket, fd: number) => {
      log.push(`look at ${fd}`);
      const mine = left[fd] ?? [];
      return mine.length > 1 ? mine.shift() : mine[0];
    },
  } as unknown as NativeFile;
  const sockets = looks.map((_, fd) => {
    const socket = {
      _handle: { fd },
      timeout: 7,
      setTimeout: (timeout: number) => log.push(`${fd} moves, ${timeout}`),
    };
    return socket as unknown as Socket & { destroyed?: boolean };
  });
  return { log, native, sockets };
}

/** One of the event loop, which takes a millisecond here. */
const turn = () => vi.advanceTimersToNextTimer();
const moment = 10;

describe('waiting until a peer has everything', () => {
  it('is over at once where it has, and refused where nobody knows', async () => {
    const { native, sockets } = peers([0], [undefined]);
    const reads = new PeerReads(native, moment);
    expect(await Promise.all(sockets.map((socket) => reads.everythingRead(socket, () => false)))).toEqual([
      true,
      false,
    ]);
  });

  it('looks in each turn, at the one who has waited longest first', async () => {
    const { log, native, sockets } = peers([3, 2, 1, 0], [9, 0]);
    const reads = new PeerReads(native, moment);
    const waits = sockets.map((socket) => reads.everythingRead(socket, () => false));
    log.length = 0;
    for (let turns = 0; turns < 3; turns++) turn();
    expect(await Promise.all(waits)).toEqual([true, true]);
    expect(log).toEqual(['look at 0', '0 moves, 7', 'look at 0', '0 moves, 7', 'look at 0', 'look at 1']);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('leaves one that takes nothing to a timer, less and less often, and the others do not wait for it', async () => {
    const stuckFor = Array<number>(20).fill(5);
    const { log, native, sockets } = peers([...stuckFor, 4, 4, 0], [1, 0]);
    const reads = new PeerReads(native, moment);
    const [stuck, other] = sockets.map((socket) => reads.everythingRead(socket, () => false));
    const began = performance.now();
    const looks: number[] = [];
    let otherAt = Number.NaN;
    void other?.then(() => {
      otherAt = performance.now() - began;
    });
    for (let seen = 1; vi.getTimerCount() > 0; ) {
      turn();
      await Promise.resolve();
      const at = log.filter((line) => line === 'look at 0').length;
      if (at > seen) looks.push(performance.now() - began);
      seen = at;
    }
    expect(await stuck).toBe(true);
    // Nothing happens between the turns here: the first pauses are these, until the moment is over.
    const pauses = looks.map((time, index) => Math.round(time - (looks[index - 1] ?? 0)));
    expect(otherAt).toBe(looks[moment]);
    expect(pauses.slice(moment + 1)).toEqual([1, 2, 4, 8, 16, 32, 64, 64, 64, 1, 2]);
    expect(log).toContain('0 moves, 7');
  });

  it.each([moment, 0])('ends when the connection does, or is told to (a moment: %s ms)', async (each) => {
    const { native, sockets } = peers([5], [5]);
    const reads = new PeerReads(native, each);
    let stopped = false;
    const waits = sockets.map((socket, index) => reads.everythingRead(socket, () => index === 1 && stopped));
    const [gone] = sockets;
    if (gone !== undefined) gone.destroyed = true;
    stopped = true;
    await vi.advanceTimersByTimeAsync(100);
    expect(await Promise.all(waits)).toEqual([false, false]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('does not keep the only processor busy', async () => {
    const { log, native, sockets } = peers([5, 5, 0]);
    const began = performance.now();
    const wait = new PeerReads(native, 0).everythingRead(sockets[0] as Socket, () => false);
    expect(log).toEqual(['look at 0']);
    turn();
    turn();
    // After 1 and 2 ms.
    expect([log.length, performance.now() - began]).toEqual([3, 3]);
    expect(await wait).toBe(true);
  });
});

it('it is asked once of each connection whether it can be followed, until it can', () => {
  const { log, native, sockets } = peers([undefined, 0]);
  const reads = new PeerReads(native, moment);
  const [socket] = sockets as [Socket];
  expect([1, 2, 3].map(() => reads.canFollow(socket))).toEqual([false, true, true]);
  expect(log).toHaveLength(2);
  expect(reads.canFollow({ _handle: null } as unknown as Socket)).toBe(false);
});
