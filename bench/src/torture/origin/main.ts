import { readdirSync } from 'node:fs';
import { misbehaviours } from './cases/index.ts';
import type { Misbehaviour, Way } from './misbehaviour.ts';
import { createWorld, describeCame, type Fetcher, runOne, type World } from './run.ts';
import { type SwapCounts, type SwapKind, swapKinds, swapOnce } from './swaps.ts';

/** What `npm run torture -- origin` found. */
export interface OriginReport {
  readonly schema: 'carmine.torture-origin/1';
  readonly seed: number;
  readonly misbehaviours: number;
  readonly transfers: number;
  readonly files: number;
  readonly errors: number;
  readonly wrongFiles: number;
  /** What came, by misbehaviour. */
  readonly table: Readonly<Record<string, string>>;
  readonly swaps: Readonly<Record<string, SwapCounts>>;
  readonly failures: readonly string[];
  /** Open descriptors at the end that were not there before. */
  readonly leaked: number;
  readonly seconds: number;
}

interface Play {
  readonly topic: string;
  readonly misbehaviour: Misbehaviour;
  readonly way: Way;
  readonly fetcher: Fetcher;
}

/**
 * Every misbehaviour, in every way that a file is asked for, by every fetcher; again with other seeds until `count` are
 * done. Then `swaps` replacements of each kind.
 */
export async function tortureOrigin(
  count: number | undefined,
  swapsOfEach: number,
  seed: number,
  only: string | undefined,
  say: (text: string) => void,
): Promise<OriginReport> {
  const began = performance.now();
  const plays = allPlays().filter(({ topic, misbehaviour }) => `${topic}: ${misbehaviour.name}`.includes(only ?? ''));
  const total = count ?? plays.length;
  const world = await createWorld();
  const report = {
    files: 0,
    errors: 0,
    wrongFiles: 0,
    table: new Map<string, Set<string>>(),
    failures: [] as string[],
  };
  try {
    // What is loaded at the first use is no leak.
    for (const play of plays.slice(0, 3)) await runOne(world, play.misbehaviour, play.way, play.fetcher, 0);
    const before = descriptors();
    await inParallel(total, async (index) => {
      const play = plays[index % plays.length] as Play;
      await playOne(world, play, seed + index, report);
      if ((index + 1) % 500 === 0) say(`${index + 1} of ${total}: ${report.failures.length} failures`);
    });
    const swaps = await runSwaps(only === undefined ? swapsOfEach : 0, seed, report.failures, say);
    await new Promise((resolve) => setTimeout(resolve, 500));
    const leaked = Math.max(0, descriptors() - before);
    if (leaked > 0) report.failures.push(`${leaked} descriptors are still open`);
    return {
      schema: 'carmine.torture-origin/1',
      seed,
      misbehaviours: new Set(plays.map(({ misbehaviour }) => misbehaviour)).size,
      transfers: total,
      files: report.files,
      errors: report.errors,
      wrongFiles: report.wrongFiles,
      table: Object.fromEntries([...report.table].map(([name, outcomes]) => [name, [...outcomes].join(' | ')])),
      swaps,
      failures: report.failures,
      leaked,
      seconds: Math.round((performance.now() - began) / 1000),
    };
  } finally {
    await world.close();
  }
}

async function runSwaps(
  count: number,
  seed: number,
  failures: string[],
  say: (text: string) => void,
): Promise<Record<string, SwapCounts>> {
  const swaps: Record<string, SwapCounts> = {};
  for (const [kind, name] of Object.entries(swapKinds) as [SwapKind, string][]) {
    const counts = { runs: 0, swappedInside: 0, oldFiles: 0, newFiles: 0, errors: 0, mixedFiles: 0 };
    swaps[name] = counts;
    await inParallel(count, (index) => swapOnce(kind, seed + index, counts, failures));
    if (count > 0) say(`swap, ${name}: ${JSON.stringify(counts)}`);
  }
  return swaps;
}

async function inParallel(count: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < count; index = next++) await work(index);
  };
  await Promise.all(Array.from({ length: parallel }, worker));
}

async function playOne(
  world: World,
  { topic, misbehaviour, way, fetcher }: Play,
  seed: number,
  report: { files: number; errors: number; wrongFiles: number; table: Map<string, Set<string>>; failures: string[] },
): Promise<void> {
  const { came, faults, milliseconds } = await runOne(world, misbehaviour, way, fetcher, seed);
  if ('file' in came) report.files++;
  else report.errors++;
  if ('file' in came && came.file === 'neither' && faults.length > 0) report.wrongFiles++;
  const name = `${topic}: ${misbehaviour.name}`;
  const seen = report.table.get(name) ?? new Set();
  report.table.set(name, seen.add(describeCame(came)));
  for (const fault of faults) report.failures.push(`${name} (${way}, ${fetcher}, seed ${seed}): ${fault}`);
  if (milliseconds > 15_000) report.failures.push(`${name} (${way}, ${fetcher}): took ${Math.round(milliseconds)} ms`);
}

function allPlays(): Play[] {
  return Object.entries(misbehaviours).flatMap(([topic, list]) =>
    list.flatMap((misbehaviour) =>
      (misbehaviour.way === undefined ? (['whole', 'ranges'] as const) : [misbehaviour.way]).flatMap((way) =>
        (['fast', 'undici', 'job', 'get'] as const).map((fetcher) => ({ topic, misbehaviour, way, fetcher })),
      ),
    ),
  );
}

/** Linux only; elsewhere leaks are not looked for. */
function descriptors(): number {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return 0;
  }
}

const parallel = 8;
