import { spawn } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { table } from '@carmine/cli/output';
import { runPeer } from '../foreign/peers.ts';
import { median } from '../statistics.ts';

/** What a scenario has measured: a table for people, and everything for machines. */
export interface ScenarioResult {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** What is to know beside the table. */
  readonly notes: readonly string[];
  readonly report: Readonly<Record<string, unknown>>;
}

export type Scenario = (rounds: number, say: (text: string) => void) => Promise<ScenarioResult>;

export function show({ title, head, rows, notes }: ScenarioResult): string {
  return [title, table(head, rows), ...notes].join('\n');
}

/** A program from start to end: wall time, and CPU time of it and its children; seconds. */
export interface ProcessCost {
  readonly wall: number;
  readonly cpu: number;
}

/**
 * Runs a program to its end; throws with its output when it fails. `times` of the shell gives the CPU time, in hundredths.
 */
export async function processCost(
  program: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<ProcessCost> {
  const script = '"$0" "$@" >&2; code=$?; times; exit $code';
  const started = performance.now();
  const child = spawn('sh', ['-c', script, program, ...args], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = `${stderr}${text}`.slice(-4000);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const wall = (performance.now() - started) / 1000;
  if (code !== 0) throw new Error(`${program} ${args.join(' ')}: exit code ${code}: ${stderr.trim()}`);
  return { wall, cpu: cpuOf(stdout) };
}

/** The second line of `times` is the children's: user and system time as `0m1.23s`. */
export function cpuOf(times: string): number {
  const parts = [...(times.trim().split('\n')[1] ?? '').matchAll(/(\d+)m([\d.]+)s/g)];
  return parts.reduce((sum, [, minutes, seconds]) => sum + Number(minutes) * 60 + Number(seconds), 0);
}

/** CPU seconds that a running process has used so far, /proc/PID/stat fields 14 and 15, in hundredths. */
export function cpuOfProcess(pid: number): number {
  return cpuOfStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
}

/** The name in field 2 may hold anything, blanks and parentheses included. */
export function cpuOfStat(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Octets of memory that a running process holds, /proc/PID/status VmRSS. */
export function memoryOfProcess(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
}

/** One thing to be measured, by name. */
export interface Contender {
  readonly name: string;
  /** Undoes what the last round left. */
  readonly before?: (() => Promise<unknown>) | undefined;
  run(): Promise<ProcessCost>;
}

export interface Measured {
  readonly name: string;
  readonly wall: readonly number[];
  readonly cpu: readonly number[];
}

/** All contenders once per round, each round in another order, after a round that does not count. */
export async function interleaved(
  contenders: readonly Contender[],
  rounds: number,
  say: (text: string) => void,
): Promise<readonly Measured[]> {
  const results = contenders.map(({ name }) => ({ name, wall: [] as number[], cpu: [] as number[] }));
  for (let round = 0; round <= rounds; round++) {
    for (let turn = 0; turn < contenders.length; turn++) {
      const at = (round + turn) % contenders.length;
      const contender = contenders[at];
      if (contender === undefined) continue;
      await contender.before?.();
      // What the one before has left to write is not for this one to wait for.
      await runPeer('sync', []);
      const { wall, cpu } = await contender.run();
      say(
        `round ${round === 0 ? 'for warming up' : round}: ${contender.name} ${wall.toFixed(2)} s, CPU ${cpu.toFixed(2)} s`,
      );
      if (round === 0) continue;
      results[at]?.wall.push(wall);
      results[at]?.cpu.push(cpu);
    }
  }
  return results;
}

/** Medians, and their ratio to those of the contender that the others are compared with. */
export function comparisonRows(
  results: readonly Measured[],
  base: string,
  bytes: number,
): readonly (readonly string[])[] {
  const reference = results.find(({ name }) => name === base);
  return results.map(({ name, wall, cpu }) => {
    const seconds = median(wall);
    const ratio = (mine: number, other: number) => (other === 0 ? '' : `${(mine / other).toFixed(2)}`);
    return [
      name,
      `${seconds.toFixed(2)} s`,
      `${Math.min(...wall).toFixed(2)}–${Math.max(...wall).toFixed(2)}`,
      `${(bytes / seconds / 1e6).toFixed(0)} MB/s`,
      ratio(seconds, median(reference?.wall ?? [])),
      `${median(cpu).toFixed(2)} s`,
      ratio(median(cpu), median(reference?.cpu ?? [])),
    ];
  });
}

/** Content that nothing on the way can make smaller. */
export async function makeFile(path: string, size: number): Promise<void> {
  const chunk = Buffer.allocUnsafe(4 * 1024 * 1024);
  const file = await open(path, 'w');
  for (let written = 0; written < size; written += chunk.length) {
    randomFillSync(chunk);
    await file.write(chunk, 0, Math.min(chunk.length, size - written));
  }
  await file.close();
}

/** Bytes of the file that is moved: CARMINE_BENCH_MIB, 1024 unless given. */
export const benchBytes = Number(process.env['CARMINE_BENCH_MIB'] ?? 1024) * 1024 * 1024;
