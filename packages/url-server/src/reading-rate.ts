/**
 * Tells who reads too slowly to be served on: a reader starts with `grace` of time, every byte that he takes buys him more
 * at `minimum` bytes per second, and nobody ever has more than `grace` ahead. So one who stops is dropped after `grace`,
 * whatever he took before. Time is a value, milliseconds.
 */
export class ReadingRate {
  readonly #minimum: number;
  readonly #grace: number;
  #taken = 0;
  #until: number;

  constructor(limits: ReadingLimits, now: number) {
    this.#minimum = limits.minimumRate;
    this.#grace = limits.grace;
    this.#until = now + limits.grace;
  }

  /** @param taken by the reader in all so far. Returns whether that is more than before. */
  progress(taken: number, now: number): boolean {
    if (taken <= this.#taken) return false;
    this.#until = Math.min(this.#until + ((taken - this.#taken) / this.#minimum) * 1000, now + this.#grace);
    this.#taken = taken;
    return true;
  }

  /** For so long nothing was offered to him. */
  excuse(milliseconds: number): void {
    this.#until += milliseconds;
  }

  tooSlow(now: number): boolean {
    return now > this.#until;
  }
}

export interface ReadingLimits {
  /** Bytes per second; more than 0. */
  readonly minimumRate: number;
  /** Milliseconds. */
  readonly grace: number;
}
