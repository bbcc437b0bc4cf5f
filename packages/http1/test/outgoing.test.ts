import type { Socket } from 'node:net';
import { Writable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Outgoing } from '../src/node/outgoing.ts';
import { atTurnEnd } from '../src/node/turn-end.ts';

describe('what leaves on a connection', () => {
  /** @param after when the system has taken a write; at once unless given. */
  function sockets(count: number, after: (callback: () => void) => void = (callback) => callback()) {
    const log: string[] = [];
    const made = Array.from({ length: count }, (_, index) => {
      const write = (text: string) => log.push(`${index}: ${text}`);
      const socket = new Writable({
        decodeStrings: false,
        highWaterMark: 100,
        write(chunk: string | Buffer, _encoding, callback) {
          write(chunk.toString());
          after(callback);
        },
        writev(chunks, callback) {
          write(chunks.map(({ chunk }) => String(chunk)).join('+'));
          after(callback);
        },
      }) as unknown as Socket;
      return { socket, outgoing: new Outgoing(socket) };
    });
    return { log, made };
  }

  function oneSocket(after?: (callback: () => void) => void) {
    const { log, made } = sockets(1, after);
    return { log, ...made[0]! };
  }

  it('leaves at the end of the turn, one after the other', async () => {
    const { log, made } = sockets(2);
    const done: number[] = [];
    for (const [index, { outgoing }] of made.entries()) outgoing.hold('answer', () => done.push(index));
    await Promise.resolve();
    expect(log).toEqual([]);
    expect(done).toEqual([]);
    await nextTurn();
    expect(log).toEqual(['0: answer', '1: answer']);
    await nextTurn();
    expect(done).toEqual([0, 1]);
  });

  it('is in order with whatever else is written', async () => {
    const { log, outgoing } = oneSocket();
    outgoing.hold('first', undefined);
    outgoing.write(Buffer.from('second'), () => {});
    outgoing.hold(new TextEncoder().encode('third'), undefined);
    outgoing.hold('fourth', undefined);
    await nextTurn();
    outgoing.hold('fifth', undefined);
    outgoing.writeBoth('sixth', Buffer.from('seventh'), () => {});
    outgoing.hold('eighth', undefined);
    outgoing.writeCopied(Buffer.from('-ninth-'), 1, 6, undefined);
    expect(log).toEqual([
      '0: first',
      '0: second',
      '0: third+fourth',
      '0: fifth',
      '0: sixth+seventh',
      '0: eighth',
      '0: ninth',
    ]);
  });

  it('copies what it cannot write at once', () => {
    const { log, socket, outgoing } = oneSocket();
    const octets = Buffer.from('answer');
    socket.cork();
    outgoing.writeCopied(octets, 0, 6, undefined);
    octets.fill('x');
    socket.uncork();
    expect(log).toEqual(['0: answer']);
  });

  it('leaves also when the connection is ended in the same turn', async () => {
    const { log, socket, outgoing } = oneSocket();
    outgoing.hold('last', undefined);
    outgoing.end();
    await nextTurn();
    expect(log).toEqual(['0: last']);
    expect(socket.writableFinished).toBe(true);
  });

  it('does not pile up within a turn', () => {
    const { log, outgoing } = oneSocket(setImmediate);
    outgoing.hold('x'.repeat(40_000), undefined);
    expect([outgoing.stuck, log.length]).toEqual([false, 0]);
    outgoing.hold('y'.repeat(40_000), undefined);
    // More than the socket takes at once: it says so, and it has all that is there.
    expect([outgoing.stuck, log.length]).toEqual([true, 1]);
  });
});

it('work at the end of a turn is done in order, also what is asked for then', async () => {
  const log: string[] = [];
  atTurnEnd(() => {
    log.push('first');
    atTurnEnd(() => log.push('third'));
  });
  atTurnEnd(() => log.push('second'));
  expect(log).toEqual([]);
  await nextTurn();
  expect(log).toEqual(['first', 'second', 'third']);
});
