import { createHash } from 'node:crypto';
import { SeededRandom } from '@carmine/testkit';
import type { FileTransfer } from '@carmine/transfer';
import { describe, expect, it } from 'vitest';
import { SimulatedDisk } from './support/simulated-disk.ts';
import { checkpointBytes, Simulation } from './support/simulation.ts';

const length = 200_000;

/** Runs and finishes, as the engine does. */
async function fetchAndFinish(transfer: FileTransfer, repeat = false): Promise<void> {
  const left = await transfer.inspect();
  // After a crash between rename and clean-up there is nothing to fetch any more: the engine knows that it had begun to finish.
  if (!(repeat && left === undefined)) await transfer.run();
  await transfer.finish({ repeat });
}

describe.each([
  ['kill -9', false, true],
  ['kill -9 where nothing is synced', false, false],
  ['power loss', true, true],
] as const)('%s at every operation on the disk', (_name, powerLoss, durable) => {
  it.each([
    ['one connection', 1],
    ['three connections', 3],
  ])(
    'leaves a transfer that goes on, with %s',
    async (_connections, connections) => {
      let dieAt = 0;
      let worst = 0;
      for (;;) {
        dieAt++;
        const world = new Simulation(dieAt, length);
        const content = world.origin.version.content;
        const disk = new SimulatedDisk({ dieAt });
        let finishing = false;
        const first = world.transfer(disk, { connections, durable });
        const outcome = await world.outcome(
          first.run().then(async (result) => {
            finishing = true;
            await first.finish();
            return result;
          }),
        );
        if (!('dead' in outcome)) break;
        const promised = world.reported.at(-1) ?? 0;
        const fetchedBefore = world.origin.delivered;
        expect(disk.log.some((operation) => operation.includes('sync')) && !durable).toBe(false);
        const survivor = powerLoss ? disk.afterPowerLoss(new SeededRandom(dieAt)) : disk.afterKill();
        const second = world.transfer(survivor, { connections, durable });
        const left = await second.inspect();
        const named = survivor.read('file');
        // Promise 1: under its name it is whole, or it is not there.
        if (named !== undefined) expect(Buffer.from(named).equals(content)).toBe(true);
        // Promise 2: what was reported is there.
        if (named === undefined) expect(left?.transferred ?? 0).toBeGreaterThanOrEqual(promised);
        const again =
          finishing && left === undefined ? second.finish({ repeat: true }) : fetchAndFinish(second, finishing);
        expect(await world.outcome(again), `operation ${dieAt}: ${disk.log.at(-1)}`).toHaveProperty('result');
        expect(Buffer.from(survivor.read('file') as Uint8Array).equals(content)).toBe(true);
        expect(survivor.names).toEqual(['file']);
        const twice = world.origin.delivered - length;
        worst = Math.max(worst, twice);
        expect(twice, `fetched twice, of ${fetchedBefore}`).toBeLessThanOrEqual(checkpointBytes * connections);
      }
      expect(dieAt).toBeGreaterThan(30);
      // The bound means something only if some crash does cost something.
      expect(worst).toBeGreaterThan(0);
    },
    120_000,
  );
});

describe.each(['EIO', 'ENOSPC'])('%s at every operation on the disk', (errno) => {
  it('is reported, and the next run goes on from the journal', async () => {
    for (let failAt = 1; ; failAt++) {
      const world = new Simulation(failAt, length);
      const content = world.origin.version.content;
      const disk = new SimulatedDisk({ failAt, errno });
      const transfer = world.transfer(disk);
      const first = await world.outcome(transfer.run().then(() => transfer.finish()));
      if ('result' in first) {
        expect(failAt).toBeGreaterThan(30);
        break;
      }
      expect(first, `operation ${failAt}: ${disk.log.at(-1)}`).toMatchObject({
        error: { code: errno === 'EIO' ? 'file/io' : 'file/disk-full', kind: 'transient' },
      });
      const promised = world.reported.at(-1) ?? 0;
      world.reported = [];
      if (disk.read('file') === undefined) {
        expect(await world.outcome(transfer.run()), `operation ${failAt}: ${disk.log.at(-1)}`).toHaveProperty('result');
        expect(world.reported[0]).toBeGreaterThanOrEqual(promised);
      }
      expect(await world.outcome(transfer.finish({ repeat: true }))).toHaveProperty('result');
      expect(Buffer.from(disk.read('file') as Uint8Array).equals(content)).toBe(true);
      expect(disk.names).toEqual(['file']);
    }
  }, 120_000);
});

describe('random worlds', () => {
  it.each(Array.from({ length: 60 }, (_, seed) => seed))(
    'seed %i: the file is one version of the source',
    async (seed) => {
      const dice = new SeededRandom(seed + 1_000);
      const etag = dice.below(3) > 0;
      const world = new Simulation(seed, 1 + dice.below(300_000), {
        etag: etag ? '"1"' : undefined,
        lastModified: 'Thu, 01 Jan 2026 00:00:00 GMT',
      });
      const { origin, clock } = world;
      origin.drops = dice.below(3);
      origin.acceptRanges = dice.below(2) === 0 ? 'bytes' : undefined;
      const versions = [origin.version];
      let changes = dice.below(3);
      origin.onChunk = () => {
        if (changes === 0 || dice.below(40) !== 0) return;
        changes--;
        const next = {
          content: dice.bytes(1 + dice.below(300_000)),
          etag: `"${versions.length + 1}"`,
          lastModified: `Thu, 0${versions.length + 1} Jan 2026 00:00:00 GMT`,
        };
        origin.version = etag ? next : { ...next, etag: undefined };
        versions.push(origin.version);
      };
      const delay = () => new Promise<void>((resolve) => void clock.after(dice.below(20), resolve));
      let disk = new SimulatedDisk({ delay });
      for (let attempt = 0; ; attempt++) {
        expect(attempt).toBeLessThan(60);
        const transfer = world.transfer(disk, { computeSha256: true, connections: 1 + dice.below(4) });
        const running = world.outcome(transfer.run());
        if (dice.below(3) === 0) {
          await clock.advance(dice.below(300));
          void transfer.stop();
        }
        const outcome = await running;
        if ('result' in outcome) {
          expect(await world.outcome(transfer.finish())).toHaveProperty('result');
          const file = Buffer.from(disk.read('file') as Uint8Array);
          expect(versions.some((version) => file.equals(version.content))).toBe(true);
          expect(outcome.result.sha256).toBe(createHash('sha256').update(file).digest('hex'));
          expect(disk.names).toEqual(['file']);
          return;
        }
        expect(outcome).toHaveProperty('error');
        if ('error' in outcome) expect(['transient', 'local']).toContain(outcome.error.kind);
        // Between attempts: nothing, or a crash of the machine.
        disk = dice.below(2) === 0 ? disk.afterKill({ delay }) : disk.afterPowerLoss(dice, { delay });
      }
    },
  );
});
