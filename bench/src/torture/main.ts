import { formatBytes } from '@carmine/cli/output';
import { readCommandLine, readCount, refuse } from '../command-line.ts';
import { tortureAuth } from './auth/main.ts';
import { tortureEngineKill } from './engine-kill/main.ts';
import { fuzzParsers, tortureFuzz } from './fuzz/main.ts';
import { tortureHttp } from './http/main.ts';
import { tortureKill } from './kill.ts';
import { tortureLarge } from './large.ts';
import { tortureOrigin } from './origin/main.ts';
import { tortureSmallKill } from './small-kill/main.ts';

/** `npm run torture -- KIND [--count N] [--seed S] [--parser NAME] [--json]` */
interface KindOptions {
  readonly count: number | undefined;
  readonly seed: number;
  readonly parser: string | undefined;
  readonly only: string | undefined;
  readonly engine: boolean;
  readonly small: boolean;
  readonly swaps: number | undefined;
  readonly say: (text: string) => void;
}

const kinds: Readonly<Record<string, (options: KindOptions) => Promise<Outcome>>> = {
  async kill({ count, engine, small, seed, say }) {
    if (small) return smallKill(count ?? 200, seed, say);
    if (engine) return engineKill(count ?? 1_000, seed, say);
    const report = await tortureKill(count ?? 200, seed, say);
    const { median, maximum } = report.bytesFetchedTwice;
    return {
      passed: report.wrongBytes === 0 && report.jobsEnded === report.transfers && maximum <= report.allowedPerKill,
      summary: [
        `${report.kills} kills (${report.killsInTransfer} in the middle of a file) in ${report.transfers} transfers, ${report.jobsEnded} jobs ended as they should, seed ${report.seed}, ${report.seconds} s`,
        `${report.wrongBytes} wrong bytes`,
        `bytes fetched twice per kill in the middle: median ${formatBytes(median)}, maximum ${formatBytes(maximum)} (allowed ${formatBytes(report.allowedPerKill)})`,
      ],
      report,
    };
  },
  async origin({ count, swaps = 1_000, seed, only, say }) {
    const report = await tortureOrigin(count, swaps, seed, only, say);
    return {
      passed: report.failures.length === 0,
      summary: [
        ...report.failures,
        `${report.misbehaviours} misbehaviours in ${report.transfers} transfers: ${report.files} right files, ${report.errors} errors, ${report.wrongFiles} wrong files, ${report.failures.length} not as they must be, ${report.seconds} s, seed ${report.seed}`,
      ],
      report,
    };
  },
  async large({ count, seed, say }) {
    const report = await tortureLarge(count ?? 5, seed, say);
    return {
      passed: report.failures.length === 0,
      summary: [
        ...report.failures,
        `${report.transfers.length} transfers, ${report.failures.length} failures, seed ${seed}`,
      ],
      report,
    };
  },
  async http({ count, seed, say }) {
    const report = await tortureHttp(count ?? 100_000, seed, say);
    const { corpus, mutations, slowloris, suffixes } = report;
    const counts = (record: Readonly<Record<string, number>>) =>
      Object.entries(record)
        .map(([name, times]) => `${name}: ${times}`)
        .join(', ');
    return {
      passed: report.failures.length === 0,
      summary: [
        ...report.failures,
        `${corpus.requests} hostile requests (${corpus.cases} cases at each door), first answers ${counts(corpus.statuses)}`,
        `${suffixes.asked} hostile names, ${suffixes.escapes} escapes, ${counts(suffixes.statuses)}`,
        `${mutations.transfers} transfers under ${mutations.mutations} changes of their files: ${mutations.whole} whole, ${mutations.parts} parts, ${mutations.mixed} mixed, errors ${counts(mutations.errors)}`,
        `${slowloris.connections} connections that never end their head: ${slowloris.left} left after ${slowloris.seconds} s; ${slowloris.asked} others answered meanwhile, the slowest after ${slowloris.slowest} ms; ${formatBytes(slowloris.memory)} of memory`,
        `${report.failures.length} failures, seed ${report.seed}, ${report.seconds} s`,
      ],
      report,
    };
  },
  async auth({ count, seed, say }) {
    const report = await tortureAuth(count ?? 100_000, seed, say);
    return {
      passed: report.failures.length === 0 && report.allowed === report.happened,
      summary: [
        ...Object.entries(report.kinds).map(([name, times]) => `${String(times).padStart(6)} ${name}`),
        `${report.attempts} attempts in ${report.seconds} s, answered by ${Object.entries(report.statuses)
          .map(([status, times]) => `${status}: ${times}`)
          .join(', ')}`,
        `${report.controls} callers who may act between them: ${report.allowed} actions allowed, ${report.happened} happened`,
        ...report.failures,
        `seed ${report.seed}`,
      ],
      report,
    };
  },
  async fuzz({ count, seed, parser = 'all', say }) {
    const report = await tortureFuzz(parser, count ?? 100_000, seed, say);
    const failures = report.parsers.flatMap((each) => each.failures);
    return {
      passed: failures.length === 0,
      summary: [
        ...report.parsers.map(
          (each) =>
            `${each.parser}: ${each.inputs} inputs in ${each.seconds} s, ${each.accepted} taken, ${each.failures.length} failures, slowest ${each.slowest.milliseconds.toFixed(2)} ms (input ${each.slowest.index}), most memory ${formatBytes(each.memory.octets)} (input ${each.memory.index})`,
        ),
        `seed ${report.seed}`,
      ],
      report,
    };
  },
};

async function engineKill(count: number, seed: number, say: (text: string) => void): Promise<Outcome> {
  const report = await tortureEngineKill(count, seed, say);
  const { median, maximum } = report.fetchedTwice;
  return {
    passed: report.failures.length === 0 && report.wrongBytes === 0 && report.kills >= count,
    summary: [
      ...report.failures,
      `${report.kills} kills of a process with download() (${report.killsInTransfer} in the middle of a file, ${report.killsInFinish} when it had its name), ${report.transfers} transfers to their end, seed ${report.seed}, ${report.seconds} s`,
      `${report.wrongBytes} wrong bytes, ${report.lost} times less than reported, ${report.askedAgain} journalled bytes asked for again`,
      `bytes fetched twice per kill in the middle, in checkpoints of each connection: median ${median.toFixed(2)}, maximum ${maximum.toFixed(2)} (allowed 1)`,
    ],
    report,
  };
}

async function smallKill(count: number, seed: number, say: (text: string) => void): Promise<Outcome> {
  const report = await tortureSmallKill(count, seed, say);
  return {
    passed: report.failures.length === 0 && report.kills >= count,
    summary: [
      ...report.failures,
      `${report.kills} kills of a process with the job engine (${report.killsInTransfer} with some of the files, ${report.killsInComplete} with some of the names), ${report.jobs} jobs of ${report.files} files completed, seed ${report.seed}, ${report.seconds} s`,
      `${report.wrongFiles} wrong files, ${report.lost} told and lost`,
    ],
    report,
  };
}

interface Outcome {
  readonly passed: boolean;
  readonly summary: readonly string[];
  readonly report: object;
}

const usage = `npm run torture -- KIND [--count N] [--seed S] [--parser NAME] [--json]; KIND is ${Object.keys(kinds).join(', ')}; NAME (of fuzz) is ${fuzzParsers.join(', ')}`;
const { positionals, values } = readCommandLine(
  {
    count: { type: 'string' },
    seed: { type: 'string' },
    parser: { type: 'string' },
    only: { type: 'string' },
    engine: { type: 'boolean' },
    small: { type: 'boolean' },
    swaps: { type: 'string' },
    json: { type: 'boolean' },
  },
  usage,
);
const kind = kinds[positionals[0] ?? ''] ?? refuse(undefined, usage);
if (values.parser !== undefined && !fuzzParsers.includes(values.parser)) refuse(`there is no ${values.parser}`, usage);
const seed = readCount(values.seed, usage, 0) ?? Date.now() % 0x1_0000_0000;
const say = (text: string) => void process.stderr.write(`${text}\n`);
const count = readCount(values.count, usage);
const swaps = readCount(values.swaps, usage, 0);
const outcome = await kind({
  count,
  swaps,
  seed,
  parser: values.parser,
  only: values.only,
  engine: values.engine === true,
  small: values.small === true,
  say,
});
for (const line of outcome.summary) say(line);
if (values.json === true) process.stdout.write(`${JSON.stringify({ ...outcome.report, passed: outcome.passed })}\n`);
process.exitCode = outcome.passed ? 0 : 1;
