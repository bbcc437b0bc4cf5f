import { describe, expect, it } from 'vitest';
import { YieldingRate } from '../src/yielding.ts';

/** A link with a queue: whoever sends more than it carries fills that, up to its length. */
function simulate(seconds: number, foreground: (second: number) => number) {
  const capacity = 10e6;
  const longest = capacity * 0.04;
  const rate = new YieldingRate();
  let [limit, queue, mine] = [Number.POSITIVE_INFINITY, 0, 0];
  const got: number[] = [];
  for (let now = 0; now < seconds * 1_000; now += 350) {
    const others = foreground(now / 1_000);
    // Who does not give way gets what he wants, and the other one the rest or a little.
    mine = Math.min(limit, Math.max(capacity - others, 0.05 * capacity));
    queue = Math.max(
      0,
      Math.min(longest, queue + (mine + others - capacity) * 0.35 + (limit > capacity ? longest : 0)),
    );
    limit = rate.sample(50 + (queue / capacity) * 1_000, mine, now) ?? limit;
    got.push(mine);
  }
  const mean = (from: number, to: number) => {
    const part = got.slice(Math.floor((from * 1_000) / 350), Math.floor((to * 1_000) / 350));
    return part.reduce((sum, value) => sum + value, 0) / part.length / capacity;
  };
  return { mean };
}

describe('a transfer that gives way', () => {
  it('takes hardly anything while somebody wants it all, but something, and goes back to what is free', () => {
    const { mean } = simulate(90, (second) => (second >= 20 && second < 60 ? 10.5e6 : 0));
    expect(mean(25, 60)).toBeLessThan(0.1);
    expect(mean(25, 60)).toBeGreaterThan(0.01);
    expect(mean(75, 90)).toBeGreaterThan(0.6);
  });

  it('takes most of what is there when nobody else wants it', () => {
    expect(simulate(60, () => 0).mean(20, 60)).toBeGreaterThan(0.6);
  });

  it('is never in the way of anything as long as answers take no longer than at best', () => {
    const rate = new YieldingRate();
    for (let now = 0; now < 10_000; now += 350) expect(rate.sample(20, 5e6, now)).toBeUndefined();
  });
});
