import { allocatePages, blockBytes } from './direct-writes.ts';

/**
 * Where answers with small files are read: as much as is in use at most begins with a page, for writes past the page cache; the others are
 * ordinary memory.
 */
export class AnswerBuffers {
  #pages: Uint8Array[] | undefined;
  readonly #ordinary: Uint8Array[] = [];

  take(): Uint8Array {
    this.#pages ??= cut(allocatePages(pagedBuffers * usualBuffer, false));
    return this.#pages.pop() ?? this.#ordinary.pop() ?? Buffer.allocUnsafeSlow(usualBuffer);
  }

  /** Larger ones that somebody made are forgotten. */
  giveBack(buffer: Uint8Array): void {
    if (buffer.length !== usualBuffer) return;
    if (buffer.buffer instanceof SharedArrayBuffer) this.#pages?.push(buffer);
    else this.#ordinary.push(buffer);
  }
}

/** So far into a buffer an answer is to begin whose head has so many octets, for its content to begin with a page. */
export function startOfAnswer(head: number): number {
  return (blockBytes - (head % blockBytes)) % blockBytes;
}

function cut(memory: SharedArrayBuffer | undefined): Uint8Array[] {
  const buffers: Uint8Array[] = [];
  for (let at = 0; at < (memory?.byteLength ?? 0); at += usualBuffer) {
    buffers.push(new Uint8Array(memory as SharedArrayBuffer, at, usualBuffer));
  }
  return buffers;
}

/** Octets: two heads and more, or a small file as most are. */
export const usualBuffer = 160 * 1024;
const pagedBuffers = 38;
