/** Bytes `start` (inclusive) to `end` (exclusive) of a file. */
export interface Extent {
  readonly start: number;
  readonly end: number;
}

/** A set of byte positions, kept as sorted extents that neither touch nor overlap. */
export class ExtentSet {
  #extents: Extent[] = [];
  #total = 0;

  constructor(extents: Iterable<Extent> = []) {
    for (const extent of extents) this.add(extent);
  }

  /** How many bytes are in the set. */
  get total(): number {
    return this.#total;
  }

  get extents(): readonly Extent[] {
    return this.#extents;
  }

  add({ start, end }: Extent): void {
    if (end <= start) return;
    // First extent that ends at or after `start`, first one that begins after `end`: all between melt into one.
    const from = lowerBound(this.#extents, (extent) => extent.end >= start);
    const to = lowerBound(this.#extents, (extent) => extent.start > end);
    const merged = {
      start: from < to ? Math.min(start, this.#extents[from]!.start) : start,
      end: from < to ? Math.max(end, this.#extents[to - 1]!.end) : end,
    };
    const removed = this.#extents.splice(from, to - from, merged);
    this.#total += merged.end - merged.start;
    for (const extent of removed) this.#total -= extent.end - extent.start;
  }

  /** The set without these positions. */
  without(removed: Iterable<Extent>): ExtentSet {
    const holes = new ExtentSet(removed);
    const left = new ExtentSet();
    for (const { start, end } of this.#extents) {
      let position = start;
      for (const hole of holes.extents) {
        if (hole.end <= position || hole.start >= end) continue;
        left.add({ start: position, end: hole.start });
        position = Math.max(position, hole.end);
      }
      left.add({ start: position, end });
    }
    return left;
  }

  /** What of [0, length) is not in the set, in order. */
  gaps(length: number): Extent[] {
    const gaps: Extent[] = [];
    let position = 0;
    for (const { start, end } of this.#extents) {
      if (start >= length) break;
      if (start > position) gaps.push({ start: position, end: start });
      position = end;
    }
    if (position < length) gaps.push({ start: position, end: length });
    return gaps;
  }
}

function lowerBound(extents: readonly Extent[], holds: (extent: Extent) => boolean): number {
  let low = 0;
  let high = extents.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(extents[middle]!)) high = middle;
    else low = middle + 1;
  }
  return low;
}
