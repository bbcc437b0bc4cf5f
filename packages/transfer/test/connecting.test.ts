import type * as net from 'node:net';
import { SeededRandom } from '@carmine/testkit';
import { createHttpReceiverFactory } from '@carmine/transfer/node';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { HttpOrigin } from './support/http-origin.ts';

/** Fake time of each call of `connect`; the first `silent` of them lead to nobody. */
const dialled: number[] = [];
const sockets: net.Socket[] = [];
let silent = 0;

vi.mock('node:net', async (importOriginal) => {
  const real = await importOriginal<typeof net>();
  const connect = (options: net.NetConnectOpts) => {
    dialled.push(Date.now());
    const socket = dialled.length > silent ? real.connect(options) : new SilentSocket();
    sockets.push(socket);
    return socket;
  };
  /** Asks to be connected, and nobody answers. */
  class SilentSocket extends real.Socket {
    constructor() {
      super();
      Object.assign(this, { connecting: true });
      queueMicrotask(() => this.emit('connectionAttempt', '192.0.2.1', 80, 4));
    }
  }
  return { ...real, connect };
});

describe('a connection of the fast way that nobody answers', () => {
  const content = new SeededRandom(17).bytes(10_000);
  let origin: HttpOrigin;
  let began: number;
  beforeEach(async () => {
    origin = await HttpOrigin.start(content);
    dialled.length = 0;
    sockets.length = 0;
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
    began = Date.now();
  });
  afterEach(async () => {
    vi.useRealTimers();
    await origin.close();
  });

  /** One request; what it comes to, as a promise that is settled in real time. */
  function ask(): {
    readonly ended: Promise<unknown>;
    readonly receivers: ReturnType<typeof createHttpReceiverFactory>;
  } {
    const receivers = createHttpReceiverFactory({ idle: 60_000 });
    const receiver = receivers(origin.url);
    const ended = new Promise<unknown>((resolve) => {
      let length = 0;
      receiver.request(
        { method: 'GET' },
        {
          onHead: () => undefined,
          onData(chunk, release) {
            length += chunk.length;
            release?.();
          },
          onEnd: () => resolve(length),
          onError: resolve,
        },
      );
    }).finally(() => receiver.close());
    return { ended, receivers };
  }
  const times = () => dialled.map((at) => at - began);

  it('is made anew after a second, every fourth time after five, and the request goes over the one that is answered', async () => {
    silent = 6;
    const { ended, receivers } = ask();
    expect(times()).toEqual([0]);
    for (const [index, at] of [1_000, 2_000, 3_000, 8_000, 9_000, 10_000].entries()) {
      await vi.advanceTimersByTimeAsync(began + at - 1 - Date.now());
      expect(dialled).toHaveLength(index + 1);
      await vi.advanceTimersByTimeAsync(1);
      expect(dialled).toHaveLength(index + 2);
    }
    expect(times()).toEqual([0, 1_000, 2_000, 3_000, 8_000, 9_000, 10_000]);
    expect(await ended).toBe(content.length);
    expect(sockets.map((socket) => socket.destroyed)).toEqual([true, true, true, true, true, true, false]);
    expect(origin.seen).toHaveLength(1);
    // Nothing is in a hurry any more: only the connection waits for its time.
    expect(vi.getTimerCount()).toBe(1);
    receivers.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is not made anew when it is answered within the second', async () => {
    silent = 0;
    const { ended, receivers } = ask();
    expect(await ended).toBe(content.length);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(times()).toEqual([0]);
    receivers.close();
  });

  it('is given up after thirty seconds, all of them together', async () => {
    silent = 100;
    const { ended } = ask();
    await vi.advanceTimersByTimeAsync(29_999);
    const before = dialled.length;
    await vi.advanceTimersByTimeAsync(1);
    expect(await ended).toMatchObject({ code: 'transfer/timed-out' });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(dialled).toHaveLength(before);
    expect(sockets.every((socket) => socket.destroyed)).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });
});
