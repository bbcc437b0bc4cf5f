import { pageAligned } from './page-aligned.ts';

/** Buffers of one size that are used again: fresh memory costs a page fault for every 4 KiB. */
export class BufferPool {
  readonly size: number;
  readonly #kept: number;
  readonly #free: Buffer[] = [];

  /** @param kept how many are kept at most while nobody uses them. */
  constructor(size: number, kept: number) {
    this.size = size;
    this.#kept = kept;
  }

  take(): Buffer {
    return this.#free.pop() ?? pageAligned(this.size);
  }

  /** Only a buffer that nothing reads or writes any more. */
  giveBack(buffer: Buffer): void {
    if (this.#free.length < this.#kept) this.#free.push(buffer);
  }
}
