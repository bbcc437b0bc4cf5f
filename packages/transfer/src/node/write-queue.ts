/** How a write gets to its file: past the page cache, or through it. */
export type Lane = 'direct' | 'cached';

/**
 * Orders the writes of one file. Near each other those of one lane and of the other never go on at the same time: pages of the file that somebody reads may
 * lie together in memory, and when some of them change there, the kernel cannot drop those of a write past them. Whoever reads the file then would not see
 * what was written, and syncing fails once (EIO).
 */
export class WriteQueue {
  readonly #waiting: Entry[] = [];
  readonly #running = new Map<Entry, Lane>();
  /** Which lane what had a choice took, by where that ended, the latest of them: what goes on from there need not wait for it in the same one. */
  readonly #taken = new Map<number, Lane>();
  readonly #together: () => boolean;

  /** `together`: writes of either lane may go on at the same time as those of the other. */
  constructor(together: () => boolean) {
    this.#together = together;
  }

  /**
   * Runs `work`, which writes `start` to `end`, when its turn comes, in the first of the lanes that has room then, or in that of the write before it. Writes to
   * the same bytes keep their order.
   */
  add(start: number, end: number, lanes: readonly Lane[], work: (lane: Lane) => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ start, end, lanes, run: (lane) => work(lane).then(resolve, reject) });
      this.#pump();
    });
  }

  #pump(): void {
    for (let at = 0; at < this.#waiting.length; ) {
      const entry = this.#waiting[at] as Entry;
      const passed = this.#waiting.slice(0, at);
      const lane = passed.some((other) => meet(entry, other)) ? undefined : this.#laneFor(entry);
      if (lane !== undefined) {
        this.#waiting.splice(at, 1);
        this.#run(entry, lane);
        // Nothing passes another where those of one lane could keep those of the other waiting for ever.
      } else if (this.#together()) at++;
      else return;
    }
  }

  #run(entry: Entry, lane: Lane): void {
    this.#running.set(entry, lane);
    this.#taken.delete(entry.start);
    if (entry.lanes.length > 1) this.#remember(entry.end, lane);
    void entry.run(lane).finally(() => {
      this.#running.delete(entry);
      this.#pump();
    });
  }

  /** Most parts of a file are gone on from soon, and where one ends for good nobody comes by. */
  #remember(end: number, lane: Lane): void {
    this.#taken.set(end, lane);
    for (const oldest of this.#taken.keys()) {
      if (this.#taken.size <= remembered) return;
      this.#taken.delete(oldest);
    }
  }

  #laneFor(entry: Entry): Lane | undefined {
    const running = [...this.#running];
    if (running.some(([other]) => meet(entry, other))) return undefined;
    const usual = entry.lanes.length > 1 ? this.#taken.get(entry.start) : undefined;
    const lanes = usual === undefined ? entry.lanes : [usual, ...entry.lanes];
    return lanes.find((lane) => {
      const others = running.filter(([, other]) => other !== lane).map(([other]) => other);
      if (running.length - others.length >= maximumAtOnce) return false;
      return others.length === 0 || (this.#together() && !others.some((other) => meet(entry, other, keptTogether)));
    });
  }
}

interface Entry {
  readonly start: number;
  readonly end: number;
  readonly lanes: readonly Lane[];
  run(lane: Lane): Promise<void>;
}

/** Whether both write to the same of the parts that a file has when each is so large. */
function meet(one: Entry, other: Entry, part = 1): boolean {
  const last = ({ end }: Entry) => Math.ceil(end / part);
  return Math.floor(one.start / part) < last(other) && Math.floor(other.start / part) < last(one);
}

/** What Linux keeps together in memory is no larger, with pages of 4 KiB, and begins in the file at a multiple of that. */
const keptTogether = 2 * 1024 * 1024;
/** As many as there may be connections. */
const remembered = 32;
/** In a lane. Of the four threads that Node has for files one is left, for syncing, or for hearing from the ring. */
const maximumAtOnce = 3;
