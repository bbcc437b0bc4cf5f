/**
 * Memory that begins with a page. Files are mostly read from the beginning of one, and what the C library gives begins 16 octets behind
 * one. To copy to a place that is a few octets further into its page than the source is into its own (measured: 1 and 16, not 64) takes the AMD
 * processor it was measured on five times as long: 430 µs for 1 MiB, not 80.
 */
export function pageAligned(length: number): Buffer {
  const ffi = process.getBuiltinModule('node:ffi');
  if (ffi === undefined) return Buffer.allocUnsafeSlow(length);
  const memory = Buffer.allocUnsafeSlow(length + pageSize);
  const behind = Number(ffi.getRawPointer(memory) % BigInt(pageSize));
  const from = (pageSize - behind) % pageSize;
  return memory.subarray(from, from + length);
}

/** Of `memory`, which begins with a page and is a page longer than `length`: what is as far into its page as the file's `position` is. */
export function asFarIn(memory: Buffer, position: number, length: number): Buffer {
  const from = position % pageSize;
  return memory.subarray(from, from + length);
}

export const pageSize = 4096;
