import { describe, expect, it } from 'vitest';
import { comparisonRows, cpuOf, cpuOfStat, interleaved, processCost } from '../src/scenarios/measure.ts';
import { median } from '../src/statistics.ts';

describe('the median', () => {
  it.each([
    [[], 0],
    [[3], 3],
    [[5, 1, 3], 3],
    [[4, 1, 3, 2], 2.5],
    [[10, 9, 100], 10],
  ])('of %j is %d', (values, expected) => {
    expect(median(values)).toBe(expected);
  });

  it('leaves the values in their order', () => {
    const values = [3, 1, 2];
    median(values);
    expect(values).toEqual([3, 1, 2]);
  });
});

describe('the cost of a process', () => {
  it.each([
    ['0m0.00s 0m0.00s\n0m1.23s 0m0.45s\n', 1.68],
    ['0m0.000000s 0m0.000000s\n2m3.500000s 0m0.500000s\n', 124],
    ['', 0],
  ])('is read from %j', (times, expected) => {
    expect(cpuOf(times)).toBeCloseTo(expected);
  });

  it('is read from /proc, whatever the name of the program', () => {
    expect(cpuOfStat('12 (a) R (x) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0')).toBe(2);
  });

  it('is measured with what the process used, and a failure is one', async () => {
    // CPU time, not the clock's: how much of it a busy machine gives is its own business.
    const burn = 'while (process.cpuUsage().user < 250_000);';
    const { wall, cpu } = await processCost(process.execPath, ['-e', burn]);
    expect(wall).toBeGreaterThan(0.1);
    expect(cpu).toBeGreaterThan(0.2);
    await expect(processCost('sh', ['-c', 'echo broken; exit 3'])).rejects.toThrow('exit code 3: broken');
  });
});

describe('rounds', () => {
  it('take turns, and the first does not count', async () => {
    const order: string[] = [];
    const contender = (name: string, wall: number) => ({
      name,
      run: async () => {
        order.push(name);
        return { wall, cpu: wall / 2 };
      },
    });
    const results = await interleaved([contender('a', 2), contender('b', 4)], 2, () => {});
    expect(order).toEqual(['a', 'b', 'b', 'a', 'a', 'b']);
    expect(results).toEqual([
      { name: 'a', wall: [2, 2], cpu: [1, 1] },
      { name: 'b', wall: [4, 4], cpu: [2, 2] },
    ]);
    expect(comparisonRows(results, 'b', 8_000_000)).toEqual([
      ['a', '2.00 s', '2.00–2.00', '4 MB/s', '0.50', '1.00 s', '0.50'],
      ['b', '4.00 s', '4.00–4.00', '2 MB/s', '1.00', '2.00 s', '1.00'],
    ]);
  });
});
