import { describe, expect, it } from 'vitest';
import { SimulatedDisk } from './support/simulated-disk.ts';
import { Simulation } from './support/simulation.ts';

const KiB = 1024;

describe('connections whose buffers hold less than what is worth a write', () => {
  // Six gather 32 KiB each.
  it.each([150, 64, 20])('do not wait for each other, with %i KiB for all of them', async (memory) => {
    const world = new Simulation(5, 1_200 * KiB);
    world.origin.memory = memory * KiB;
    const disk = new SimulatedDisk();
    const transfer = world.transfer(disk, { connections: 6, checkpointBytes: 128 * KiB, pieceBytes: 600 * KiB });
    const started = world.clock.now();
    let took = Number.POSITIVE_INFINITY;
    const done = transfer.run().then((result) => {
      took = world.clock.now() - started;
      return result;
    });
    expect(await world.outcome(done)).toHaveProperty('result');
    expect(Buffer.from(disk.read('BIT.tmp') ?? []).equals(world.origin.version.content)).toBe(true);
    // 300 chunks of each, 1.5 ms between them; each wait for a checkpoint would be a second.
    expect(took).toBeLessThan(800);
  });
});
