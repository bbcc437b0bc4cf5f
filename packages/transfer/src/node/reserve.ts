import type { FileHandle } from 'node:fs/promises';
import { statfs } from 'node:fs/promises';
import { loadFfi } from './ffi.ts';

/**
 * Has the file system choose the places of the first `length` bytes of a file at once: they lie together then, and each write has less to
 * do. What cannot be reserved is found when it is written, as ever; it never rejects.
 */
export async function reserveBlocks(file: FileHandle, length: number): Promise<void> {
  if (length < smallestReserved || process.platform !== 'linux') return;
  const allocate = fallocate();
  if (allocate === undefined) return;
  try {
    const { type, bavail, bsize } = await statfs(`/proc/self/fd/${file.fd}`);
    // Elsewhere it may mean to write zeros, or not be there. What does not fit should not take the last space from others.
    if (!promptFileSystems.has(type) || bavail * bsize < length) return;
  } catch {
    return;
  }
  for (let at = 0; at < length && file.fd >= 0; at += step) {
    if (!allocate(file.fd, at, Math.min(step, length - at))) return;
    // A millisecond or so each: others get their turns.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

type Allocate = (descriptor: number, from: number, length: number) => boolean;

let loaded: { readonly allocate: Allocate | undefined } | undefined;

function fallocate(): Allocate | undefined {
  loaded ??= { allocate: load() };
  return loaded.allocate;
}

/** fallocate(2), which makes the file so long, too. */
function load(): Allocate | undefined {
  try {
    const library = loadFfi()?.dlopen(null, { fallocate: { return: 'i32', arguments: ['i32', 'i32', 'i64', 'i64'] } });
    if (library === undefined) return undefined;
    const call = library.functions.fallocate;
    return (descriptor, from, length) => call(descriptor, 0, BigInt(from), BigInt(length)) === 0;
  } catch {
    return undefined;
  }
}

const smallestReserved = 8 * 1024 * 1024;
/** <linux/magic.h>: ext4, xfs. */
const promptFileSystems: ReadonlySet<number> = new Set([0xef53, 0x58465342]);
const step = 1024 ** 3;
