import { SeededRandom } from '@carmine/testkit';
import { parseRatePeriod, RateLimit, type RateTable, rateAt } from '@carmine/transfer';
import { describe, expect, it } from 'vitest';
import { SimulatedDisk } from './support/simulated-disk.ts';
import { Simulation } from './support/simulation.ts';

const nightly: RateTable = {
  bytesPerSecond: 1_000,
  periods: [
    { days: [1, 2, 3, 4, 5], from: 8 * 60, until: 18 * 60, bytesPerSecond: 10 },
    { from: 22 * 60, until: 6 * 60, bytesPerSecond: undefined },
    { days: [6], from: 0, until: 1_440, bytesPerSecond: 0 },
  ],
};

describe('a timetable', () => {
  it.each([
    [1, 8 * 60, 10],
    [1, 18 * 60, 1_000],
    [0, 12 * 60, 1_000],
    [3, 23 * 60, undefined],
    [4, 5 * 60 + 59, undefined],
    [4, 6 * 60, 1_000],
    [6, 12 * 60, 0],
  ])('on day %i at minute %i has %j', (day, minute, rate) => {
    expect(rateAt(nightly, { day, minute })).toBe(rate);
  });

  it('reaches into the next day from the days that it is for', () => {
    const table = { periods: [{ days: [5], from: 1_380, until: 60, bytesPerSecond: 7 }] };
    expect([rateAt(table, { day: 6, minute: 30 }), rateAt(table, { day: 5, minute: 30 })]).toEqual([7, undefined]);
  });

  it.each([
    { bytesPerSecond: -1 },
    { bytesPerSecond: Number.NaN },
    { periods: [{ from: 0, until: 1_441, bytesPerSecond: 1 }] },
    { periods: [{ days: [7], from: 0, until: 1, bytesPerSecond: 1 }] },
  ])('is checked: %j', (table) => {
    expect(() => new RateLimit(table, () => ({ day: 0, minute: 0 }))).toThrow(
      expect.objectContaining({ code: 'job/invalid-argument' }),
    );
  });
});

describe('a line of a timetable', () => {
  it.each([
    ['08:00-18:00 1000', { from: 480, until: 1_080, bytesPerSecond: 1_000 }],
    ['1-5 22:00-06:00 unlimited', { days: [1, 2, 3, 4, 5], from: 1_320, until: 360 }],
    ['6-1,3 00:00-24:00 0', { days: [6, 0, 1, 3], from: 0, until: 1_440, bytesPerSecond: 0 }],
  ])('%s', (text, expected) => {
    expect(parseRatePeriod(text)).toMatchObject(expected);
  });

  it.each(['', '8:00-9:00 1', '08:00-25:00 1', '7 08:00-09:00 1', '08:00-09:00 fast', '08:00 09:00 1'])(
    '%j is none',
    (text) => {
      expect(() => parseRatePeriod(text)).toThrow(expect.objectContaining({ code: 'job/invalid-argument' }));
    },
  );
});

describe('a limit', () => {
  const noon = () => ({ day: 3, minute: 720 });

  it('is kept by a transfer with all its connections', async () => {
    const world = new Simulation(1, 300_000);
    const limit = new RateLimit({ bytesPerSecond: 50_000 }, noon);
    const began = world.clock.now();
    const disk = new SimulatedDisk();
    expect(await world.outcome(world.transfer(disk, { rateLimits: [limit] }).run())).toHaveProperty('result');
    const seconds = (world.clock.now() - began) / 1_000;
    expect(seconds).toBeGreaterThan(5.5);
    expect(seconds).toBeLessThan(8);
  });

  it('is shared by two, and lifted while they run', async () => {
    const limit = new RateLimit({ bytesPerSecond: 20_000 }, noon);
    const world = new Simulation(2, 200_000);
    const [one, two] = [new SimulatedDisk(), new SimulatedDisk()];
    const began = world.clock.now();
    const both = Promise.all([
      world.transfer(one, { rateLimits: [limit] }).run(),
      world.transfer(two, { rateLimits: [limit] }).run(),
    ]);
    const outcome = world.outcome(both);
    await world.clock.advance(5_000);
    // Each has at most half of what five seconds allow, and its connections' first chunks.
    expect(world.origin.delivered).toBeLessThan(150_000);
    expect(world.origin.delivered).toBeGreaterThan(60_000);
    limit.set({});
    expect(await outcome).toHaveProperty('result');
    expect((world.clock.now() - began) / 1_000).toBeLessThan(9);
  });

  it('of 0 lets nothing come until its time is over', () => {
    let minute = 0;
    const limit = new RateLimit({ periods: [{ from: 0, until: 10, bytesPerSecond: 0 }] }, () => ({ day: 0, minute }));
    expect(limit.wait(0)).toBe(60_000);
    minute = 10;
    expect(limit.wait(600_000)).toBe(0);
  });

  it('of whatever is spent is kept in the long run', () => {
    const random = new SeededRandom(4);
    const limit = new RateLimit({ bytesPerSecond: 12_345 }, noon);
    let [now, spent] = [0, 0];
    while (now < 100_000) {
      const wait = limit.wait(now);
      now += wait > 0 ? wait : 1;
      if (wait > 0) continue;
      const bytes = random.below(5_000);
      spent += bytes;
      limit.spend(bytes, now);
    }
    expect(spent / 12_345).toBeGreaterThan(97);
    expect(spent / 12_345).toBeLessThan(102);
  });
});
