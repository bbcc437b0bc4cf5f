import { randomFillSync } from 'node:crypto';
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nativeFile } from '../src/node/native-file.ts';

/** Memory that begins on a page, as O_DIRECT wants it; the types of WebAssembly come with those of browsers only. */
const { Memory } = (globalThis as unknown as { readonly WebAssembly: { readonly Memory: MemoryConstructor } })
  .WebAssembly;
type MemoryConstructor = new (description: { readonly initial: number }) => { readonly buffer: ArrayBuffer };
const size = 1024 * 1024;
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'native-file-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe.runIf(nativeFile !== undefined)('what is in memory of a file', () => {
  const native = nativeFile!;

  it('is read at any place', () => {
    const content = randomFillSync(Buffer.alloc(size));
    const path = join(folder, 'warm');
    const fd = openSync(path, 'w+');
    writeSync(fd, content);
    const into = Buffer.alloc(size);
    expect(native.residentBytes(fd, 0, size)).toBe(size);
    expect(native.residentBytes(fd, 4095, 2)).toBe(2);
    for (const [position, length] of [
      [0, size],
      [1, 4096],
      [4095, 2],
      [size - 1, 1],
    ] as const) {
      expect(native.readResident(fd, into, length, position)).toBe(length);
      expect(into.subarray(0, length).equals(content.subarray(position, position + length))).toBe(true);
    }
    expect(native.readResident(fd, into, 0, 5)).toBe(0);
    closeSync(fd);
  });

  it('is nothing of a file that went to the disk past it', (context) => {
    const pages = new Memory({ initial: size / 65_536 }).buffer;
    const path = join(folder, 'cold');
    let fd: number;
    try {
      fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_DIRECT);
      writeSync(fd, new Uint8Array(pages));
    } catch {
      context.skip('this file system has no O_DIRECT');
      return;
    }
    closeSync(fd);
    fd = openSync(path, 'r+');
    expect(native.residentBytes(fd, 0, size)).toBe(0);
    expect(native.readResident(fd, Buffer.alloc(size), size, 0)).toBe(0);
    closeSync(fd);
  });
});
