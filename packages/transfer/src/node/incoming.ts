import { maximumHead } from '../http-head.ts';
import { type BufferPool, ReceiveBuffer } from './buffer-pool.ts';

/** The buffers that one connection fills, one after the other. */
export class Incoming {
  readonly #pool: BufferPool;
  #buffer: ReceiveBuffer | undefined;
  #since = 0;
  /** The last one was filled quickly. */
  #quick = false;

  constructor(pool: BufferPool) {
    this.#pool = pool;
  }

  get buffer(): ReceiveBuffer | undefined {
    return this.#buffer;
  }

  /**
   * Where the next octets go: what is left of the buffer, as long as a read is worth its while. `full` hands on what can be handed on
   * before there is another one.
   */
  space(inBody: boolean, full: () => void): Uint8Array {
    // A body fills its buffers to the end, so that all of it lies in memory as in the file; a head must be in one piece.
    const needed = inBody ? 1 : 3 * maximumHead;
    if (this.#buffer !== undefined && this.#buffer.room < needed) this.#change(this.#buffer, full);
    if (this.#buffer === undefined) this.#buffer = this.#newBuffer();
    const { bytes, filled } = this.#buffer;
    // What comes with a head is moved: not much, then.
    return inBody ? bytes.subarray(filled) : bytes.subarray(filled, filled + maximumHead);
  }

  /** Does without it; what is returned is to be called when nobody fills it any more. */
  leave(): () => void {
    const buffer = this.#buffer;
    this.#buffer = undefined;
    return () => buffer?.release();
  }

  #newBuffer(): ReceiveBuffer {
    this.#since = performance.now();
    return new ReceiveBuffer(this.#pool, this.#quick);
  }

  /** A head that has begun moves along, so that it is in one piece. */
  #change(old: ReceiveBuffer, full: () => void): void {
    full();
    if (this.#buffer !== old) return;
    this.#quick = (old.bytes.length * 1_000) / Math.max(1, performance.now() - this.#since) > quickly;
    const next = this.#newBuffer();
    next.bytes.set(old.fresh);
    next.filled = old.fresh.length;
    old.release();
    this.#buffer = next;
  }
}

/** Bytes per second with which a connection gets large buffers. */
const quickly = 40e6;
