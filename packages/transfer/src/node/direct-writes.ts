import { wishLargePages } from './large-pages.ts';

/** One write: all of it past the page cache, or none. */
export interface PlannedWrite {
  readonly chunks: readonly Uint8Array[];
  readonly position: number;
  readonly direct: boolean;
}

/** What direct writes need of positions, lengths and memory; no device in use asks for more than a page. */
export const blockBytes = 4096;

/**
 * Memory that begins on a page, for direct writes, and that other threads can read; undefined where there is none to be had. Node's own
 * allocations begin anywhere. `large`: much of it will be used.
 */
export function allocatePages(bytes: number, large = true): SharedArrayBuffer | undefined {
  try {
    const pages = Math.ceil(bytes / webAssemblyPage);
    const { buffer } = new Memory({ initial: pages, maximum: pages, shared: true });
    if (large) wishLargePages(buffer);
    onPages.add(buffer);
    return buffer;
  } catch {
    return undefined;
  }
}

/**
 * Splits a write into what can go past the page cache, the whole blocks of it, and what is before and behind. Chunks that
 * follow each other in memory become one.
 */
export function planWrites(chunks: readonly Uint8Array[], position: number): readonly PlannedWrite[] {
  const runs = merged(chunks);
  const end = runs.reduce((sum, run) => sum + run.length, position);
  const from = Math.ceil(position / blockBytes) * blockBytes;
  const to = Math.floor(end / blockBytes) * blockBytes;
  if (to - from < smallestDirect || !fits(runs, position)) return [{ chunks: runs, position, direct: false }];
  return [
    { chunks: slice(runs, 0, from - position), position, direct: false },
    { chunks: slice(runs, from - position, to - position), position: from, direct: true },
    { chunks: slice(runs, to - position, end - position), position: to, direct: false },
  ].filter((write) => write.chunks.length > 0);
}

/** How much of a piece of memory can go to the beginning of a file past the page cache: whole blocks, or nothing. */
export function directLength(memory: Uint8Array): number {
  const fits = memory.byteOffset % blockBytes === 0 && onPages.has(memory.buffer);
  return fits ? memory.length - (memory.length % blockBytes) : 0;
}

/** Whether memory and file are at the same place in their blocks, for every run. */
function fits(runs: readonly Uint8Array[], position: number): boolean {
  let at = position;
  for (const run of runs) {
    if (!onPages.has(run.buffer) || (run.byteOffset - at) % blockBytes !== 0) return false;
    at += run.length;
  }
  return true;
}

function merged(chunks: readonly Uint8Array[]): Uint8Array[] {
  const runs: Uint8Array[] = [];
  for (const chunk of chunks) {
    const last = runs.at(-1);
    if (last !== undefined && last.buffer === chunk.buffer && last.byteOffset + last.length === chunk.byteOffset) {
      runs[runs.length - 1] = new Uint8Array(chunk.buffer, last.byteOffset, last.length + chunk.length);
    } else if (chunk.length > 0) runs.push(chunk);
  }
  return runs;
}

function slice(runs: readonly Uint8Array[], from: number, to: number): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const run of runs) {
    const part = run.subarray(Math.max(0, from - at), Math.max(0, to - at));
    if (part.length > 0) parts.push(part);
    at += run.length;
  }
  return parts;
}

/** Node has it; the types that we compile with do not. */
const { Memory } = (globalThis as unknown as { readonly WebAssembly: WebAssemblyMemory }).WebAssembly;

interface WebAssemblyMemory {
  readonly Memory: new (descriptor: {
    readonly initial: number;
    readonly maximum: number;
    readonly shared: true;
  }) => { readonly buffer: SharedArrayBuffer };
}

const onPages = new WeakSet<ArrayBufferLike>();
const webAssemblyPage = 64 * 1024;
/** Less is not worth a write of its own. */
const smallestDirect = 128 * 1024;
