import { describe, expect, it } from 'vitest';
import { AnswerTimes } from '../src/answer-times.ts';
import { ConnectionGovernor } from '../src/connection-governor.ts';
import { chooseTheft, nextSegment } from '../src/segments.ts';
import { silentStreams } from '../src/silence.ts';
import type { Slot, Stream } from '../src/stream.ts';
import { StreamTable } from '../src/stream-table.ts';

const MiB = 1024 * 1024;
const sizes = { smallest: MiB, largest: 256 * MiB };

/** Connections that each brought so many bytes per second until `now`, every 100 ms, and have so many left. */
function receiving(now: number, ...given: readonly { readonly rate: number; readonly left: number; until?: number }[]) {
  const table = new StreamTable();
  return given.map(({ rate, left, until = now }, index) => {
    const slot = table.freeSlot();
    slot.latency = 50;
    const start = index * 1000 * MiB;
    const end = start + rate * 10 + left;
    const stream = table.add({ purpose: 'data', ranged: true, mirror: 0, slot, start, end, now: now - 10_000 });
    stream.state = 'open';
    slot.meter.begin(now - 10_000);
    for (let at = now - 9_900; at <= until; at += 100) {
      slot.meter.add(rate / 10, at);
      stream.longestPause = Math.max(stream.longestPause, at - stream.lastAt > 5_000 ? 0 : at - stream.lastAt);
      stream.lastAt = at;
    }
    stream.received = end - left;
    return stream;
  });
}

function piece(streams: readonly Stream[], left: number, slot: Slot | undefined, now: number) {
  const free = [{ start: 0, end: left }];
  const extent = nextSegment(free, slot ?? new StreamTable().freeSlot(), streams, 16, sizes, now);
  return extent === undefined ? Number.NaN : extent.end - extent.start;
}

describe('pieces', () => {
  it('are whole bytes also when nobody brought anything for a long time', () => {
    const streams = receiving(100_000, { rate: 0, left: MiB }, { rate: 0, left: MiB });
    expect(piece(streams, 64 * MiB, streams[0]?.slot, 100_000)).toBeGreaterThanOrEqual(MiB / 8);
  });

  it('are small at the end where connections are slow, and worth a request where they are fast', () => {
    const slow = receiving(20_000, { rate: 300_000, left: MiB });
    expect(piece(slow, 2 * MiB, slow[0]?.slot, 20_000)).toBe(MiB / 8);
    const fast = receiving(20_000, { rate: 100e6, left: 100 * MiB });
    expect(piece(fast, 64 * MiB, fast[0]?.slot, 20_000)).toBeGreaterThan(10 * MiB);
    // Nobody knows yet.
    expect(piece([], 16 * MiB, undefined, 0)).toBe(MiB);
  });
});

describe('work stealing', () => {
  const now = 20_000;
  const thief = () => Object.assign(new StreamTable().freeSlot(), { latency: 50, warm: true });

  it('helps a slow connection with little', () => {
    const [victim] = receiving(now, { rate: 200_000, left: 150_000 });
    const theft = chooseTheft(victim === undefined ? [] : [victim], thief(), sizes, now);
    // 0.75 s are left; half of what comes after the thief's first byte.
    expect((theft?.end ?? 0) - (theft?.start ?? 0)).toBe(70_000);
  });

  it('takes everything from one that has been silent for a while, however little', () => {
    const [victim] = receiving(now, { rate: 2e6, left: 100_000, until: now - 500 });
    const theft = chooseTheft(victim === undefined ? [] : [victim], thief(), sizes, now);
    expect((theft?.end ?? 0) - (theft?.start ?? 0)).toBe(100_000);
    // It would have ended before anybody could help, had it gone on.
    const [lively] = receiving(now, { rate: 2e6, left: 100_000 });
    expect(chooseTheft(lively === undefined ? [] : [lively], thief(), sizes, now)).toBeUndefined();
  });
});

describe('work stealing of what was asked for', () => {
  it('takes over what is not answered, the later the more often that was done', () => {
    const table = new StreamTable();
    const thief = Object.assign(table.freeSlot(), { latency: 50, warm: true });
    const asked = (takeovers: number) =>
      table.add({ purpose: 'data', ranged: true, mirror: 0, slot: other, start: 0, end: 70_000, now: 0, takeovers });
    table.add({ purpose: 'data', ranged: true, mirror: 0, slot: thief, start: 0, end: 1, now: 0 });
    const other = table.freeSlot();
    const whole = (takeovers: number, now: number) => {
      const theft = chooseTheft([asked(takeovers)], thief, sizes, now);
      return theft === undefined ? undefined : theft.end - theft.start;
    };
    expect([whole(0, 399), whole(0, 400), whole(2, 1_599), whole(2, 1_600)]).toEqual([
      undefined,
      70_000,
      undefined,
      70_000,
    ]);
  });
});

describe('silence', () => {
  const now = 20_000;
  const found = (streams: readonly Stream[]) => silentStreams(streams, now).map(({ id }) => id);

  it('is soon noticed beside connections that bring much', () => {
    const beside = (until: number) =>
      receiving(now, { rate: 1e6, left: MiB, until }, { rate: 1e6, left: MiB }, { rate: 1e6, left: MiB });
    expect(found(beside(now - 1_100))).toEqual([1]);
    expect(found(beside(now - 900))).toEqual([]);
  });

  it('may last longer where nobody brings anything or much, or where data come in bursts', () => {
    const all = (silence: number) => {
      const until = now - silence;
      return receiving(now, { rate: 1e6, left: MiB, until }, { rate: 1e6, left: MiB, until });
    };
    expect([found(all(3_900)), found(all(4_000))]).toEqual([[], [1, 2]]);
    const little = receiving(now, { rate: 10_000, left: MiB, until: now - 2_000 }, { rate: 10_000, left: MiB });
    expect(found(little)).toEqual([]);
    const bursts = receiving(now, { rate: 1e6, left: MiB, until: now - 2_000 }, { rate: 1e6, left: MiB });
    for (const stream of bursts) stream.longestPause = 600;
    expect(found(bursts)).toEqual([]);
  });
});

describe('number of connections', () => {
  /** What the governor wants after each second of these rates (MB/s), with as many connections as it wanted before. */
  function course(rates: readonly number[], free: boolean) {
    const governor = new ConnectionGovernor({ fixed: undefined, largeFile: 32 * MiB });
    governor.begin(50, 1024 * MiB, 0);
    let received = 0;
    return rates.map((rate, index) => {
      for (let tick = 1; tick <= 2; tick++) {
        received += rate * 0.5e6;
        const now = index * 1_000 + tick * 500;
        governor.observe(received, governor.target(now), now, free);
      }
      return governor.target(index * 1_000 + 1_000);
    });
  }

  it('doubles where nothing waits in the way, grows by half elsewhere', () => {
    expect(course([8, 8, 8], true)).toEqual([16, 32, 32]);
    expect(course([8, 8, 8], false)).toEqual([16, 24, 24]);
  });

  it('goes back where more did not pay, but once not at once where the way seems to be free', () => {
    expect(course([8, 8, 8, 8, 8], false)).toEqual([16, 24, 24, 16, 16]);
    expect(course([8, 8, 8, 8, 8, 8, 8], true).at(3)).toBe(32);
  });

  it('knows from the time that answers take whether something waits in the way', () => {
    const times = new AnswerTimes();
    times.add(50, 0);
    expect(times.isFree(0)).toBe(false);
    for (let at = 1_000; at < 1_005; at++) times.add(at === 1_002 ? 300 : 52, at);
    expect(times.isFree(1_005)).toBe(true);
    // What was long ago says nothing.
    expect(times.isFree(9_000)).toBe(false);
    for (let at = 9_000; at < 9_009; at++) times.add(85, at);
    expect(times.isFree(9_009)).toBe(false);
  });
});
