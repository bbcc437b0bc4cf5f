/**
 * Shares a group's bytes per second among its answers: a token bucket that holds one second's worth. `reserve` tells how
 * long the caller must wait before it sends so many bytes; time and rate are values.
 */
export class BandwidthBucket {
  /** When the bytes reserved so far will have been sent, milliseconds. */
  #freeAt = 0;

  /** @param rate bytes per second; infinite when there is no limit. Returns milliseconds. */
  reserve(bytes: number, rate: number, now: number): number {
    if (!Number.isFinite(rate)) return 0;
    const start = Math.max(this.#freeAt, now - burst);
    this.#freeAt = start + (bytes / rate) * 1000;
    return Math.max(0, this.#freeAt - now);
  }
}

/** Unused time that may be caught up with, milliseconds. */
const burst = 1000;
