/** Bytes per second over the last second or so; undefined until there is something to tell. */
export class RateMeter {
  #from: number | undefined;
  #bytes = 0;
  #rate: number | undefined;
  #lastAt: number | undefined;

  /** What is expected next comes another way. */
  forget(): void {
    this.#from = undefined;
    this.#rate = undefined;
    this.#lastAt = undefined;
    this.#bytes = 0;
  }

  /** Something is expected from now on. */
  begin(now: number): void {
    // Nothing came for so long that it was not this connection's speed.
    if (this.#lastAt !== undefined && now - this.#lastAt > longSilence) this.#rate = undefined;
    this.#from = now;
    this.#bytes = 0;
  }

  add(bytes: number, now: number): void {
    this.#from ??= now;
    this.#lastAt = now;
    this.#bytes += bytes;
    this.#roll(now);
  }

  /** Counts the time in which nothing came, too. */
  rate(now: number): number | undefined {
    this.#roll(now);
    if (this.#rate !== undefined || this.#from === undefined) return this.#rate;
    const elapsed = now - this.#from;
    return elapsed >= shortest && this.#bytes > 0 ? (this.#bytes * 1_000) / elapsed : undefined;
  }

  #roll(now: number): void {
    if (this.#from === undefined) return;
    const elapsed = now - this.#from;
    if (elapsed < period) return;
    const latest = (this.#bytes * 1_000) / elapsed;
    // After a long silence what was before says nothing.
    const weight = Math.min(1, elapsed / (2 * period));
    this.#rate = this.#rate === undefined ? latest : this.#rate + (latest - this.#rate) * weight;
    this.#from = now;
    this.#bytes = 0;
  }
}

/** Milliseconds. */
const period = 500;
const shortest = 50;
const longSilence = 2_000;
