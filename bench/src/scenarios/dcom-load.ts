import { readFileSync } from 'node:fs';
import { bitsNamespace } from '@carmine/cim';
import { createWmiClient } from '@carmine/wmi/node';
import { cpuOfProcess } from './measure.ts';

/** The other end of the scenario `dcom`, a process of its own: our client, sealed, as fast as it is answered. */

export interface DcomLoadOrder {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly passwordFile: string;
  /** Of the server, whose CPU time and memory are read. */
  readonly pid: number;
  readonly connections: number;
  readonly rounds: number;
  readonly seconds: number;
  readonly what: 'get' | 'enumerate';
}

/** A line of JSON after each round. */
export interface DcomLoadRound {
  readonly calls: number;
  readonly seconds: number;
  /** CPU seconds of the server. */
  readonly cpu: number;
  /** Milliseconds. */
  readonly median: number;
  readonly p99: number;
  /** Octets by which the server's resident memory was larger at its most than at the beginning. */
  readonly growth: number;
}

const order = JSON.parse(process.argv[2] ?? '') as DcomLoadOrder;
const { host, port, user, pid, connections, rounds, seconds, what } = order;
const credentials = { user, password: readFileSync(order.passwordFile, 'utf8').trim() };
const className = 'BitsClientJob';
const clients = Array.from({ length: connections }, () => createWmiClient({ host, port, credentials }));
const [first] = clients;
if (first === undefined) throw new Error('no connections');

for (let round = 0; round <= rounds; round++) {
  const result = what === 'get' ? await gets(round === 0 ? seconds / 2 : seconds) : await enumeration();
  // The first round warms both ends up.
  if (round > 0) process.stdout.write(`${JSON.stringify(result)}\n`);
}
await Promise.all(clients.map((client) => client.close()));
process.exit(0);

async function gets(duration: number): Promise<DcomLoadRound> {
  let jobId: string | undefined;
  for await (const { properties } of first!.enumerateInstances(bitsNamespace, className)) {
    const value = properties.get('JobId');
    jobId = typeof value === 'string' ? value : undefined;
    break;
  }
  const path = { namespace: bitsNamespace, className, keys: new Map([['JobId', jobId ?? '']]) };
  // Logging in is no part of it.
  await Promise.all(clients.map((client) => client.getInstance(path)));
  return await measured(async (add) => {
    const end = performance.now() + duration * 1000;
    await Promise.all(
      clients.map(async (client) => {
        for (let now = performance.now(); now < end; ) {
          const { properties } = await client.getInstance(path);
          if (properties.get('JobId') !== jobId) throw new Error('another job');
          const then = performance.now();
          add(then - now);
          now = then;
        }
      }),
    );
  });
}

function enumeration(): Promise<DcomLoadRound> {
  return measured(async (add) => {
    let last = performance.now();
    for await (const _ of first!.enumerateInstances(bitsNamespace, className)) {
      const now = performance.now();
      add(now - last);
      last = now;
    }
  });
}

async function measured(work: (add: (milliseconds: number) => void) => Promise<void>): Promise<DcomLoadRound> {
  const times: number[] = [];
  const [memory, cpu, started] = [residentMemory(), cpuOfProcess(pid), performance.now()];
  let most = memory;
  const watching = setInterval(() => {
    most = Math.max(most, residentMemory());
  }, 20);
  await work((milliseconds) => times.push(milliseconds));
  clearInterval(watching);
  const duration = (performance.now() - started) / 1000;
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.floor(times.length * share)] ?? 0;
  return {
    calls: times.length,
    seconds: duration,
    cpu: cpuOfProcess(pid) - cpu,
    median: at(0.5),
    p99: at(0.99),
    growth: most - memory,
  };
}

function residentMemory(): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
}
