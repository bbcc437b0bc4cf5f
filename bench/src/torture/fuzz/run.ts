import { isCarmineError } from '@carmine/errors';
import { SeededRandom } from '@carmine/testkit';
import { inputSeed, mutate } from './mutate.ts';
import type { FuzzCheck, FuzzSeed, FuzzTarget } from './target.ts';

/** What must hold for each input. */
export const fuzzLimits = { milliseconds: 20, memory: 8 * 1024 * 1024 } as const;

interface FuzzFailure {
  /** Number of the input; with the seed of the run it can be made again. Valid inputs that fail have -1. */
  readonly index: number;
  readonly parser: string;
  readonly reason: string;
  readonly input: Uint8Array;
}

export interface FuzzRun {
  readonly inputs: number;
  /** Inputs that were taken without an error: mutations that changed nothing that matters. */
  readonly accepted: number;
  /** By code. */
  readonly errors: ReadonlyMap<string, number>;
  readonly slowest: { readonly milliseconds: number; readonly index: number; readonly parser: string };
  /** Octets allocated, the most that was seen for one input. */
  readonly memory: { readonly octets: number; readonly index: number; readonly parser: string };
  readonly failures: readonly FuzzFailure[];
}

export interface FuzzOptions {
  readonly target: FuzzTarget;
  readonly count: number;
  readonly seed: number;
  /** Told before each input, so that a watchdog can tell which one does not come back. */
  readonly before?: ((index: number, input: Uint8Array) => void) | undefined;
  /** Told now and then. */
  readonly progress?: ((done: number) => void) | undefined;
  /** Ends the run early. */
  readonly maximumFailures?: number | undefined;
}

/** Feeds valid inputs first, which must be taken, then `count` mutated ones. */
export async function runFuzz(options: FuzzOptions): Promise<FuzzRun> {
  const { target, count, seed, before, progress, maximumFailures = 20 } = options;
  const { seeds, dictionary, maximum } = target;
  const others = seeds.map(({ input }) => input);
  const material = { others, dictionary: dictionary.map((word) => new TextEncoder().encode(word)), maximum };
  const failures: FuzzFailure[] = [];
  const errors = new Map<string, number>();
  let accepted = 0;
  let slowest = { milliseconds: 0, index: -1, parser: '' };
  let memory = { octets: 0, index: -1, parser: '' };

  for (const { name, input, feed } of seeds) {
    const reason = (await outcome(feed, input)) ?? outcomeOf(await feed(input));
    if (reason !== undefined) failures.push({ index: -1, parser: name, reason: `valid input: ${reason}`, input });
  }
  let index = 0;
  for (; index < count && failures.length < maximumFailures; index++) {
    const random = new SeededRandom(inputSeed(seed, index));
    const { name, input: valid, feed, maximum: own } = random.pick(seeds);
    const input = mutate(valid, random, own === undefined ? material : { ...material, maximum: own });
    before?.(index, input);

    const started = performance.now();
    let thrown: unknown;
    let check: FuzzCheck;
    try {
      const returned = feed(input);
      check = returned instanceof Promise ? await returned : returned;
      accepted++;
    } catch (error) {
      thrown = error;
    }
    const milliseconds = performance.now() - started;
    const broken = thrown === undefined ? outcomeOf(check) : undefined;
    if (broken !== undefined) failures.push({ index, parser: name, reason: broken, input });
    if (thrown !== undefined) {
      const code = isCarmineError(thrown) ? thrown.code : 'another error';
      errors.set(code, (errors.get(code) ?? 0) + 1);
      if (!target.documented(thrown)) failures.push({ index, parser: name, reason: describe(thrown), input });
    }
    // The machine has other things to do: a time counts when it is reached again and again.
    if (milliseconds > slowest.milliseconds) {
      const confirmed = await leastTime(feed, input, milliseconds);
      if (confirmed > slowest.milliseconds) slowest = { milliseconds: confirmed, index, parser: name };
      if (confirmed > fuzzLimits.milliseconds) {
        failures.push({ index, parser: name, reason: `took ${confirmed.toFixed(1)} ms`, input });
      }
    }
    if (milliseconds > outlier || index % sampled === 0) {
      const octets = await allocation(feed, input);
      if (octets > memory.octets) memory = { octets, index, parser: name };
      if (octets > fuzzLimits.memory) {
        failures.push({ index, parser: name, reason: `allocated ${(octets / 2 ** 20).toFixed(1)} MiB`, input });
      }
    }
    if (index % 50_000 === 0 && index > 0) progress?.(index);
  }
  before?.(-1, new Uint8Array(0));
  return { inputs: index, accepted, errors, slowest, memory, failures };
}

type Feed = FuzzSeed['feed'];

/** Why a parser threw; undefined when it did not. */
async function outcome(feed: Feed, input: Uint8Array): Promise<string | undefined> {
  try {
    await feed(input);
    return undefined;
  } catch (error) {
    return describe(error);
  }
}

function outcomeOf(check: FuzzCheck): string | undefined {
  try {
    check?.();
    return undefined;
  } catch (error) {
    return describe(error);
  }
}

async function leastTime(feed: Feed, input: Uint8Array, first: number): Promise<number> {
  let least = first;
  for (let time = 0; time < 5; time++) {
    const started = performance.now();
    await outcome(feed, input);
    least = Math.min(least, performance.now() - started);
  }
  return least;
}

/** The least of several: garbage of others and collections in between only make a single one wrong. */
async function allocation(feed: Feed, input: Uint8Array): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let time = 0; time < 3; time++) {
    const before = used();
    await outcome(feed, input);
    const grown = used() - before;
    if (grown >= 0) least = Math.min(least, grown);
  }
  return Number.isFinite(least) ? least : 0;
}

function used(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const what = isCarmineError(error) ? `${error.kind} ${error.code}` : error.name;
  return `${what}: ${error.message} ${error.stack?.split('\n')[1]?.trim() ?? ''}`;
}

/** Milliseconds from which an input's memory is looked at; of the others, of one in so many. */
const outlier = 2;
const sampled = 997;
