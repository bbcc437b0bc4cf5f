import { describe, expect, it } from 'vitest';
import { ConnectionGovernor } from '../src/connection-governor.ts';

const MiB = 1024 * 1024;

/** Connections after some seconds in which each connection brings so many bytes a second. */
function after(seconds: number, rate: number, how: { inOrder?: boolean; secure?: boolean }, latency = 1): number[] {
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
    ['are a few at once', {}, 4],
    ['are one less over TLS', { secure: true }, 3],
    ['are one where a digest follows', { inOrder: true }, 1],
    ['are one where a digest follows over TLS', { inOrder: true, secure: true }, 1],
  ])('%s', (_what, how, expected) => {
    expect(after(0, 1, how)[0]).toBe(expected);
  });

  it('are as many as elsewhere for a digest when the server is not that near', () => {
    expect(after(0, 1, { inOrder: true }, 10)[0]).toBe(4);
    expect(after(0, 1, { inOrder: true }, 50)[0]).toBe(16);
  });

  it('become more for a digest where one brings little, and not where the network keeps nobody waiting', () => {
    expect(after(8, 10e6, { inOrder: true })[1]).toBeGreaterThan(2);
    expect(after(8, 300e6, { inOrder: true })[1]).toBe(1);
    expect(after(8, 300e6, {})[1]).toBeGreaterThan(4);
  });
});
