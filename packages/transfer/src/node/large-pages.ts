import { loadFfi } from './ffi.ts';

/**
 * Asks for memory that lies together in large pages (madvise(2) with MADV_HUGEPAGE, Linux): what is received into it costs fewer misses, and
 * a write from it past the page cache is one request to the disk instead of one for every 254 pages. A wish, no more.
 */
export function wishLargePages(memory: SharedArrayBuffer): void {
  advise ??= load();
  advise(memory);
}

let advise: ((memory: SharedArrayBuffer) => void) | undefined;

function load(): (memory: SharedArrayBuffer) => void {
  try {
    const ffi = loadFfi();
    const library = ffi?.dlopen(null, { madvise: { return: 'i32', arguments: ['u64', 'u64', 'i32'] } });
    if (ffi === undefined || library === undefined) return () => {};
    return (memory) =>
      library.functions.madvise(ffi.getRawPointer(new Uint8Array(memory)), BigInt(memory.byteLength), hugePage);
  } catch {
    return () => {};
  }
}

/** <asm-generic/mman-common.h> */
const hugePage = 14;
