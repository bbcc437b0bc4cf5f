import { SeededRandom } from '@carmine/testkit';
import type { Disk, DiskDirectory, DiskFile } from '@carmine/transfer';
import { describe, expect, it } from 'vitest';
import type { WriteWay } from '../src/disk.ts';
import { unsyncedDisk } from '../src/unsynced-disk.ts';
import { SimulatedDisk } from './support/simulated-disk.ts';
import { Simulation } from './support/simulation.ts';

const length = 60_000;
const loss = { sectors: true, anyOrder: true };

/** A transfer that dies at the operation; undefined when it came to its end before. */
async function dying(world: Simulation, disk: SimulatedDisk, durable: boolean): Promise<number | undefined> {
  world.reported = [];
  const transfer = world.transfer(disk, { durable });
  const outcome = await world.outcome(transfer.run());
  return 'dead' in outcome ? (world.reported.at(-1) ?? 0) : undefined;
}

/** It comes to its end on what is left, whether what is done then is synced or not. */
async function recovered(world: Simulation, disk: SimulatedDisk, durable: boolean, where: string): Promise<void> {
  const transfer = world.transfer(disk, { durable });
  expect(await world.outcome(transfer.run().then(() => transfer.finish())), where).toHaveProperty('result');
  expect(Buffer.from(disk.read('file') as Uint8Array).equals(world.origin.version.content), where).toBe(true);
  expect(disk.names, where).toEqual(['file']);
}

describe('a disk that syncs nothing', () => {
  it('writes whichever way is quicker, but for what is read again or waited for in order', async () => {
    const asked: (readonly [number, WriteWay | undefined])[] = [];
    const file = {
      write: async (_chunks: readonly Uint8Array[], position: number, way?: WriteWay) =>
        void asked.push([position, way]),
      datasync: () => Promise.reject(new Error('nobody asked for that')),
      sync: () => Promise.reject(new Error('nobody asked for that')),
    };
    const directory = { create: async () => file as unknown as DiskFile };
    const disk: Disk = { openDirectory: async () => directory as unknown as DiskDirectory };
    const unsynced = await (await unsyncedDisk(disk).openDirectory('/', undefined)).create('file');
    for (const [position, way] of (['past', 'inOrder', 'kept', undefined] as const).entries())
      await unsynced.write([new Uint8Array(1)], position, way);
    await unsynced.datasync();
    await unsynced.sync();
    expect(asked).toEqual([
      [0, 'soonest'],
      [1, 'inOrder'],
      [2, 'kept'],
      [3, undefined],
    ]);
  });
});

describe('a transfer that syncs nothing', () => {
  it('begins anew when the power was lost, at whatever operation, and what came by then is not believed', async () => {
    let written = 0;
    for (let dieAt = 1; ; dieAt++) {
      const world = new Simulation(dieAt, length);
      const disk = new SimulatedDisk({ dieAt });
      const promised = await dying(world, disk, false);
      if (promised === undefined) break;
      written = Math.max(written, promised);
      for (let seed = 0; seed < 8; seed++) {
        const survivor = disk.afterPowerLoss(new SeededRandom(dieAt * 100 + seed), {}, loss);
        world.boot = `after ${seed}`;
        const where = `operation ${dieAt}: ${disk.log.at(-1)}, outcome ${seed}`;
        expect((await world.transfer(survivor).inspect())?.transferred ?? 0, where).toBe(0);
        await recovered(world, survivor, seed % 2 === 0, where);
        world.boot = 'first';
      }
    }
    expect(written).toBeGreaterThan(length / 2);
  }, 120_000);

  it('goes on in one that is durable, and what that one reported survives the power', async () => {
    let [deaths, kept] = [0, 0];
    for (let dieAt = 4; ; dieAt += 3) {
      const world = new Simulation(dieAt, length);
      const disk = new SimulatedDisk({ dieAt });
      const before = await dying(world, disk, false);
      if (before === undefined) break;
      for (let then = 1; ; then += 2) {
        world.boot = 'first';
        // What the first process left is the same each time.
        const first = new Simulation(dieAt, length);
        const left = new SimulatedDisk({ dieAt });
        await dying(first, left, false);
        const second = left.afterKill({ dieAt: then });
        const promised = await dying(first, second, true);
        if (promised === undefined) break;
        deaths++;
        const survivor = second.afterPowerLoss(new SeededRandom(dieAt * 1_000 + then), {}, loss);
        first.boot = 'second';
        const there = (await first.transfer(survivor).inspect())?.transferred ?? 0;
        const where = `operation ${dieAt}, then ${then}: ${second.log.at(-1)}`;
        expect(there, where).toBeGreaterThanOrEqual(promised);
        if (there > 0) kept++;
        await recovered(first, survivor, true, where);
      }
    }
    expect(deaths).toBeGreaterThan(100);
    expect(kept).toBeGreaterThan(20);
  }, 120_000);

  it('makes what was durable hold for this start of the system only, once it goes on with it', async () => {
    let believed = 0;
    for (let then = 1; ; then++) {
      const world = new Simulation(7, length);
      const disk = new SimulatedDisk({ dieAt: 25 });
      const promised = await dying(world, disk, true);
      expect(promised).toBeGreaterThan(0);
      const second = disk.afterKill({ dieAt: then });
      const more = await dying(world, second, false);
      if (more === undefined) break;
      const survivor = second.afterPowerLoss(new SeededRandom(then), {}, loss);
      world.boot = 'second';
      const there = (await world.transfer(survivor).inspect())?.transferred ?? 0;
      // Either nothing of the second one's journal is there, and all that the first one said is true, or nothing is believed.
      if (there > 0) believed++;
      expect([0, promised], `operation ${then}: ${second.log.at(-1)}`).toContain(there);
      await recovered(world, survivor, false, `operation ${then}`);
    }
    expect(believed).toBeGreaterThan(0);
  }, 120_000);

  it('says so of what another process of the same start left, and goes on with it', async () => {
    const world = new Simulation(1, length);
    const disk = new SimulatedDisk({ dieAt: 20 });
    const promised = await dying(world, disk, false);
    const survivor = disk.afterKill();
    expect(promised).toBeGreaterThan(0);
    expect((await world.transfer(survivor).inspect())?.transferred).toBeGreaterThanOrEqual(promised ?? 0);
    const before = world.origin.delivered;
    await recovered(world, survivor, false, '');
    expect(world.origin.delivered - before).toBeLessThan(length);
  });
});
