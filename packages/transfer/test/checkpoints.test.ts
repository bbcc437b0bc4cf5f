import { describe, expect, it } from 'vitest';
import { Checkpoints } from '../src/checkpoints.ts';
import { RateMeter } from '../src/rate-meter.ts';
import type { Stream } from '../src/stream.ts';

const MiB = 1024 * 1024;

/** Connections of which nothing is known but what came. */
function streams(count: number, bytes: Partial<Stream> = {}): Stream[] {
  return Array.from({ length: count }, (_, id) => {
    const slot = { meter: new RateMeter() };
    return { id, slot, state: 'open', received: 0, written: 0, journalled: 0, paused: false, ...bytes } as Stream;
  });
}

const types = (commands: readonly { readonly type: string }[]) => commands.map(({ type }) => type);

describe('what of one stream may wait to be written', () => {
  it.each([
    [1, 8],
    [3, 8],
    [4, 6],
    [6, 4],
    [32, 4],
  ])('of %s is %s MiB, and half of that when it goes on', (count, most) => {
    const checkpoints = new Checkpoints({ bytes: undefined, time: 1_000 });
    const all = streams(count);
    const [one] = all as [Stream];
    one.received = most * MiB - 1;
    expect(types(checkpoints.regulate(all, one, 0))).toEqual([]);
    one.received++;
    expect(types(checkpoints.regulate(all, one, 0))).toEqual(['pause', 'flush']);
    one.written = (most / 2) * MiB - 1;
    expect(types(checkpoints.regulate(all, one, 0))).toEqual([]);
    one.written++;
    expect(types(checkpoints.regulate(all, one, 0))).toEqual(['resume']);
  });

  it('is not less because others have ended', () => {
    const checkpoints = new Checkpoints({ bytes: undefined, time: 1_000 });
    const all = [...streams(1, { received: 8 * MiB - 1 }), ...streams(20, { state: 'closed' })];
    expect(types(checkpoints.regulate(all, all[0] as Stream, 0))).toEqual([]);
  });
});

describe('what of one connection may wait for the journal', () => {
  it.each([
    ['nobody knows how quick it is', undefined, 32],
    ['it is slow', 1e6, 8],
    ['it brings 100 MB/s', 100e6, 10e6 / MiB],
    ['it brings 5 GB/s', 5e9, 32],
  ])('when %s is a checkpoint, less what comes in one piece', (_what, rate, most) => {
    const checkpoints = new Checkpoints({ bytes: undefined, time: 1_000 });
    const [one] = streams(1) as [Stream];
    if (rate !== undefined) {
      one.slot.meter.begin(0);
      one.slot.meter.add(rate, 1_000);
    }
    const limit = Math.ceil(most * MiB - 2176 * 1024);
    [one.received, one.written] = [limit - 1, limit - 1];
    expect(types(checkpoints.regulate([one], one, 1_000))).toEqual([]);
    [one.received, one.written] = [limit, limit];
    expect(types(checkpoints.regulate([one], one, 1_000))).toEqual(['pause']);
  });

  it('is as much as was asked for', () => {
    const checkpoints = new Checkpoints({ bytes: 16 * MiB, time: 1_000 });
    const [one] = streams(1, { received: 13.9 * MiB, written: 13.9 * MiB }) as [Stream];
    expect(types(checkpoints.regulate([one], one, 0))).toEqual(['pause']);
    one.journalled = MiB;
    one.paused = false;
    expect(types(checkpoints.regulate([one], one, 0))).toEqual([]);
  });
});
