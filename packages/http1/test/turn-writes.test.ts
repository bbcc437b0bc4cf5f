import type { Socket } from 'node:net';
import { Writable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { writeThisTurn } from '../src/node/turn-writes.ts';

describe('writes of a turn', () => {
  function sockets(count: number) {
    const log: string[] = [];
    const made = Array.from({ length: count }, (_, index) => {
      const write = (text: string) => log.push(`${index}: ${text}`);
      return new Writable({
        decodeStrings: false,
        write(chunk: string | Buffer, _encoding, callback) {
          write(chunk.toString());
          callback();
        },
        writev(chunks, callback) {
          write(chunks.map(({ chunk }) => String(chunk)).join('+'));
          callback();
        },
      }) as unknown as Socket;
    });
    return { log, made };
  }

  it('leave at its end, one after the other', async () => {
    const { log, made } = sockets(2);
    const done: number[] = [];
    for (const [index, socket] of made.entries()) writeThisTurn(socket, 'answer', () => done.push(index));
    await Promise.resolve();
    expect(log).toEqual([]);
    expect(done).toEqual([]);
    await nextTurn();
    expect(log).toEqual(['0: answer', '1: answer']);
    await nextTurn();
    expect(done).toEqual([0, 1]);
  });

  it('are in order with whatever else is written to the socket', async () => {
    const { log, made } = sockets(1);
    const socket = made[0] as Socket;
    writeThisTurn(socket, 'first');
    socket.write('second');
    writeThisTurn(socket, new TextEncoder().encode('third'));
    await nextTurn();
    expect(log).toEqual(['0: first+second+third']);
    socket.write('fourth');
    expect(log).toEqual(['0: first+second+third', '0: fourth']);
  });

  it('leave also when the socket is ended in the same turn', async () => {
    const { log, made } = sockets(1);
    const socket = made[0] as Socket;
    writeThisTurn(socket, 'last');
    socket.end();
    await nextTurn();
    expect(log).toEqual(['0: last']);
    expect(socket.writableFinished).toBe(true);
  });
});
