import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createAttemptLimiter } from '../src/attempt-limiter.ts';

function setUp(capacity?: number) {
  const clock = { now: 0 };
  const gate = createAttemptLimiter({ now: () => clock.now, free: 3, firstPause: 1000, longestPause: 8000, capacity });
  const fail = (source: string, account: string, times = 1) => {
    for (let i = 0; i < times; i++) gate.report(source, account, false);
  };
  return { clock, gate, fail };
}

describe('attempt limiter', () => {
  it('lets the first failures pass, then makes the source wait twice as long each time, up to the longest pause', () => {
    const { clock, gate, fail } = setUp();
    fail('a', 'x', 3);
    expect(gate.allow('a', 'x')).toBe(true);
    for (const pause of [1000, 2000, 4000, 8000, 8000]) {
      fail('a', 'x');
      clock.now += pause - 1;
      expect(gate.allow('a', 'x')).toBe(false);
      clock.now += 1;
      expect(gate.allow('a', 'x')).toBe(true);
    }
  });

  it('affects neither other sources nor, at first, other accounts of the source', () => {
    const { gate, fail } = setUp();
    fail('a', 'x', 5);
    expect([gate.allow('a', 'x'), gate.allow('a', 'y'), gate.allow('b', 'x')]).toEqual([false, true, true]);
  });

  it('stops a source that tries many accounts once each', () => {
    const { gate, fail } = setUp();
    for (let i = 0; i < 15; i++) fail('a', `user${i}`);
    expect(gate.allow('a', 'anybody')).toBe(true);
    fail('a', 'one more');
    expect([gate.allow('a', 'anybody'), gate.allow('b', 'anybody')]).toEqual([false, true]);
  });

  it('forgets an account after a success, and everything after a long time', () => {
    const { clock, gate, fail } = setUp();
    fail('a', 'x', 3);
    gate.report('a', 'x', true);
    fail('a', 'x', 3);
    expect(gate.allow('a', 'x')).toBe(true);
    clock.now += 16_001;
    fail('a', 'x', 3);
    expect(gate.allow('a', 'x')).toBe(true);
  });

  it('keeps a bounded number of entries whatever is thrown at it', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string(), fc.string(), fc.boolean()), { maxLength: 200 }), (reports) => {
        const { gate } = setUp(10);
        for (const [source, account, succeeded] of reports) {
          gate.report(source, account, succeeded);
          expect(typeof gate.allow(source, account)).toBe('boolean');
        }
      }),
    );
  });
});
