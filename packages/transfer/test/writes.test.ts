import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { SeededRandom } from '@carmine/testkit';
import type { DiskFile } from '@carmine/transfer';
import { nodeDisk } from '@carmine/transfer/node';
import { describe, expect, it } from 'vitest';
import { BufferPool, ReceiveBuffer } from '../src/node/buffer-pool.ts';
import { allocatePages, blockBytes, planWrites } from '../src/node/direct-writes.ts';
import { type Lane, WriteQueue } from '../src/node/write-queue.ts';
import { SegmentWriter } from '../src/segment-writer.ts';

const pages = new Uint8Array(allocatePages(1024 * 1024) as SharedArrayBuffer);
const block = blockBytes;
const MiB = 1024 * 1024;
const shape = (chunks: Uint8Array[], position: number) =>
  planWrites(chunks, position).map((part) => [
    part.direct,
    part.position,
    part.chunks.reduce((sum, { length }) => sum + length, 0),
  ]);

describe('what goes past the page cache', () => {
  it.each<[string, Uint8Array[], number, unknown]>([
    ['whole blocks', [pages.subarray(0, 64 * block)], 0, [[true, 0, 64 * block]]],
    [
      'chunks that follow each other',
      [pages.subarray(0, 100), pages.subarray(100, 64 * block)],
      block,
      [[true, block, 64 * block]],
    ],
    [
      'not what is before and behind',
      [pages.subarray(100, 64 * block + 7)],
      block + 100,
      [
        [false, block + 100, block - 100],
        [true, 2 * block, 63 * block],
        [false, 65 * block, 7],
      ],
    ],
    ['not what lies elsewhere in its block', [pages.subarray(1, 64 * block)], 0, [[false, 0, 64 * block - 1]]],
    [
      'not a gap in memory that is no whole block',
      [pages.subarray(0, 32 * block), pages.subarray(32 * block + 8, 64 * block)],
      0,
      [[false, 0, 64 * block - 8]],
    ],
    ['not memory that begins anywhere', [new Uint8Array(64 * block)], 0, [[false, 0, 64 * block]]],
    ['not a little', [pages.subarray(0, 8 * block)], 0, [[false, 0, 8 * block]]],
  ])('%s', (_what, chunks, position, expected) => {
    expect(shape(chunks, position)).toEqual(expected);
  });

  it.each(['past', 'inOrder', 'soonest', 'kept'] as const)('is the same bytes in the file (%s)', async (way) => {
    const folder = mkdtempSync(join(tmpdir(), 'carmine-writes-'));
    const directory = await nodeDisk.openDirectory(folder, undefined);
    const file = await directory.create('file');
    const random = new SeededRandom(11);
    pages.set(random.bytes(pages.length));
    const expected = new Uint8Array(pages.length);
    const writes: Promise<void>[] = [];
    for (let at = 0; at < pages.length; ) {
      const end = Math.min(pages.length, at + 1 + random.below(400_000));
      expected.set(pages.subarray(at, end), at);
      writes.push(file.write([pages.subarray(at, end)], at, way));
      at = end;
    }
    await Promise.all(writes);
    await file.datasync();
    expect(readFileSync(join(folder, 'file')).equals(expected)).toBe(true);
    await file.close();
    await directory.close();
    rmSync(folder, { recursive: true });
  });
});

describe('a received body lies in its blocks as in the file', () => {
  it.each([
    [300, 500, 0],
    [300, 500, 4_095],
    [5_000, 5_300, 100],
    [5_000, 12_000, 8_191],
  ])('head from %i to %i, body at %i', (start, taken, position) => {
    const buffer = new ReceiveBuffer(new BufferPool(2), true);
    buffer.bytes.fill(1, 0, start);
    const body = new SeededRandom(1).bytes(10_000);
    buffer.bytes.set(body, taken);
    buffer.taken = taken;
    buffer.filled = taken + body.length;
    expect(buffer.align(position, start)).toBe(true);
    const { chunk } = buffer.hand(buffer.filled);
    expect(chunk).toEqual(body);
    expect((chunk.byteOffset - position) % block).toBe(0);
    // What was handed on before the head is still in use.
    expect(buffer.bytes.subarray(0, start).every((octet) => octet === 1)).toBe(true);
  });

  it('stays where it is when there is no room', () => {
    const buffer = new ReceiveBuffer(new BufferPool(2), true);
    buffer.taken = buffer.bytes.length - 10;
    buffer.filled = buffer.bytes.length;
    expect(buffer.align(1, buffer.bytes.length - 20)).toBe(false);
    expect(buffer.taken).toBe(buffer.bytes.length - 10);
  });
});

describe('writes to one file', () => {
  it('keep their order where they overlap, and do not mix', async () => {
    const queue = new WriteQueue(() => false);
    const log: string[] = [];
    const ends = new Map<string, () => void>();
    const add = (name: string, start: number, end: number, cached: boolean) =>
      queue.add(start, end, [cached ? 'cached' : 'direct'], () => {
        log.push(name);
        return new Promise((resolve) => ends.set(name, resolve));
      });
    const all = [
      add('a', 0, 10, false),
      add('b', 10, 20, false),
      add('c', 5, 12, false),
      add('d', 40, 50, true),
      add('e', 60, 70, false),
    ];
    const finish = async (name: string) => {
      ends.get(name)?.();
      for (let turn = 0; turn < 5; turn++) await Promise.resolve();
    };
    expect(log).toEqual(['a', 'b']);
    await finish('a');
    expect(log).toEqual(['a', 'b']);
    await finish('b');
    expect(log).toEqual(['a', 'b', 'c']);
    await finish('c');
    expect(log).toEqual(['a', 'b', 'c', 'd']);
    await finish('d');
    expect(log).toEqual(['a', 'b', 'c', 'd', 'e']);
    await finish('e');
    await Promise.all(all);
  });

  it('take the first way that has room, and mix where they may', async () => {
    const queue = new WriteQueue(() => true);
    const log: string[] = [];
    const ends: (() => void)[] = [];
    const add = (at: number, lanes: readonly Lane[]) =>
      queue.add(4 * MiB * at, 4 * MiB * at + 1, lanes, (lane) => {
        log.push(`${at} ${lane}`);
        return new Promise((resolve) => ends.push(resolve));
      });
    for (let at = 0; at < 8; at++) void add(at, ['direct', 'cached']);
    expect(log).toEqual(['0 direct', '1 direct', '2 direct', '3 cached', '4 cached', '5 cached']);
    ends[1]?.();
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
    expect(log.slice(6)).toEqual(['6 direct']);
    void add(8, ['direct']);
    ends[4]?.();
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
    expect(log.slice(7)).toEqual(['7 cached']);
    ends[0]?.();
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
    expect(log.slice(8)).toEqual(['8 direct']);
  });

  it('near each other go on at the same time only in the same way, and those that go on from another in the same one', async () => {
    const queue = new WriteQueue(() => true);
    const log: string[] = [];
    const ends = new Map<number, () => void>();
    const add = (at: number, lanes: readonly Lane[], bytes = 2 * MiB) =>
      queue.add(at, at + bytes, lanes, (lane) => {
        log.push(`${at / MiB} ${lane}`);
        return new Promise((resolve) => ends.set(at / MiB, resolve));
      });
    const finish = async (at: number) => {
      log.length = 0;
      ends.get(at)?.();
      for (let turn = 0; turn < 5; turn++) await Promise.resolve();
    };
    void add(1 * MiB, ['direct']);
    void add(3 * MiB, ['cached'], 1);
    void add(5 * MiB, ['direct', 'cached']);
    void add(7 * MiB, ['direct', 'cached'], 1.5 * MiB);
    void add(9 * MiB, ['direct', 'cached'], 1);
    void add(10 * MiB, ['direct', 'cached']);
    // 3: the first MiB of what is kept together with it is being written past the cache. 9 is near 7.5.
    expect(log).toEqual(['1 direct', '5 direct', '7 direct', '10 cached']);
    await finish(10);
    expect(log).toEqual([]);
    void add(12 * MiB, ['direct', 'cached']);
    expect(log).toEqual(['12 cached']);
    await finish(5);
    expect(log).toEqual(['9 direct']);
    void add(14 * MiB, ['direct', 'cached']);
    expect(log).toEqual(['9 direct', '14 cached']);
    await finish(1);
    expect(log).toEqual(['3 cached']);
    // Over the same bytes nothing passes what waits.
    void add(9 * MiB, ['cached'], 1);
    void add(9 * MiB, ['direct'], 1);
    await finish(7);
    await finish(3);
    expect(log).toEqual([]);
    await finish(9);
    expect(log).toEqual(['9 cached']);
    await finish(9);
    expect(log).toEqual(['9 direct']);
  });

  it('pass nothing where the two ways exclude each other', async () => {
    const queue = new WriteQueue(() => false);
    const log: string[] = [];
    const ends: (() => void)[] = [];
    const add = (at: number, lane: Lane) =>
      queue.add(at, at + 1, [lane], () => {
        log.push(`${at} ${lane}`);
        return new Promise((resolve) => ends.push(resolve));
      });
    void add(0, 'direct');
    void add(1, 'cached');
    void add(2, 'direct');
    expect(log).toEqual(['0 direct']);
    ends[0]?.();
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
    expect(log).toEqual(['0 direct', '1 cached']);
  });

  it('go on after one that failed', async () => {
    const queue = new WriteQueue(() => false);
    const failed = queue.add(0, 1, ['cached'], () => Promise.reject(new Error('no')));
    const next = queue.add(0, 1, ['cached'], async () => undefined);
    await expect(failed).rejects.toThrow('no');
    await next;
  });
});

describe('a file that somebody reads while it is written', () => {
  /** Reads what is written so far again and again, as whoever computes a digest does; the kernel reads ahead of that. */
  const reader = `
    const { workerData: { fd, written, done } } = require('node:worker_threads');
    const { readSync } = require('node:fs');
    const buffer = new Uint8Array(256 * 1024);
    for (let at = 0; Atomics.load(done, 0) === 0; ) {
      const end = Atomics.load(written, 0);
      if (at >= end) at = Math.max(0, end - 3 * 1024 * 1024);
      else at += readSync(fd, buffer, 0, Math.min(buffer.length, end - at), at);
    }
  `;

  it('has the bytes that were written, and can be synced', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'carmine-writes-'));
    const directory = await nodeDisk.openDirectory(folder, undefined);
    const memory = new Uint8Array(allocatePages(32 * MiB) as SharedArrayBuffer);
    const random = new SeededRandom(3).bytes(MiB - 1);
    for (let at = 0; at < memory.length; at += random.length) memory.set(random.subarray(0, memory.length - at), at);
    // Each has a beginning and an end in the pages of others. One of three such files was wrong before they kept away from each other.
    const length = 200_001;
    for (let round = 0; round < 10; round++) {
      const file = await directory.create(`file-${round}`);
      await file.truncate(memory.length);
      await file.reserve?.(memory.length);
      const [written, done] = [0, 1].map(() => new Int32Array(new SharedArrayBuffer(4))) as [Int32Array, Int32Array];
      const thread = new Worker(reader, { eval: true, workerData: { fd: file.fd, written, done } });
      const exited = once(thread, 'exit');
      const waiting: Promise<unknown>[] = [];
      for (let at = 0; at < memory.length; at += length) {
        const end = Math.min(memory.length, at + length);
        const write = file.write([memory.subarray(at, end)], at, 'past');
        waiting.push(write.then(() => Atomics.store(written, 0, at)));
        if (waiting.length === 4) await waiting.shift();
      }
      await Promise.all(waiting);
      Atomics.store(done, 0, 1);
      await exited;
      await file.datasync();
      expect(readFileSync(join(folder, `file-${round}`)).equals(memory)).toBe(true);
      await file.close();
    }
    await directory.close();
    rmSync(folder, { recursive: true });
  });
});

describe('a writer of one segment', () => {
  function started(position = 0) {
    const calls: { bytes: number; position: number; end: (error?: Error) => void }[] = [];
    const written: number[] = [];
    const errors: unknown[] = [];
    const released: string[] = [];
    const file = {
      write: (chunks: readonly Uint8Array[], at: number) =>
        new Promise<void>((resolve, reject) => {
          const bytes = chunks.reduce((sum, { length }) => sum + length, 0);
          calls.push({ bytes, position: at, end: (error) => (error === undefined ? resolve() : reject(error)) });
        }),
    } as unknown as DiskFile;
    const writer = new SegmentWriter(file, position, {
      gather: 10_000,
      way: () => 'past',
      onWritten: (bytes) => written.push(bytes),
      onError: (thrown) => errors.push(thrown),
    });
    const push = (name: string, length: number) => writer.push(new Uint8Array(length), () => released.push(name));
    const finish = async (call: number, error?: Error) => {
      calls[call]?.end(error);
      for (let turn = 0; turn < 5; turn++) await Promise.resolve();
    };
    const places = () => calls.map((call) => [call.position, call.bytes]);
    return { writer, push, finish, places, written, errors, released };
  }

  it('ends its writes at blocks, and keeps the rest until it is more or wanted', async () => {
    const { writer, push, finish, places, written, released } = started(100);
    push('a', 9_000);
    expect(places()).toEqual([]);
    push('b', 5_000);
    expect(places()).toEqual([[100, 3 * block - 100]]);
    await finish(0);
    expect(written).toEqual([3 * block - 100]);
    // A part of `b` is still to be written.
    expect(released).toEqual(['a']);
    writer.flush(false);
    expect(places()[1]).toEqual([3 * block, 14_000 - (3 * block - 100)]);
    await finish(1);
    expect([written.reduce((sum, bytes) => sum + bytes), released, writer.empty]).toEqual([14_000, ['a', 'b'], true]);
  });

  it.each([
    ['the second one ends first', [1, 0]],
    ['the first one ends first', [0, 1]],
  ])('keeps a chunk that two writes need until both have ended: %s', async (_what, [first, second]) => {
    const { push, finish, released } = started();
    push('a', 3 * block + 100);
    push('b', 3 * block - 100);
    await finish(first as number);
    expect(released).not.toContain('a');
    await finish(second as number);
    expect(released.sort()).toEqual(['a', 'b']);
  });

  it('keeps a chunk whose beginning is being written, although the rest of it is forgotten', async () => {
    const { writer, push, finish, released } = started();
    push('a', 3 * block + 100);
    writer.discard();
    expect(released).toEqual([]);
    await finish(0);
    expect(released).toEqual(['a']);
  });

  it('writes what there is of blocks when asked so, and less than one if there is no more', () => {
    const { writer, push, places } = started();
    push('a', 5_000);
    writer.flush(true);
    expect(places()).toEqual([[0, block]]);
    const other = started();
    other.push('a', 50);
    other.writer.flush(true);
    expect(other.places()).toEqual([[0, 50]]);
  });

  it('writes the last octets too, in however many chunks they came', async () => {
    const { writer, push, finish, places, written } = started();
    // More than a vector holds: 256 times 100 are six blocks and a bit.
    for (let index = 0; index < 9; index++) push(`${index}`, 1);
    for (let index = 0; index < 250; index++) push(`${index}`, 39);
    writer.flush(false);
    for (let call = 0; call < 5; call++) await finish(call);
    expect(places().at(-1)).toEqual([2 * block, 9 + 250 * 39 - 2 * block]);
    expect(written.reduce((sum, bytes) => sum + bytes)).toBe(9 + 250 * 39);
    expect(writer.empty).toBe(true);
  });

  it('tells in order, with three writes at once', async () => {
    const { push, finish, places, written } = started();
    push('a', 3 * block);
    push('b', 4 * block);
    push('c', 5 * block);
    push('d', 6 * block);
    expect(places()).toHaveLength(3);
    await finish(1);
    expect(written).toEqual([]);
    await finish(0);
    expect(written).toEqual([3 * block, 4 * block]);
    expect(places()).toHaveLength(4);
  });

  it('calls nothing written behind what failed, and gives everything back', async () => {
    const { writer, push, finish, written, errors, released } = started();
    push('a', 3 * block);
    push('b', 4 * block);
    push('c', 5 * block);
    push('d', 6 * block);
    await finish(0, new Error('disk'));
    await finish(1);
    await finish(2);
    await writer.idle();
    expect([written, errors.length, [...released].sort()]).toEqual([[], 1, ['a', 'b', 'c', 'd']]);
    expect(writer.empty).toBe(true);
  });
});

describe('what is kept of what was written', () => {
  it('says how much memory waits for its release, however little of that it is', async () => {
    const told: [position: number, length: number, pinned: number][] = [];
    const released: number[] = [];
    const writer = new SegmentWriter({ write: async () => undefined } as unknown as DiskFile, 0, {
      gather: block,
      way: () => 'past',
      keep: (position, bytes, _release, pinned) => {
        told.push([position, bytes.length, pinned]);
        return false;
      },
      onWritten: () => undefined,
      onError: (thrown) => expect(thrown).toBeUndefined(),
    });
    writer.push(new Uint8Array(2 * block + 5), () => released.push(1));
    await writer.idle();
    // Its last octets wait for the rest of their block.
    expect(released).toEqual([]);
    writer.push(new Uint8Array(block - 5), () => released.push(2));
    await writer.idle();
    expect(told).toEqual([
      [0, 2 * block, 2 * block + 5],
      [2 * block, 5, 2 * block + 5],
      [2 * block + 5, block - 5, block - 5],
    ]);
    expect(released).toEqual([1, 2]);
  });
});
