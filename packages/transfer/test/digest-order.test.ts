import { SeededRandom } from '@carmine/testkit';
import { describe, expect, it } from 'vitest';
import { DigestOrder, type DigestStep } from '../src/digest-order.ts';

const KiB = 1024;
const shape = (steps: readonly DigestStep[]) =>
  steps.map((step) => (step.from === 'memory' ? ['memory', step.bytes.length] : ['file', step.start, step.end]));

describe('what a digest is fed with', () => {
  it('is what is in memory, in the order of the file', () => {
    const order = new DigestOrder(100);
    const released: string[] = [];
    const add = (name: string, position: number, length: number) =>
      order.add({ position, bytes: new Uint8Array(length), pinned: length, release: () => released.push(name) });
    add('b', 30, 20);
    add('a', 0, 30);
    // Until it is worth waking somebody.
    expect(shape(order.advance(50, false, true))).toEqual([]);
    add('c', 50, 1);
    expect(shape(order.advance(51, false, true))).toEqual([
      ['memory', 30],
      ['memory', 20],
      ['memory', 1],
    ]);
    add('d', 51, 5);
    expect(shape(order.advance(56, false, true))).toEqual([]);
    expect(shape(order.advance(56, false))).toEqual([['memory', 5]]);
    add('e', 56, 5);
    expect(shape(order.advance(61, true, true))).toEqual([['memory', 5]]);
    expect([order.reached, released]).toEqual([61, []]);
  });

  it('is read from the file where nothing was kept, but not in crumbs', () => {
    const order = new DigestOrder(100);
    order.add({ position: 2000, bytes: new Uint8Array(10), pinned: 10, release: () => {} });
    expect(shape(order.advance(50, false, true))).toEqual([]);
    expect(shape(order.advance(1000, false))).toEqual([]);
    expect(shape(order.advance(2010, false))).toEqual([
      ['file', 0, 2000],
      ['memory', 10],
    ]);
    expect(shape(order.advance(2010 + 1024 * KiB, false))).toEqual([['file', 2010, 2010 + 1024 * KiB]]);
    expect(shape(order.advance(2020 + 1024 * KiB, true))).toEqual([['file', 2010 + 1024 * KiB, 2020 + 1024 * KiB]]);
  });

  it('never keeps more than it may, and lets go what is needed last', () => {
    const order = new DigestOrder(100);
    const released: number[] = [];
    for (const position of [300, 100, 200])
      order.add({ position, bytes: new Uint8Array(50), pinned: 50, release: () => released.push(position) });
    expect(released).toEqual([300]);
    order.clear();
    expect(released).toEqual([300, 100, 200]);
  });

  it('is kept by what it pins: a little of much cannot keep all memory from being used', () => {
    const order = new DigestOrder(100);
    const released: number[] = [];
    for (const position of [300, 100, 200])
      order.add({ position, bytes: new Uint8Array(1), pinned: 50, release: () => released.push(position) });
    expect(released).toEqual([300]);
    expect(shape(order.advance(101, true))).toEqual([
      ['file', 0, 100],
      ['memory', 1],
    ]);
    order.add({ position: 400, bytes: new Uint8Array(1), pinned: 50, release: () => released.push(400) });
    expect(released).toEqual([300]);
  });

  it('is what was written last, whatever was written there before', () => {
    const random = new SeededRandom(21);
    for (let round = 0; round < 200; round++) {
      const length = 1 + random.below(400);
      const file = new Uint8Array(length);
      const written = new Uint8Array(length);
      const order = new DigestOrder(random.below(150));
      const lent = new Set<Uint8Array>();
      const seen: number[] = [];
      let value = 0;
      const take = (steps: readonly DigestStep[]) => {
        for (const step of steps) {
          seen.push(...(step.from === 'memory' ? step.bytes : file.subarray(step.start, step.end)));
          if (step.from === 'memory') step.release();
        }
      };
      const write = (start: number, end: number) => {
        const bytes = new Uint8Array(end - start).fill(++value);
        file.set(bytes, start);
        written.fill(1, start, end);
        lent.add(bytes);
        order.add({
          position: start,
          bytes,
          pinned: bytes.length,
          release() {
            // Filled anew at once, as a receive buffer may be; and never twice.
            expect(lent.delete(bytes)).toBe(true);
            bytes.fill(0);
          },
        });
      };
      for (let turn = 0; turn < 20; turn++) {
        // What the digest was told of stays as it is.
        const start = order.reached + random.below(Math.max(1, length - order.reached));
        write(start, Math.min(length, start + random.below(60)));
        const gap = written.indexOf(0);
        if (random.below(2) === 0) take(order.advance(gap < 0 ? length : gap, false));
      }
      if (order.reached < length) write(order.reached, length);
      take(order.advance(length, true));
      expect(Uint8Array.from(seen)).toEqual(file);
      order.clear();
      expect(lent.size).toBe(0);
    }
  });
});
