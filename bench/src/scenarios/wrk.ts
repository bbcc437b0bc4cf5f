import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isThere, runPeer } from '../foreign/peers.ts';
import { cpuOfProcess } from './measure.ts';
import type { LoadRound } from './wsman-load.ts';

/** One kind of request for wrk, always the same octets: what needs no seal. */
export interface WrkOrder {
  readonly name: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** Of the server, whose CPU time is read. */
  readonly pid: number;
  readonly connections: number;
  readonly seconds: number;
  /** Where its script and the body are written. */
  readonly folder: string;
}

/** wrk (Debian: `wrk`) needs a tenth of the CPU that a generator in JavaScript does, and leaves it to the server. */
export function hasWrk(): Promise<boolean> {
  return isThere('sh', '-c', 'command -v wrk');
}

export async function wrkRound(order: WrkOrder, round: number): Promise<LoadRound> {
  const { folder, headers, body, pid, seconds } = order;
  const bodyFile = join(folder, 'wrk-body');
  const script = join(folder, 'wrk.lua');
  await writeFile(bodyFile, body);
  await writeFile(script, luaOf(bodyFile, headers), { mode: 0o600 });
  const before = cpuOfProcess(pid);
  const args = ['-t1', `-c${order.connections}`, `-d${seconds}s`, '-s', script, order.url];
  const { code, stdout, stderr } = await runPeer('wrk', args);
  const cpu = cpuOfProcess(pid) - before;
  const line = stdout.trimEnd().split('\n').at(-1) ?? '';
  if (code !== 0 || !line.startsWith('{')) throw new Error(`wrk: exit code ${code}: ${stderr || stdout}`);
  const { requests, microseconds, median, p99, failures } = JSON.parse(line) as Record<string, number>;
  if (failures !== 0) throw new Error(`wrk: ${failures} answers were no 200, or connections failed`);
  return {
    name: order.name,
    round,
    requests: requests ?? 0,
    seconds: (microseconds ?? 0) / 1e6,
    cpu,
    median: (median ?? 0) / 1000,
    p99: (p99 ?? 0) / 1000,
  };
}

function luaOf(bodyFile: string, headers: Readonly<Record<string, string>>): string {
  const quote = (text: string) => JSON.stringify(text);
  return `local file = io.open(${quote(bodyFile)}, "rb")
wrk.method = "POST"
wrk.body = file:read("*a")
file:close()
${Object.entries(headers)
  .map(([name, value]) => `wrk.headers[${quote(name)}] = ${quote(value)}`)
  .join('\n')}
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('{"requests":%d,"microseconds":%d,"median":%d,"p99":%d,"failures":%d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
`;
}
