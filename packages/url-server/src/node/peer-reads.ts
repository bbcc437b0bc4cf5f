import type { Socket } from 'node:net';
import { availableParallelism } from 'node:os';
import { descriptorOf } from '@carmine/http1/node';
import type { NativeFile } from './native-file.ts';

/**
 * Waits until peers have what was sent to them: it is acknowledged, and by a peer of this system read. Nothing tells of that, so it is looked at again and
 * again: at the one who has waited longest in each turn of the event loop, as others read in the order in which they were given, for a moment; after that with a timer, less and less often.
 */
export class PeerReads {
  readonly #native: NativeFile;
  readonly #moment: number;
  /** Known to be such that it can be followed. */
  readonly #followed = new WeakSet<Socket>();
  /** Looked at in each turn, the one who has waited longest first. */
  #first: Waiter[] = [];
  /** When the first of them became that. */
  #since = 0;

  /** @param moment milliseconds; none where the peer has no processor while this looks. */
  constructor(native: NativeFile, moment = availableParallelism() > 1 ? eagerTime : 0) {
    this.#native = native;
    this.#moment = moment;
  }

  /** Whether it can be known when this peer has everything. */
  canFollow(socket: Socket): boolean {
    if (this.#followed.has(socket)) return true;
    const fd = descriptorOf(socket);
    const can = fd !== undefined && this.#native.missing(socket, fd) !== undefined;
    if (can) this.#followed.add(socket);
    return can;
  }

  /** False when it is gone, is not to be waited for any more, or the system does not tell. */
  everythingRead(socket: Socket, stopped: () => boolean): Promise<boolean> {
    const missing = this.#missing(socket, stopped);
    if (missing === undefined || missing === 0) return Promise.resolve(missing === 0);
    return new Promise((resolve) => {
      const waiter: Waiter = { socket, stopped, resolve, missing };
      if (this.#moment === 0) {
        this.#lookLater(waiter, shortestPause);
        return;
      }
      if (this.#first.push(waiter) > 1) return;
      this.#since = performance.now();
      setImmediate(() => this.#lookNow());
    });
  }

  /** 0: it has everything. */
  #missing(socket: Socket, stopped: () => boolean): number | undefined {
    const fd = descriptorOf(socket);
    if (fd === undefined || stopped()) return undefined;
    return this.#native.missing(socket, fd);
  }

  #lookNow(): void {
    for (;;) {
      const [waiter] = this.#first;
      if (waiter === undefined) return;
      if (!this.#look(waiter)) {
        if (performance.now() - this.#since < this.#moment) break;
        this.#lookLater(waiter, shortestPause);
      }
      this.#first.shift();
      this.#since = performance.now();
    }
    setImmediate(() => this.#lookNow());
  }

  #lookLater(waiter: Waiter, pause: number): void {
    setTimeout(() => {
      const { missing } = waiter;
      if (this.#look(waiter)) return;
      // Who takes nothing is not looked at a thousand times a second.
      this.#lookLater(waiter, waiter.missing === missing ? Math.min(pause * 2, longestPause) : shortestPause);
    }, pause);
  }

  /** True when there is nothing to wait for any more. */
  #look(waiter: Waiter): boolean {
    const { socket, stopped, resolve } = waiter;
    const missing = this.#missing(socket, stopped);
    if (missing === undefined || missing === 0) {
      resolve(missing === 0);
      return true;
    }
    // Something moves: the time-out for idle connections starts again.
    if (missing !== waiter.missing) socket.setTimeout(socket.timeout ?? 0);
    waiter.missing = missing;
    return false;
  }
}

interface Waiter {
  readonly socket: Socket;
  readonly stopped: () => boolean;
  readonly resolve: (whole: boolean) => void;
  /** Bytes, at the last look. */
  missing: number;
}

/** Milliseconds. A peer that is awake reads a MiB in a tenth of one. */
const eagerTime = 0.5;
const [shortestPause, longestPause] = [1, 64];
