/** Orders the writes of one file. */
export class WriteQueue {
  readonly #waiting: Entry[] = [];
  readonly #running = new Set<Entry>();

  /**
   * Runs `work`, which writes `start` to `end`, when its turn comes. Writes to the same bytes keep their order. Those that are
   * `alone` have the file to themselves; of the others a few go on at the same time.
   */
  add(start: number, end: number, alone: boolean, work: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ start, end, alone, run: () => work().then(resolve, reject) });
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

  #mayRun({ start, end, alone }: Entry): boolean {
    if (this.#running.size >= (alone ? 1 : maximumAtOnce)) return false;
    for (const other of this.#running) {
      if (other.alone || (start < other.end && other.start < end)) return false;
    }
    return true;
  }
}

interface Entry {
  readonly start: number;
  readonly end: number;
  readonly alone: boolean;
  run(): Promise<void>;
}

/** Below the four threads that Node has for files: syncing needs one too. */
const maximumAtOnce = 3;
