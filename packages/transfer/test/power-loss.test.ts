import { SeededRandom } from '@carmine/testkit';
import { describe, expect, it } from 'vitest';
import { SimulatedDisk } from './support/simulated-disk.ts';
import { Simulation } from './support/simulation.ts';

const length = 50_000;
const outcomes = 4;
const old = new SeededRandom(99).bytes(20_000);

/** What may survive: sectors of writes, and directory changes, in their order or in any. */
const losses = [
  ['in order', { sectors: true }],
  ['in any order', { sectors: true, anyOrder: true }],
] as const;

/** A disk on which an older version of the file has the name already, or nothing. */
function diskOf(dieAt: number | undefined, replaces: boolean): SimulatedDisk {
  const disk = new SimulatedDisk(dieAt === undefined ? {} : { dieAt });
  if (replaces) disk.put('file', old);
  return disk;
}

describe.each(losses)('power loss between every two operations, directory changes %s', (_name, loss) => {
  it.each([
    ['a new file', false, 1],
    ['a new file over three connections', false, 3],
    ['a file that replaces another', true, 2],
  ] as const)(
    '%s',
    async (_what, replaces, connections) => {
      let lost = 0;
      for (const [schedule, dieAt] of await moments(replaces, connections)) {
        for (let outcome = 0; outcome < outcomes; outcome++) {
          const seed = (schedule * 1_000 + dieAt) * 100 + outcome;
          const world = new Simulation(schedule, length);
          const { content } = world.origin.version;
          const disk = diskOf(dieAt, replaces);
          let finishing = false;
          const first = world.transfer(disk, { connections });
          const came = await world.outcome(
            first.run().then(async () => {
              finishing = true;
              await first.finish();
            }),
          );
          expect(came).toEqual({ dead: true });
          lost++;
          const promised = world.reported.at(-1) ?? 0;
          const random = new SeededRandom(seed);
          // The machine may lose power again while it recovers.
          const again = random.below(3) === 0 ? 1 + random.below(20) : undefined;
          const survivor = disk.afterPowerLoss(random, again === undefined ? {} : { dieAt: again }, loss);
          const where = `operation ${dieAt} (${disk.log.at(-1)}), outcome ${outcome}`;
          check(survivor, content, replaces, where);
          const left = await world.transfer(survivor, { connections }).inspect();
          if (!isWhole(survivor, content)) {
            // Promise 2: what was reported is durable.
            expect(left?.transferred ?? 0, where).toBeGreaterThanOrEqual(promised);
          }
          let last = survivor;
          if (again !== undefined) {
            await world.outcome(recover(world, survivor, connections, finishing));
            last = survivor.afterPowerLoss(random, {}, loss);
            check(last, content, replaces, `${where}, and again at ${again}`);
          }
          expect(await world.outcome(recover(world, last, connections, finishing)), where).toHaveProperty('result');
          expect(isWhole(last, content), where).toBe(true);
          expect(last.names, where).toEqual(['file']);
        }
      }
      expect(lost).toBeGreaterThan(200);
    },
    120_000,
  );
});

/** Every operation of two transfers whose packets come in different times; one schedule is the same each time. */
async function moments(replaces: boolean, connections: number): Promise<[schedule: number, dieAt: number][]> {
  const all: [number, number][] = [];
  for (const schedule of [1, 2]) {
    const world = new Simulation(schedule, length);
    const disk = diskOf(undefined, replaces);
    const transfer = world.transfer(disk, { connections });
    expect(await world.outcome(transfer.run().then(() => transfer.finish()))).toHaveProperty('result');
    for (let dieAt = 1; dieAt <= disk.operations; dieAt++) all.push([schedule, dieAt]);
  }
  return all;
}

/** As the engine does: finish what had begun to be finished, else go on. */
async function recover(world: Simulation, disk: SimulatedDisk, connections: number, finishing: boolean) {
  const transfer = world.transfer(disk, { connections });
  const left = await transfer.inspect();
  if (!(finishing && left === undefined)) await transfer.run();
  await transfer.finish({ repeat: finishing });
}

/** Promise 1: under its name it is byte-identical to one version, or it is not there. */
function check(disk: SimulatedDisk, content: Uint8Array, replaces: boolean, where: string): void {
  const named = disk.read('file');
  const allowed =
    named === undefined ? !replaces : isWhole(disk, content) || (replaces && Buffer.from(named).equals(old));
  expect(allowed, where).toBe(true);
}

function isWhole(disk: SimulatedDisk, content: Uint8Array): boolean {
  const named = disk.read('file');
  return named !== undefined && Buffer.from(named).equals(content);
}
