import { describe, expect, it } from 'vitest';
import { asFarIn, pageAligned, pageSize } from '../src/node/page-aligned.ts';

const ffi = process.getBuiltinModule('node:ffi');

describe.runIf(ffi !== undefined)('memory that begins with a page', () => {
  const place = (memory: Buffer) => Number(ffi!.getRawPointer(memory) % BigInt(pageSize));

  it.each([1, pageSize - 1, pageSize, 64 * 1024, 512 * 1024, 1024 * 1024 + 1])('%d octets', (length) => {
    const memory = pageAligned(length);
    expect(memory.length).toBe(length);
    expect(place(memory)).toBe(0);
  });

  it.each([0, 1, 4095, 4096, 10 * 2 ** 30 + 17])('octets as far into a page as %d', (position) => {
    const part = asFarIn(pageAligned(2 * pageSize), position, pageSize);
    expect(part.length).toBe(pageSize);
    expect(place(part)).toBe(position % pageSize);
  });
});
