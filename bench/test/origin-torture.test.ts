import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { misbehaviours } from '../src/torture/origin/cases/index.ts';
import { file, type Misbehaviour, spoil } from '../src/torture/origin/misbehaviour.ts';
import { createWorld, runOne, type World } from '../src/torture/origin/run.ts';
import { swapKinds, swapOnce } from '../src/torture/origin/swaps.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());

describe('torture by origins', () => {
  it('has each misbehaviour once', () => {
    const names = Object.entries(misbehaviours).flatMap(([topic, list]) => list.map(({ name }) => `${topic}: ${name}`));
    expect(names.length).toBeGreaterThan(400);
    expect(new Set(names).size).toBe(names.length);
  });

  it('sees a wrong file, which nothing but a digest could have told', async () => {
    const lie: Misbehaviour = {
      name: 'other bytes',
      script: spoil('get', (reply, _asked, { b }) =>
        Object.assign(reply, { body: Buffer.concat([reply.body.subarray(0, -10), b.content.subarray(0, 10)]) }),
      ),
      outcome: file('a'),
    };
    const { came, faults } = await runOne(world, lie, 'whole', 'fast', 1);
    expect(came).toEqual({ file: 'neither' });
    expect(faults).toEqual(['came to A WRONG FILE, expected file a']);
    expect((await runOne(world, { ...lie, digestKnown: true }, 'whole', 'job', 1)).came).toMatchObject({
      code: 'transfer/digest-mismatch',
      hresult: 0x80200053,
      state: 'error',
    });
  });

  it.each(Object.keys(swapKinds) as (keyof typeof swapKinds)[])(
    'mixes nothing: %s',
    async (kind) => {
      const counts = { runs: 0, swappedInside: 0, oldFiles: 0, newFiles: 0, errors: 0, mixedFiles: 0 };
      const failures: string[] = [];
      for (let seed = 1; seed <= 5; seed++) await swapOnce(kind, seed, counts, failures);
      expect(failures).toEqual([]);
      expect(counts).toMatchObject({ runs: 5, mixedFiles: 0 });
    },
    30_000,
  );
});
