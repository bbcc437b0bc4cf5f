/** How a write gets to its file: past the page cache, or through it. */
export type Lane = 'direct' | 'cached';

/** Orders the writes of one file. */
export class WriteQueue {
  readonly #waiting: Entry[] = [];
  readonly #running = new Map<Entry, Lane>();
  readonly #together: () => boolean;

  /** `together`: writes of either lane may go on at the same time as those of the other. */
  constructor(together: () => boolean) {
    this.#together = together;
  }

  /**
   * Runs `work`, which writes `start` to `end`, when its turn comes, in the first of the lanes that has room then. Writes to the same bytes keep their
   * order.
   */
  add(start: number, end: number, lanes: readonly Lane[], work: (lane: Lane) => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ start, end, lanes, run: (lane) => work(lane).then(resolve, reject) });
      this.#pump();
    });
  }

  #pump(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const entry = next;
      const lane = this.#laneFor(entry);
      if (lane === undefined) return;
      this.#waiting.shift();
      this.#running.set(entry, lane);
      void entry.run(lane).finally(() => {
        this.#running.delete(entry);
        this.#pump();
      });
    }
  }

  #laneFor({ start, end, lanes }: Entry): Lane | undefined {
    for (const other of this.#running.keys()) if (start < other.end && other.start < end) return undefined;
    return lanes.find((lane) => {
      const others = [...this.#running.values()];
      const beside = others.filter((other) => other === lane).length;
      return beside < maximumAtOnce && (beside === others.length || this.#together());
    });
  }
}

interface Entry {
  readonly start: number;
  readonly end: number;
  readonly lanes: readonly Lane[];
  run(lane: Lane): Promise<void>;
}

/** In a lane. Of the four threads that Node has for files one is left, for syncing, or for hearing from the ring. */
const maximumAtOnce = 3;
