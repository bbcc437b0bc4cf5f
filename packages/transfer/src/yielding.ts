/**
 * The rate of a transfer that gives way to everybody else on its path, as LEDBAT (RFC 6817) does, by what a receiver can see: how much
 * longer an answer takes than it did at best. That more is a queue on the way, whoever fills it.
 */
export class YieldingRate {
  /** Shortest times of this period and the one before. */
  #base: readonly [number, number] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  #baseSince: number | undefined;
  #rate: number | undefined;
  /** Bytes per second, the best that was reached. */
  #best = 0;

  /**
   * An answer took `latency` milliseconds while `achieved` bytes per second came. Returns the bytes per second from now on; undefined
   * as long as nothing was ever in the way.
   */
  sample(latency: number, achieved: number, now: number): number | undefined {
    this.#best = Math.max(this.#best, achieved);
    this.#baseSince ??= now;
    if (now - this.#baseSince > basePeriod) {
      // Routes change: what was shortest long ago says nothing.
      this.#base = [Number.POSITIVE_INFINITY, this.#base[0]];
      this.#baseSince = now;
    }
    this.#base = [Math.min(this.#base[0], latency), this.#base[1]];
    const queue = latency - Math.min(...this.#base);
    const floor = Math.max(leastRate, this.#best * leastPart);
    if (queue > target) {
      // The further above the target, the more.
      const factor = Math.max(0.25, target / queue);
      this.#rate = Math.max(floor, Math.min(this.#rate ?? achieved, Math.max(achieved, floor)) * factor);
    } else if (this.#rate !== undefined) {
      const room = 1 - queue / target;
      // No more than what can be used: or a queue would be a surprise.
      const most = Math.max(floor, achieved * 2, this.#rate);
      this.#rate = Math.min(most, this.#rate * (1 + growth * room) + step * room);
    }
    return this.#rate;
  }
}

/** Milliseconds of queue that are nobody's fault. */
const target = 15;
const basePeriod = 120_000;
/** Of the best rate; promised is that it goes on. */
const leastPart = 0.015;
/** Bytes per second. */
const leastRate = 16 * 1024;
/**
 * Of the rate, for each answer. A connection that lost a packet leaves room and comes back within some seconds; whoever has taken that room by then
 * makes it lose the next one.
 */
const growth = 0.1;
const step = 16 * 1024;
