import { CarmineError } from '@carmine/errors';
import { SeededRandom } from '@carmine/testkit';
import { describe, expect, it } from 'vitest';
import { inputSeed, mutate } from '../src/torture/fuzz/mutate.ts';
import { runFuzz } from '../src/torture/fuzz/run.ts';
import { BrokenPromise, bytesOf, type FuzzTarget, remoteOnly } from '../src/torture/fuzz/target.ts';
import { fuzzTargets } from '../src/torture/fuzz/targets/index.ts';

const valid = bytesOf('a valid input with the number 123 in it');
const material = { others: [valid, bytesOf('another')], dictionary: [bytesOf('WORD')], maximum: 200 };
const inputs = (seed: number) =>
  Array.from({ length: 500 }, (_, index) => mutate(valid, new SeededRandom(inputSeed(seed, index)), material));

describe('mutations', () => {
  it('are the same for the same seed, and different for another', () => {
    expect(inputs(1)).toEqual(inputs(1));
    expect(inputs(1)).not.toEqual(inputs(2));
  });

  it('leave the valid input alone and keep to the limit', () => {
    const before = valid.slice();
    for (const input of inputs(3)) expect(input.length).toBeLessThanOrEqual(material.maximum);
    expect(valid).toEqual(before);
  });

  it('mostly change something, in many ways', () => {
    const texts = inputs(4).map(String);
    expect(new Set(texts).size).toBeGreaterThan(300);
    expect(texts.filter((text) => text === String(valid)).length).toBeLessThan(100);
  });

  it('take nothing at all', () => {
    for (let index = 0; index < 500; index++)
      mutate(new Uint8Array(0), new SeededRandom(index), { ...material, others: [], dictionary: [] });
  });
});

describe('a run', () => {
  const target = (feed: (input: Uint8Array) => undefined): FuzzTarget => ({
    seeds: [{ name: 'part', input: valid, feed }],
    dictionary: [],
    maximum: 1000,
    documented: remoteOnly,
  });
  const run = (feed: (input: Uint8Array) => undefined, count = 200) =>
    runFuzz({ target: target(feed), count, seed: 5 });

  it('counts what is taken and what is refused', async () => {
    const {
      inputs: fed,
      accepted,
      errors,
      failures,
    } = await run((input) => {
      if (input.length !== valid.length) throw new CarmineError('auth/bad-signature');
      return undefined;
    });
    expect(fed).toBe(200);
    expect(failures).toEqual([]);
    expect(accepted).toBeGreaterThan(0);
    expect(errors.get('auth/bad-signature')).toBe(200 - accepted);
  });

  it.each([
    ['our own fault', () => new CarmineError('internal/aborted')],
    ['an error of the language', () => new TypeError('x is undefined')],
    ['a promise that did not hold', () => new BrokenPromise('accepted')],
  ])('fails with %s, and keeps the input', async (_, create) => {
    const { failures } = await run((input) => {
      if (input.length < valid.length) throw create();
      return undefined;
    });
    expect(failures.length).toBe(20);
    expect(failures[0]?.input.length).toBeLessThan(valid.length);
    expect(failures[0]?.reason).toContain(create().message);
  });

  it('fails when a valid input is refused', async () => {
    const { failures } = await run(() => {
      throw new CarmineError('auth/bad-signature');
    }, 1);
    expect(failures[0]).toMatchObject({ index: -1, input: valid });
  });

  it('fails with an input that is too slow, or takes too much', async () => {
    const slow = await run((input) => {
      if (input.length === 0) for (const end = performance.now() + 30; performance.now() < end; );
      return undefined;
    });
    expect(slow.failures[0]?.reason).toMatch(/^took /);
    const kept: Uint8Array[] = [];
    const fat = await run(() => {
      kept.push(new Uint8Array(10 * 2 ** 20));
      return undefined;
    }, 1);
    expect(fat.failures[0]?.reason).toMatch(/^allocated 10/);
  });
});

describe.each(Object.entries(fuzzTargets))('the parsers of %s', (_, create) => {
  it('hold for three hundred inputs', async () => {
    const { failures } = await runFuzz({ target: await create(), count: 300, seed: 7 });
    // Time and memory are for the long run, on a machine with nothing else to do.
    expect(failures.map(({ reason }) => reason).filter((reason) => !/^(took|allocated)/.test(reason))).toEqual([]);
  });
});
