/** What was written, in memory that the digest may read until it calls `release`, once. */
export interface WrittenPiece {
  readonly position: number;
  readonly bytes: Uint8Array;
  readonly release: () => void;
  /** Bytes of memory that wait for `release`, which may be more than these. */
  readonly pinned: number;
}

/** What a digest is to be fed with next: something that is in memory still, or a part of the file that is not. */
export type DigestStep =
  | { readonly from: 'memory'; readonly bytes: Uint8Array; readonly release: () => void }
  | { readonly from: 'file'; readonly start: number; readonly end: number };

/**
 * Puts what is written anywhere into the order in which a digest needs it, from the beginning of the file. Pieces that come early are kept
 * in memory, as long as they pin no more of it than they may; what is let go is read from the file when its turn has come.
 */
export class DigestOrder {
  readonly #limit: number;
  /** By position; they do not overlap. */
  #pieces: WrittenPiece[] = [];
  #kept = 0;
  #reached = 0;

  /** `limit`: bytes that are pinned by what is kept. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes from the beginning for which there were steps. */
  get reached(): number {
    return this.#reached;
  }

  /** This is in the file now, in the place of whatever was there. */
  add(piece: WrittenPiece): void {
    const { position, bytes, release, pinned } = piece;
    const end = position + bytes.length;
    this.#drop((other) => other.position < end && endOf(other) > position);
    if (position < this.#reached || bytes.length === 0) {
      release();
      return;
    }
    const next = this.#pieces.findIndex((other) => other.position > position);
    this.#pieces.splice(next < 0 ? this.#pieces.length : next, 0, piece);
    this.#kept += pinned;
    // What is needed last goes first.
    while (this.#kept > this.#limit) {
      const last = this.#pieces.pop();
      if (last === undefined) return;
      this.#kept -= last.pinned;
      last.release();
    }
  }

  /**
   * The first `end` bytes are in the file and stay as they are; `last`: there are no more. Small parts of the file wait for more of it. `patient`: whoever computes
   * the digest has time; what is in memory waits until it is half of what may be kept.
   */
  advance(end: number, last: boolean, patient = false): readonly DigestStep[] {
    const steps: DigestStep[] = [];
    this.#drop(({ position }) => position < this.#reached);
    const little = this.#pieces.length > 0 && this.#kept <= this.#limit / 2 && end - this.#reached < this.#limit;
    if (patient && !last && little) return steps;
    while (this.#reached < end) {
      const first = this.#pieces[0];
      const inMemory = first !== undefined && endOf(first) <= end;
      if (inMemory && first.position === this.#reached) {
        this.#pieces.shift();
        this.#kept -= first.pinned;
        steps.push({ from: 'memory', bytes: first.bytes, release: first.release });
        this.#reached = endOf(first);
        continue;
      }
      const to = inMemory ? first.position : end;
      if (!inMemory && !last && to - this.#reached < worthReading) break;
      steps.push({ from: 'file', start: this.#reached, end: to });
      this.#reached = to;
    }
    return steps;
  }

  clear(): void {
    this.#drop(() => true);
  }

  #drop(unwanted: (piece: WrittenPiece) => boolean): void {
    if (!this.#pieces.some(unwanted)) return;
    for (const piece of this.#pieces) {
      if (!unwanted(piece)) continue;
      this.#kept -= piece.pinned;
      piece.release();
    }
    this.#pieces = this.#pieces.filter((piece) => !unwanted(piece));
  }
}

function endOf({ position, bytes }: WrittenPiece): number {
  return position + bytes.length;
}

const worthReading = 1024 * 1024;
