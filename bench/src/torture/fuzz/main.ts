import { mkdtemp, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FuzzRun, fuzzLimits, runFuzz } from './run.ts';
import { fuzzTargets } from './targets/index.ts';
import { startWatchdog } from './watchdog.ts';

export interface FuzzReport {
  readonly seed: number;
  readonly limits: typeof fuzzLimits;
  readonly parsers: readonly ParserReport[];
}

interface ParserReport {
  readonly parser: string;
  readonly inputs: number;
  readonly accepted: number;
  readonly errors: Readonly<Record<string, number>>;
  readonly slowest: FuzzRun['slowest'];
  readonly memory: FuzzRun['memory'];
  readonly seconds: number;
  /** Paths of the inputs that failed, and why. */
  readonly failures: readonly { readonly reason: string; readonly file: string }[];
}

export const fuzzParsers = ['all', ...Object.keys(fuzzTargets)];

/** Feeds `count` mutated inputs to each of the parsers that `parser` names. */
export async function tortureFuzz(
  parser: string,
  count: number,
  seed: number,
  say: (text: string) => void,
): Promise<FuzzReport> {
  const folder = await mkdtemp(join(tmpdir(), 'carmine-fuzz-'));
  const parsers: ParserReport[] = [];
  for (const [name, create] of Object.entries(fuzzTargets)) {
    if (parser !== 'all' && parser !== name) continue;
    const saveAs = (index: string) => join(folder, `${name}-seed-${seed}-input-${index}.bin`);
    const watchdog = startWatchdog(saveAs);
    const started = performance.now();
    const run = await runFuzz({
      target: await create(),
      count,
      seed,
      before: (index, input) => watchdog.before(index, input),
      progress: (done) => say(`${name}: ${done} of ${count}`),
    });
    await watchdog.close();
    const failures: { readonly reason: string; readonly file: string }[] = [];
    for (const { index, parser: part, reason, input } of run.failures) {
      const file = saveAs(String(index));
      await writeFile(file, input);
      say(`${part}, input ${index}: ${reason}\n  saved as ${file}`);
      failures.push({ reason: `${part}: ${reason}`, file });
    }
    const { inputs, accepted, slowest, memory } = run;
    const errors = Object.fromEntries([...run.errors].sort(([, a], [, b]) => b - a));
    const seconds = Math.round((performance.now() - started) / 1000);
    say(`${name}: ${inputs} inputs in ${seconds} s`);
    parsers.push({ parser: name, inputs, accepted, errors, slowest, memory, seconds, failures });
  }
  // Not empty when something was saved.
  await rmdir(folder).catch(() => undefined);
  return { seed, limits: fuzzLimits, parsers };
}
