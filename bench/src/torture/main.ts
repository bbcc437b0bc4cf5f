import { parseArgs } from 'node:util';
import { formatBytes } from '@carmine/cli/output';
import { tortureKill } from './kill.ts';

/** `npm run torture -- KIND [--count N] [--seed S] [--json]` */
const kinds: Readonly<
  Record<string, (count: number | undefined, seed: number, say: (text: string) => void) => Promise<Outcome>>
> = {
  async kill(count, seed, say) {
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
};

interface Outcome {
  readonly passed: boolean;
  readonly summary: readonly string[];
  readonly report: object;
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { count: { type: 'string' }, seed: { type: 'string' }, json: { type: 'boolean' } },
});
const kind = kinds[positionals[0] ?? ''];
if (kind === undefined) {
  process.stderr.write(
    `usage: npm run torture -- KIND [--count N] [--seed S] [--json]; KIND is ${Object.keys(kinds).join(', ')}\n`,
  );
  process.exit(2);
}
const seed = values.seed === undefined ? Date.now() % 0x1_0000_0000 : Number(values.seed);
const say = (text: string) => void process.stderr.write(`${text}\n`);
const outcome = await kind(values.count === undefined ? undefined : Number(values.count), seed, say);
for (const line of outcome.summary) say(line);
if (values.json === true) process.stdout.write(`${JSON.stringify({ ...outcome.report, passed: outcome.passed })}\n`);
process.exitCode = outcome.passed ? 0 : 1;
