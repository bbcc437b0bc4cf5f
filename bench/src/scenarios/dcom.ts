import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createSandbox, exitOf, type Sandbox } from '@carmine/testkit/node';
import { median } from '../statistics.ts';
import type { DcomLoadOrder, DcomLoadRound } from './dcom-load.ts';
import { fillWithJobs } from './many-jobs.ts';
import type { Scenario } from './measure.ts';

const connections = 8;
const seconds = 3;
const jobs = 10_000;

/** WMI over DCOM at packet privacy: a client agent, and our client in another process. */
export const dcomScenario: Scenario = async (rounds, say) => {
  const sandbox = await createSandbox({ management: 'dcom = "127.0.0.1:0"' });
  try {
    await fillWithJobs(sandbox, jobs);
    const agent = await sandbox.client.start();
    const address = agent.ready.dcom.resolver ?? '';
    const pid = agent.child.pid ?? 0;
    const run = (what: DcomLoadOrder['what'], count: number) => load(sandbox, address, pid, what, count, rounds, say);
    const [gets, enumerations] = [await run('get', connections), await run('enumerate', 1)];
    await agent.kill('SIGTERM');
    const of = (all: readonly DcomLoadRound[], value: (round: DcomLoadRound) => number) => median(all.map(value));
    return {
      title: `WMI over DCOM, sealed with NTLM: medians of ${rounds} rounds`,
      head: ['WHAT', 'RESULT', 'CPU OF THE SERVER', 'MEDIAN', '99 %', 'MEMORY'],
      rows: [
        [
          `GetObject of a job, ${connections} connections`,
          `${of(gets, (round) => round.calls / round.seconds).toFixed(0)} /s`,
          `${of(gets, (round) => (round.cpu / round.calls) * 1000).toFixed(2)} ms a call`,
          `${of(gets, (round) => round.median).toFixed(1)} ms`,
          `${of(gets, (round) => round.p99).toFixed(1)} ms`,
          `+${(of(gets, (round) => round.growth) / 1e6).toFixed(0)} MB`,
        ],
        [
          `${jobs} jobs enumerated, semi-synchronous`,
          `${of(enumerations, (round) => round.seconds).toFixed(2)} s`,
          `${of(enumerations, (round) => round.cpu).toFixed(2)} s`,
          '',
          '',
          `+${(of(enumerations, (round) => round.growth) / 1e6).toFixed(0)} MB`,
        ],
      ],
      notes: [
        'Our client decodes each object and verifies each seal, in a process on the same machine.',
        "MEMORY: by how much the server's resident memory was larger at its most than at the beginning of a round.",
      ],
      report: { connections, jobs, gets, enumerations },
    };
  } finally {
    await sandbox.close();
  }
};

async function load(
  { user, folder }: Sandbox,
  address: string,
  pid: number,
  what: DcomLoadOrder['what'],
  count: number,
  rounds: number,
  say: (text: string) => void,
): Promise<readonly DcomLoadRound[]> {
  const [host = '', port = ''] = address.split(':');
  const passwordFile = join(folder, 'password');
  const order: DcomLoadOrder = {
    host,
    port: Number(port),
    user,
    passwordFile,
    pid,
    connections: count,
    rounds,
    seconds,
    what,
  };
  const flags = ['--conditions=@carmine/source', '--disable-warning=ExperimentalWarning'];
  const child = spawn(process.execPath, [...flags, program, JSON.stringify(order)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const results: DcomLoadRound[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const round = JSON.parse(line) as DcomLoadRound;
    results.push(round);
    say(`${what}: ${round.calls} in ${round.seconds.toFixed(2)} s, ${(round.growth / 1e6).toFixed(1)} MB more`);
  }
  const code = await exitOf(child);
  if (code !== 0) throw new Error(`the load generator exited with ${code}`);
  return results;
}

const program = fileURLToPath(new URL('dcom-load.ts', import.meta.url));
