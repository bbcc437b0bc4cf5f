import { readFileSync } from 'node:fs';
import { bitsClientJobClass, bitsNamespace } from '@carmine/cim';
import { createWsmanClient, type WsmanClient } from '@carmine/wsman/node';
import { cpuOfProcess } from './measure.ts';

/** The other end of the scenario `wsman`, a process of its own: asks over kept-alive connections as fast as it is answered. */

/** What it is told, as JSON in its only argument. */
export interface LoadOrder {
  readonly urls: { readonly http: string; readonly https: string };
  readonly user: string;
  readonly passwordFile: string;
  readonly trust: string;
  readonly jobId: string;
  /** Of the server, whose CPU time is read. */
  readonly pid: number;
  readonly connections: number;
  readonly rounds: number;
  /** Of one round. */
  readonly seconds: number;
}

/** What it prints, as a line of JSON, after each round of each case. */
export interface LoadRound {
  readonly name: string;
  readonly round: number;
  readonly requests: number;
  readonly seconds: number;
  /** CPU seconds of the server. */
  readonly cpu: number;
  /** Milliseconds. */
  readonly median: number;
  readonly p99: number;
}

const order = JSON.parse(process.argv[2] ?? '') as LoadOrder;
const { user, urls, jobId, pid, connections, rounds, seconds } = order;
const credentials = { user, password: readFileSync(order.passwordFile, 'utf8').trim() };
const trust = [readFileSync(order.trust, 'utf8')];
const overHttp = createWsmanClient({ url: urls.http, credentials, maxConnections: connections });
const overHttps = createWsmanClient({
  url: urls.https,
  credentials,
  trust,
  schemes: ['basic'],
  maxConnections: connections,
});
const path = { namespace: bitsNamespace, className: bitsClientJobClass.name, keys: new Map([['JobId', jobId]]) };
const identify = (client: WsmanClient) => client.identify();
const get = (client: WsmanClient) => client.getInstance(path);
const cases = [
  ['Identify, HTTPS with Basic', overHttps, identify],
  ['Identify, HTTP sealed with NTLM', overHttp, identify],
  ['Get of a job, HTTPS with Basic', overHttps, get],
  ['Get of a job, HTTP sealed with NTLM', overHttp, get],
] as const;

for (let round = 0; round <= rounds; round++) {
  for (const [name, client, ask] of cases) {
    // The first round opens the connections and warms both ends up; it does not count.
    const result = await run(() => ask(client), round === 0 ? seconds / 2 : seconds);
    if (round > 0) process.stdout.write(`${JSON.stringify({ name, round, ...result } satisfies LoadRound)}\n`);
  }
}
await Promise.all([overHttp.close(), overHttps.close()]);

async function run(ask: () => Promise<unknown>, duration: number): Promise<Omit<LoadRound, 'name' | 'round'>> {
  const latencies: number[] = [];
  const before = cpuOfProcess(pid);
  const started = performance.now();
  const end = started + duration * 1000;
  const worker = async () => {
    for (let now = performance.now(); now < end; ) {
      await ask();
      const done = performance.now();
      latencies.push(done - now);
      now = done;
    }
  };
  await Promise.all(Array.from({ length: connections }, worker));
  const taken = (performance.now() - started) / 1000;
  latencies.sort((a, b) => a - b);
  const at = (part: number) => latencies[Math.floor(latencies.length * part)] ?? 0;
  return {
    requests: latencies.length,
    seconds: taken,
    cpu: cpuOfProcess(pid) - before,
    median: at(0.5),
    p99: at(0.99),
  };
}
