import { createHash } from 'node:crypto';
import { CarmineError } from '@carmine/errors';
import { FakeClock, SeededRandom } from '@carmine/testkit';
import {
  createSmallSet,
  nameWholeFiles,
  type ReceiverFactory,
  type SmallFile,
  type SmallSetOptions,
  type SmallSetOutcome,
} from '@carmine/transfer';
import { describe, expect, it } from 'vitest';
import { SimulatedDisk } from './support/simulated-disk.ts';

type Answer = Uint8Array | 'silence' | 'drop' | number;

/** Some files in virtual time, and what is asked for. */
class World {
  readonly clock = new FakeClock();
  readonly asked: string[] = [];
  readonly answers = new Map<string, Answer>();
  readonly fields = new Map<string, Readonly<Record<string, string>>>();
  /** Connections. */
  opened = 0;
  readonly #random: SeededRandom;

  constructor(seed: number, sizes: readonly number[]) {
    this.#random = new SeededRandom(seed);
    for (const [index, size] of sizes.entries()) this.answers.set(`/${index}`, this.#random.bytes(size));
  }

  get files(): SmallFile[] {
    return [...this.answers.keys()].map((name, index) => ({
      url: `http://origin.example${name}`,
      path: `/srv${name}`,
      temporaryName: `BIT${index}.tmp`,
    }));
  }

  content(index: number): Uint8Array {
    return this.answers.get(`/${index}`) as Uint8Array;
  }

  readonly receivers: ReceiverFactory = () => {
    this.opened++;
    return {
      close: () => undefined,
      request: (request, handler) => this.#serve(new URL(request.url ?? '').pathname, handler),
    };
  };

  #serve(name: string, handler: Parameters<ReturnType<ReceiverFactory>['request']>[1]) {
    this.asked.push(name);
    let over = false;
    const later = (work: () => void) => this.clock.after(this.#random.below(3), () => over || work());
    const answer = this.answers.get(name);
    const origin = 'http://origin.example';
    if (typeof answer === 'number') later(() => handler.onHead({ status: answer, headers: {}, origin }));
    else if (answer !== 'silence' && answer !== undefined) {
      const content = answer === 'drop' ? new Uint8Array(100) : answer;
      later(() => {
        const headers = { 'content-length': String(content.length), ...this.fields.get(name) };
        handler.onHead({ status: 200, headers, origin });
        later(() => {
          handler.onData(content.subarray(0, content.length >> 1));
          if (answer === 'drop') handler.onError(new CarmineError('transfer/connection-lost', { context: { origin } }));
          else {
            later(() => {
              handler.onData(content.subarray(content.length >> 1));
              handler.onEnd();
            });
          }
        });
      });
    }
    return {
      pause: () => undefined,
      resume: () => undefined,
      abort: () => {
        over = true;
      },
    };
  }

  fetch(disk: SimulatedDisk, changes: Partial<SmallSetOptions> = {}) {
    const sha256 = (chunks: readonly Uint8Array[]) => createHash('sha256').update(Buffer.concat(chunks)).digest('hex');
    const { receivers, files, clock } = this;
    return createSmallSet({ disk, clock, sha256 }, { files, receivers, ...changes });
  }

  name(disk: SimulatedDisk, repeat = false) {
    const files = this.files.map((file, index) => ({ ...file, length: this.content(index).length, repeat }));
    return nameWholeFiles({ disk, finalMode: 0o644 }, files);
  }

  /** What it comes to; undefined: it never does. */
  async outcome<T>(work: Promise<T>, time = 20_000): Promise<T | undefined> {
    let result: T | undefined;
    void work.then((value) => {
      result = value;
    });
    // Virtual time in small steps: what the disk does takes turns and no time.
    for (let at = 0; at < time && result === undefined; at += 20) await this.clock.advance(20);
    return result;
  }
}

const lengths = ({ results }: SmallSetOutcome) => results.map((result) => result?.length);
const same = (a: Uint8Array | undefined, b: Uint8Array) => a !== undefined && Buffer.from(a).equals(b);

describe('a set of small files', () => {
  const sizes = [10_000, 0, 1, 70_000, 5_000, 1024 * 1024];

  it('is there whole under temporary names, over four connections, and gets its names together', async () => {
    const world = new World(1, sizes);
    world.fields.set('/0', { 'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT' });
    const disk = new SimulatedDisk();
    const outcome = await world.outcome(world.fetch(disk).finished);
    expect(outcome).toEqual({ results: sizes.map((length) => ({ length, sha256: undefined })), failed: false });
    expect(world.opened).toBe(4);
    expect(disk.names).toEqual(sizes.map((_size, index) => `BIT${index}.tmp`));
    expect(disk.stat('BIT0.tmp')).toMatchObject({ mode: 0o600, modified: Date.UTC(2026, 0, 1) });
    expect(await world.outcome(world.name(disk))).toEqual(sizes.map(() => undefined));
    expect(disk.names).toEqual(sizes.map((_size, index) => `${index}`));
    for (const index of sizes.keys()) {
      expect(same(disk.read(`${index}`), world.content(index))).toBe(true);
      expect(disk.stat(`${index}`)?.mode).toBe(0o644);
    }
    // Two of each file, and one of the directory for the set and one for the names.
    expect(disk.log.filter((operation) => operation.startsWith('sync'))).toHaveLength(2 * sizes.length + 2);
    expect(disk.log.filter((operation) => operation === 'sync directory')).toHaveLength(2);
  });

  it('ends with the first that is not small, which is left alone', async () => {
    const world = new World(2, [100, 200, 1024 * 1024 + 1, 300, 400]);
    const disk = new SimulatedDisk();
    const outcome = await world.outcome(world.fetch(disk, { connections: 1 }).finished);
    expect(outcome).toEqual({
      results: [{ length: 100 }, { length: 200 }, undefined, undefined, undefined],
      failed: false,
    });
    expect(world.asked).toEqual(['/0', '/1', '/2']);
    expect(disk.names).toEqual(['BIT0.tmp', 'BIT1.tmp']);
  });

  it('is of 8 MiB at most', async () => {
    const world = new World(3, new Array(20).fill(1024 * 1024));
    const outcome = await world.outcome(world.fetch(new SimulatedDisk(), { connections: 1 }).finished);
    expect(outcome && lengths(outcome).filter((length) => length !== undefined)).toHaveLength(8);
  });

  it.each<[string, Answer]>([
    ['an error of the server', 404],
    ['a part of a file', 206],
    ['a connection that is lost', 'drop'],
    ['silence', 'silence'],
  ])('ends with %s, and keeps what is there', async (_what, answer) => {
    const world = new World(4, [100, 200, 300, 400]);
    world.answers.set('/2', answer);
    const disk = new SimulatedDisk();
    const outcome = await world.outcome(world.fetch(disk, { connections: 1 }).finished);
    expect(outcome).toEqual({ results: [{ length: 100 }, { length: 200 }, undefined, undefined], failed: true });
    expect(world.clock.now() - new FakeClock().now()).toBeLessThan(6_000);
  });

  it('takes nothing that is not what its digest says, and tells the digest of what it takes', async () => {
    const world = new World(5, [100, 200, 300]);
    const digest = (index: number) => createHash('sha256').update(world.content(index)).digest();
    world.fields.set('/0', { 'repr-digest': `sha-256=:${digest(0).toString('base64')}:` });
    const files = world.files.map((file, index) => (index === 1 ? { ...file, computeSha256: true } : file));
    files[2] = { ...(files[2] as SmallFile), expectedSha256: '00'.repeat(32) };
    const disk = new SimulatedDisk();
    const outcome = await world.outcome(world.fetch(disk, { files, connections: 1 }).finished);
    const results = [0, 1].map((index) => ({ length: 100 * (index + 1), sha256: digest(index).toString('hex') }));
    expect(outcome).toEqual({ results: [...results, undefined], failed: true });
    expect(disk.names).not.toContain('BIT2.tmp');
  });

  it('does not touch a file that a journal knows of', async () => {
    const world = new World(6, [100, 200]);
    const disk = new SimulatedDisk();
    disk.put('BIT0.tmp', Uint8Array.of(1, 2, 3));
    disk.put('BIT0.tmp.journal', Uint8Array.of(4));
    expect(await world.outcome(world.fetch(disk).finished)).toMatchObject({ failed: true });
    expect([...(disk.read('BIT0.tmp') ?? [])]).toEqual([1, 2, 3]);
  });

  it('writes over what an earlier one left', async () => {
    const world = new World(7, [100, 200]);
    const disk = new SimulatedDisk();
    disk.put('BIT0.tmp', new Uint8Array(1_000));
    expect(await world.outcome(world.fetch(disk).finished)).toMatchObject({ failed: false });
    expect(same(disk.read('BIT0.tmp'), world.content(0))).toBe(true);
  });

  it('that is stopped keeps what is there', async () => {
    const world = new World(8, [100, 200, 300]);
    world.answers.set('/1', 'silence');
    const set = world.fetch(new SimulatedDisk(), { connections: 1 });
    await world.clock.advance(100);
    expect(world.asked).toEqual(['/0', '/1']);
    set.stop();
    expect(await world.outcome(set.finished, 20)).toMatchObject({
      results: [{ length: 100 }, undefined, undefined],
    });
  });

  it('has lost nothing that it told of, and has no wrong file, whatever call fails', async () => {
    let failures = 0;
    for (let failAt = 1; ; failAt++) {
      const world = new World(9, [3_000, 0, 40_000]);
      const disk = new SimulatedDisk({ failAt });
      const outcome = await world.outcome(world.fetch(disk).finished);
      const where = `operation ${failAt} (${disk.log[failAt - 1]})`;
      if (outcome?.failed === false) {
        const problems = (await world.outcome(world.name(disk))) ?? [];
        const failed = problems.filter((problem) => problem !== undefined);
        if (failed.length === 0) {
          expect(disk.operations, where).toBeLessThan(failAt);
          break;
        }
        for (const problem of failed) expect(problem, where).toMatchObject({ code: 'file/io' });
        // Again, as after any Complete that failed: what has its name has it.
        for (const [index, problem] of problems.entries()) {
          if (problem === undefined) expect(same(disk.read(`${index}`), world.content(index)), where).toBe(true);
        }
        expect(await world.outcome(world.name(disk, true)), where).toEqual([undefined, undefined, undefined]);
        for (const index of problems.keys()) expect(same(disk.read(`${index}`), world.content(index))).toBe(true);
      } else {
        expect(
          outcome?.results.some((result) => result === undefined),
          where,
        ).toBe(true);
        for (const [index, result] of (outcome?.results ?? []).entries()) {
          if (result !== undefined) expect(same(disk.read(`BIT${index}.tmp`), world.content(index)), where).toBe(true);
        }
      }
      failures++;
    }
    expect(failures).toBeGreaterThan(15);
  });
});

describe.each([
  ['in order', { sectors: true }],
  ['in any order', { sectors: true, anyOrder: true }],
] as const)('power loss between every two operations of a set, directory changes %s', (_name, loss) => {
  it('leaves what was told, and under its name no wrong file', async () => {
    const old = new SeededRandom(99).bytes(2_000);
    const start = (dieAt?: number) => {
      const disk = new SimulatedDisk(dieAt === undefined ? {} : { dieAt });
      // One of them replaces another.
      disk.put('1', old);
      return disk;
    };
    const sizes = [3_000, 5_000, 0, 40_000];
    const whole = start();
    const counting = new World(11, sizes);
    await counting.outcome(counting.fetch(whole).finished);
    const fetching = whole.operations;
    await counting.outcome(counting.name(whole));
    let lost = 0;
    for (let dieAt = 1; dieAt <= whole.operations; dieAt++) {
      for (let outcome = 0; outcome < 6; outcome++) {
        const world = new World(11, sizes);
        const disk = start(dieAt);
        const fetched = await world.outcome(world.fetch(disk).finished, 300);
        expect(fetched === undefined).toBe(dieAt <= fetching);
        if (fetched !== undefined) expect(await world.outcome(world.name(disk), 100)).toBeUndefined();
        lost++;
        const random = new SeededRandom(dieAt * 100 + outcome);
        const survivor = disk.afterPowerLoss(random, {}, loss);
        const where = `operation ${dieAt} (${disk.log.at(-1)}), outcome ${outcome}`;
        for (const index of sizes.keys()) {
          const named = survivor.read(`${index}`);
          const right = same(named, world.content(index)) || (index === 1 ? same(named, old) : named === undefined);
          expect(right, where).toBe(true);
          if (fetched === undefined) continue;
          // What was told is there, under one name or the other.
          const temporary = survivor.read(`BIT${index}.tmp`);
          expect(same(named, world.content(index)) || same(temporary, world.content(index)), where).toBe(true);
        }
        // The next start: what was told of gets its name, the rest is fetched.
        if (fetched === undefined)
          expect(await world.outcome(world.fetch(survivor).finished)).toMatchObject({ failed: false });
        expect(await world.outcome(world.name(survivor, fetched !== undefined)), where).toEqual(
          sizes.map(() => undefined),
        );
        for (const index of sizes.keys())
          expect(same(survivor.read(`${index}`), world.content(index)), where).toBe(true);
        expect(survivor.names, where).toEqual(['0', '1', '2', '3']);
      }
    }
    expect(lost).toBeGreaterThan(150);
  }, 60_000);
});
