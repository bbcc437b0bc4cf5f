import { describe, expect, it } from 'vitest';
import { ConnectionGovernor } from '../src/connection-governor.ts';

const MiB = 1024 * 1024;

/** Connections after some seconds in which each connection brings so many bytes a second. */
function after(seconds: number, rate: number, how: { inOrder?: boolean; connected?: number }, latency = 1): number[] {
  const governor = new ConnectionGovernor({ fixed: undefined, largeFile: 32 * MiB });
  governor.begin(latency, 100_000 * MiB, 0, how);
  const first = governor.target(0);
  let received = 0;
  for (let now = 0; now < seconds * 1_000; now += 500) {
    received += (governor.target(now) * rate) / 2;
    governor.observe(received, governor.target(now), now, false);
  }
  return [first, governor.target(seconds * 1_000)];
}

describe('connections to a near server', () => {
  it.each([
    ['are a few at once', {}, 3],
    ['are one where a digest follows', { inOrder: true }, 1],
  ])('%s', (_what, how, expected) => {
    expect(after(0, 1, how)[0]).toBe(expected);
  });

  it('are as many as elsewhere for a digest when the server is not that near', () => {
    expect(after(0, 1, { inOrder: true }, 10)[0]).toBe(3);
    expect(after(0, 1, { inOrder: true }, 50)[0]).toBe(16);
    // Its connection was there at once: it was only busy.
    expect(after(0, 1, { inOrder: true, connected: 1 }, 10)[0]).toBe(1);
  });

  it('double for a digest while that pays, until they are a few, and no longer than it takes to see', () => {
    const slow = (seconds: number) => after(seconds, 10e6, { inOrder: true })[1];
    expect([0.5, 1, 2].map((seconds) => slow(seconds))).toEqual([1, 2, 3]);
  });

  it('are those of a far server when another one, which is far, takes the place of a near one', () => {
    const governor = new ConnectionGovernor({ fixed: undefined, largeFile: 32 * MiB });
    governor.begin(1, 100_000 * MiB, 0, { inOrder: true });
    governor.begin(50, 100_000 * MiB, 0, { inOrder: true });
    expect(governor.target(0)).toBe(16);
    for (let now = 0; now < 5_000; now += 500) governor.observe(now * 300_000, 16, now, true);
    // That much would do for a near one.
    expect(governor.target(5_000)).toBe(32);
  });

  it('stay one for a digest where two bring no more', () => {
    const governor = new ConnectionGovernor({ fixed: undefined, largeFile: 32 * MiB });
    governor.begin(1, 100_000 * MiB, 0, { inOrder: true });
    const targets: number[] = [];
    for (let now = 0; now < 5_000; now += 500) {
      governor.observe(now * 100_000, governor.target(now), now, true);
      targets.push(governor.target(now));
    }
    expect(targets).toEqual([1, 2, 2, 1, 1, 1, 1, 1, 1, 1]);
  });

  it('become more for a digest where one brings little, and not where the network keeps nobody waiting', () => {
    expect(after(8, 10e6, { inOrder: true })[1]).toBeGreaterThan(2);
    expect(after(8, 300e6, { inOrder: true })[1]).toBe(1);
    expect(after(8, 300e6, {})[1]).toBeGreaterThan(3);
  });

  it.each([{ inOrder: true }, {}])('stay as many where they wait for us, %j', (how) => {
    const governor = new ConnectionGovernor({ fixed: undefined, largeFile: 32 * MiB });
    governor.begin(1, 100_000 * MiB, 0, how);
    const first = governor.target(0);
    for (let now = 0; now < 20_000; now += 500) {
      // They do for a third of the time.
      governor.crowded(true, now + 100);
      governor.crowded(false, now + 270);
      governor.observe((now * 50e6) / 1_000, governor.target(now), now + 300, true);
    }
    expect(governor.target(20_000)).toBe(first);
    // And become more when they do not any more.
    for (let now = 20_000; now < 40_000; now += 500) {
      governor.observe((now * 50e6 * governor.target(now)) / 1_000, governor.target(now), now, true);
    }
    expect(governor.target(40_000)).toBeGreaterThan(first);
  });

  it('go back to what they were when more of them wait for us', () => {
    const governor = new ConnectionGovernor({ fixed: undefined, largeFile: 32 * MiB });
    governor.begin(1, 100_000 * MiB, 0);
    let now = 0;
    for (; governor.target(now) === 3; now += 500) governor.observe(now * 50_000, 4, now, true);
    expect(governor.target(now)).toBe(6);
    governor.crowded(true, now);
    for (const end = now + 5_000; now < end; now += 500) governor.observe(now * 500_000, 8, now, true);
    expect(governor.target(now)).toBe(3);
  });
});
