/** Orders the writes of one file. */
export class WriteQueue {
  readonly #waiting: Entry[] = [];
  readonly #running = new Set<Entry>();

  /**
   * Runs `work`, which writes `start` to `end`, when its turn comes. Writes to the same bytes keep their order. A few of one kind go on at the same time:
   * those past the page cache (`direct`), or those through it.
   */
  add(start: number, end: number, direct: boolean, work: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ start, end, direct, run: () => work().then(resolve, reject) });
      this.#pump();
    });
  }

  #pump(): void {
    for (let next = this.#waiting[0]; next !== undefined && this.#mayRun(next); next = this.#waiting[0]) {
      const entry = next;
      this.#waiting.shift();
      this.#running.add(entry);
      void entry.run().finally(() => {
        this.#running.delete(entry);
        this.#pump();
      });
    }
  }

  #mayRun({ start, end, direct }: Entry): boolean {
    if (this.#running.size >= maximumAtOnce) return false;
    for (const other of this.#running) {
      if (other.direct !== direct || (start < other.end && other.start < end)) return false;
    }
    return true;
  }
}

interface Entry {
  readonly start: number;
  readonly end: number;
  readonly direct: boolean;
  run(): Promise<void>;
}

/** Below the four threads that Node has for files: syncing needs one too. */
const maximumAtOnce = 3;
