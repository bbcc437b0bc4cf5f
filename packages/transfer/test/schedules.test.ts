import { SeededRandom } from '@carmine/testkit';
import { describe, expect, it } from 'vitest';
import { runThrough, type World } from './support/planner-world.ts';

const MiB = 1024 * 1024;

describe('schedules', () => {
  it.each(Array.from({ length: 12 }, (_, block) => block))(
    'block %i of 25 random worlds: every byte once, nothing twice, not too many connections, and an end',
    (block) => {
      for (let seed = block * 25; seed < block * 25 + 25; seed++) {
        const dice = new SeededRandom(seed + 5_000);
        const fixed = dice.below(3) === 0 ? 1 + dice.below(8) : undefined;
        const rates = Array.from({ length: 64 }, () => 20_000 * 2 ** dice.below(9));
        const blackout = dice.below(4) === 0 ? 500 + dice.below(3_000) : undefined;
        const world: World = {
          seed,
          length: 1 + dice.below(24 * MiB),
          roundTrip: dice.below(4) === 0 ? 1 : 10 + dice.below(150),
          link: 500_000 * 2 ** dice.below(6),
          rate: (connection) => rates[connection % rates.length] ?? 0,
          resetAfter: dice.below(3) === 0 ? 300_000 + dice.below(3_000_000) : undefined,
          stalls: dice.below(3) === 0 ? dice.below(300) : 0,
          refusals: dice.below(3) === 0 ? dice.below(60) : 0,
          limit: dice.below(4) === 0 ? 1 + dice.below(6) : undefined,
          blackout: blackout === undefined ? undefined : [blackout, blackout + dice.below(40_000)],
          silentAboutRanges: dice.below(4) === 0,
        };
        const course = runThrough(world, { connections: fixed, largeFile: 4 * MiB }, fixed ?? 32);
        // Who is refused again and again may give up; the job engine tries again later.
        const mayFail = (world.refusals ?? 0) > 0 || world.limit !== undefined;
        expect(course, `seed ${seed}`).toMatchObject({
          end: mayFail && course.end === 'fail' ? 'fail' : 'complete',
        });
        if (course.error !== undefined) expect(course.error.kind, `seed ${seed}`).toBe('transient');
      }
    },
    60_000,
  );

  const calm = { seed: 1, length: 64 * MiB, roundTrip: 50, link: 1e9, rate: () => 2e6 };

  it('opens several connections at once for a large file far away, and one when told so', () => {
    const many = runThrough(calm, {}, 32);
    expect(many.mostOpen).toBeGreaterThanOrEqual(16);
    // 16 from the start would take 2.1 s.
    expect(many.time).toBeLessThan(3_000);
    const one = runThrough(calm, { connections: 1 }, 1);
    expect([one.mostOpen, one.connections, one.requests]).toEqual([1, 1, 1]);
  });

  it('adds connections while that pays, and no more when the link is full', () => {
    const paying = runThrough({ ...calm, length: 512 * MiB }, {}, 32);
    expect(paying.mostOpen).toBe(32);
    const full = runThrough({ ...calm, length: 512 * MiB, link: 32e6 }, {}, 32);
    expect(full.mostOpen).toBeLessThanOrEqual(24);
    // At the rate of the link: 16.8 s.
    expect(full.time).toBeLessThan(18_500);
  });

  it('takes the far part of a slow connection over, so that it does not hold up the end', () => {
    const rate = (connection: number) => (connection % 16 === 3 ? 20_000 : 2e6);
    const course = runThrough({ ...calm, rate }, {}, 32);
    // 15 fast connections: 2.3 s. Its share alone would take the slow one minutes.
    expect(course.time).toBeLessThan(3_500);
  });

  it('gives a silent connection up, and goes on soon after a blackout', () => {
    const stalled = runThrough({ ...calm, stalls: 200, seed: 7 }, {}, 32);
    expect(stalled.end).toBe('complete');
    expect(stalled.time).toBeLessThan(12_000);
    const dark = runThrough({ ...calm, blackout: [1_000, 31_000] }, {}, 32);
    expect(dark.end).toBe('complete');
    expect(dark.time).toBeLessThan(33_600);
  });

  it('ends with an error when nothing is heard of anybody any more, a few minutes later', () => {
    for (const begin of [1_000, 2_400]) {
      const course = runThrough({ ...calm, blackout: [begin, Number.POSITIVE_INFINITY] }, {}, 32);
      expect(course).toMatchObject({ end: 'fail', error: { kind: 'transient' } });
      expect(course.time).toBeGreaterThan(100_000);
      expect(course.time).toBeLessThan(700_000);
    }
  });

  it('has no more connections than the server lets it, and still gets the file', () => {
    const course = runThrough({ ...calm, limit: 3 }, {}, 32);
    expect(course.end).toBe('complete');
    // At the most three at 2 MB/s: 11.2 s.
    expect(course.time).toBeLessThan(14_000);
    // It does not keep asking.
    expect(course.requests).toBeLessThan(120);
  });
});
