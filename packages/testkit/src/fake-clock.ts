/** Timers of a shell, as our code takes them: real ones in production, this clock in tests. Milliseconds. */
export interface Clock {
  now(): number;
  /** Calls back once after `delay`; returns the function that cancels it. */
  after(delay: number, callback: () => void): () => void;
}

/** Virtual time: nothing happens until `advance` is called. */
export class FakeClock implements Clock {
  #now: number;
  #order = 0;
  #timers: { at: number; order: number; callback: () => void }[] = [];

  constructor(start = Date.UTC(2026, 0, 1)) {
    this.#now = start;
  }

  now(): number {
    return this.#now;
  }

  after(delay: number, callback: () => void): () => void {
    const timer = { at: this.#now + Math.max(0, delay), order: this.#order++, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Moves time forward, calling what falls due in order; lets promises settle between calls. */
  async advance(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds;
    for (;;) {
      await settle();
      const due = this.#timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== due);
      this.#now = Math.max(this.#now, due.at);
      due.callback();
    }
    this.#now = end;
    await settle();
  }

  /** When the next timer falls due; undefined when there is none. */
  get next(): number | undefined {
    return this.#timers.length === 0 ? undefined : Math.min(...this.#timers.map((timer) => timer.at));
  }
}

/** Lets every pending promise and immediate run. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}
