/**
 * How long answers took lately, against the quickest one: where a link is full, what waits for it makes them slower. Lost packets do not,
 * so that this tells a path that is full from one that is only bad.
 */
export class AnswerTimes {
  #quickest = Number.POSITIVE_INFINITY;
  #latest: readonly { readonly at: number; readonly elapsed: number }[] = [];

  /** Milliseconds from question to answer, on a connection that was there. */
  add(elapsed: number, now: number): void {
    this.#quickest = Math.min(this.#quickest, elapsed);
    this.#latest = [...this.#latest.slice(1 - remembered), { at: now, elapsed }];
  }

  /** Whether nothing waits in the way; as long as there are few answers, nobody knows. */
  isFree(now: number): boolean {
    const recent = this.#latest.filter(({ at }) => now - at <= lately).map(({ elapsed }) => elapsed);
    // One that had to be sent again says nothing.
    const middle = recent.sort((a, b) => a - b)[Math.floor(recent.length / 2)];
    return recent.length >= enough && middle !== undefined && middle <= this.#quickest * slower + jitter;
  }
}

/** Answers. */
const remembered = 9;
const enough = 5;
const slower = 1.2;
/** Milliseconds. */
const lately = 2_000;
const jitter = 4;
