import { describe, expect, it } from 'vitest';
import { FakeClock, fromHex, SeededRandom, settle, toHex } from '../src/index.ts';

describe('FakeClock', () => {
  it('calls what falls due, in order of time and then of asking, at its time', async () => {
    const clock = new FakeClock(1000);
    const seen: [string, number][] = [];
    const mark = (name: string) => () => void seen.push([name, clock.now()]);
    clock.after(20, mark('b'));
    clock.after(10, mark('a'));
    clock.after(20, mark('c'));
    clock.after(31, mark('late'));
    expect(clock.next).toBe(1010);
    await clock.advance(30);
    expect(seen).toEqual([
      ['a', 1010],
      ['b', 1020],
      ['c', 1020],
    ]);
    expect(clock.now()).toBe(1030);
    await clock.advance(1);
    expect(seen).toHaveLength(4);
    expect(clock.next).toBeUndefined();
  });

  it('does nothing by itself, and nothing that was cancelled', async () => {
    const clock = new FakeClock();
    let called = 0;
    const cancel = clock.after(0, () => called++);
    await settle();
    expect(called).toBe(0);
    cancel();
    cancel();
    await clock.advance(1);
    expect(called).toBe(0);
  });

  it('runs timers that timers and promises make on the way', async () => {
    const clock = new FakeClock(0);
    const times: number[] = [];
    const again = () => {
      times.push(clock.now());
      void Promise.resolve().then(() => clock.after(10, again));
    };
    clock.after(10, again);
    await clock.advance(35);
    expect(times).toEqual([10, 20, 30]);
    expect(clock.next).toBe(40);
  });

  it('takes a delay in the past as none', async () => {
    const clock = new FakeClock(0);
    let at = -1;
    clock.after(-5, () => {
      at = clock.now();
    });
    await clock.advance(0);
    expect(at).toBe(0);
  });
});

describe('SeededRandom', () => {
  it('is the same for the same seed and another for another', () => {
    const draw = (seed: number) => {
      const random = new SeededRandom(seed);
      return Array.from({ length: 8 }, () => random.uint32());
    };
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
    // mulberry32 of 0, so that a change of the generator does not go unnoticed.
    expect(new SeededRandom(0).uint32()).toBe(1_144_304_738);
  });

  it('keeps its ranges', () => {
    const random = new SeededRandom(1);
    const seen = new Set<number>();
    for (let i = 0; i < 1000; i++) {
      seen.add(random.below(5));
      const fraction = random.fraction();
      expect(fraction).toBeGreaterThanOrEqual(0);
      expect(fraction).toBeLessThan(1);
    }
    expect(seen).toEqual(new Set([0, 1, 2, 3, 4]));
    expect(random.bytes(33)).toHaveLength(33);
    expect(['a', 'b']).toContain(random.pick(['a', 'b']));
    expect(() => random.pick([])).toThrow(RangeError);
  });
});

describe('hex', () => {
  it('reads what it writes, white space aside', () => {
    expect([...fromHex(' 00 fF\n7f ')]).toEqual([0, 255, 127]);
    expect(toHex(Uint8Array.of(0, 255, 127))).toBe('00ff7f');
    expect(fromHex('')).toHaveLength(0);
  });

  it.each(['0', '0g', 'x', '0x00'])('refuses %j', (text) => {
    expect(() => fromHex(text)).toThrow(RangeError);
  });
});
