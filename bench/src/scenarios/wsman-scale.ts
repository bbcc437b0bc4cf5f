import { bitsNamespace } from '@carmine/cim';
import { createSandbox, type Sandbox } from '@carmine/testkit/node';
import { createWsmanClient } from '@carmine/wsman/node';
import { sealFrame } from '../sealed-frame.ts';
import { soapRequest } from '../soap-request.ts';
import { median } from '../statistics.ts';
import { LoadConnection } from './load-connection.ts';
import { fillWithJobs } from './many-jobs.ts';
import { memoryOfProcess, type Scenario } from './measure.ts';
import { ntlmLogon, post } from './ntlm-logon.ts';

const jobs = 10_000;
const idle = 1_000;

/** What many jobs and many connections cost a client agent: time to the first and to all, and memory. */
export const wsmanScaleScenario: Scenario = async (rounds, say) => {
  const sandbox = await createSandbox({ auth: ['ntlm'], management: `max_connections = ${idle * 2}` });
  try {
    await fillWithJobs(sandbox, jobs);
    const agent = await sandbox.client.start();
    const pid = agent.child.pid ?? 0;
    const enumerations = await enumerateAll(sandbox, pid, rounds, say);
    const perConnection = await idleConnections(sandbox, pid, say);
    await agent.kill('SIGTERM');
    const of = (value: (round: EnumerationRound) => number) => enumerations.map(value);
    const [first, all, growth] = [of((r) => r.first), of((r) => r.all), of((r) => r.growth)];
    return {
      title: `WS-Management at scale: ${jobs} jobs, ${rounds} rounds; ${idle} idle authenticated connections`,
      head: ['WHAT', 'MEDIAN', 'WORST', 'TARGET'],
      rows: [
        ['first job of an enumeration', ms(median(first)), ms(Math.max(...first)), 'below 50 ms'],
        ['all of them', ms(median(all)), ms(Math.max(...all)), 'below 2000 ms'],
        [
          "agent's memory above that before the first round",
          mib(median(growth)),
          mib(Math.max(...growth)),
          'below 64 MiB',
        ],
        ['memory of an idle connection', kib(perConnection), '', 'below 40 KiB'],
      ],
      notes: [
        'HTTP sealed with NTLM; the client is on the same machine, and its work is in the times.',
        'Memory is VmRSS of the agent, for an enumeration its highest in steps of 5 ms.',
      ],
      report: { jobs, idle, enumerations, perConnection },
    };
  } finally {
    await sandbox.close();
  }
};

/** Milliseconds, and octets. */
interface EnumerationRound {
  readonly first: number;
  readonly all: number;
  readonly growth: number;
}

async function enumerateAll({ client, user, password }: Sandbox, pid: number, rounds: number, say: Say) {
  const manager = createWsmanClient({ url: `wsman://127.0.0.1:${client.port}`, credentials: { user, password } });
  // The session is there before the enumeration is.
  await manager.identify();
  const before = memoryOfProcess(pid);
  const results: EnumerationRound[] = [];
  for (let round = 1; round <= rounds; round++) {
    let highest = 0;
    const look = setInterval(() => {
      highest = Math.max(highest, memoryOfProcess(pid));
    }, 5);
    const started = performance.now();
    let first = 0;
    let count = 0;
    for await (const _job of manager.enumerateInstances(bitsNamespace, 'BitsClientJob')) {
      if (count === 0) first = performance.now() - started;
      count += 1;
    }
    const all = performance.now() - started;
    clearInterval(look);
    highest = Math.max(highest, memoryOfProcess(pid));
    if (count !== jobs) throw new Error(`${count} jobs instead of ${jobs}`);
    say(`round ${round}: first after ${ms(first)}, all after ${ms(all)}, memory + ${mib(highest - before)}`);
    results.push({ first, all, growth: highest - before });
  }
  await manager.close();
  return results;
}

/** The agent's memory with and without the connections, after some that warm it up. */
async function idleConnections({ client, user, password }: Sandbox, pid: number, say: Say): Promise<number> {
  const url = `http://127.0.0.1:${client.port}/wsman`;
  const identify = await soapRequest(url, (manager) => manager.identify());
  const open = async () => {
    const connection = await LoadConnection.open(client.port, undefined);
    const context = await ntlmLogon(connection, { user, password });
    const frame = sealFrame(context, identify);
    const { status } = await connection.ask(post(frame.body, frame.contentType));
    if (status !== 200) throw new Error(`status ${status}`);
    return connection;
  };
  const warm: LoadConnection[] = [];
  for (let i = 0; i < idle / 5; i++) warm.push(await open());
  const before = memoryOfProcess(pid);
  const kept: LoadConnection[] = [];
  for (let i = 0; i < idle; i++) kept.push(await open());
  const after = memoryOfProcess(pid);
  say(`${idle} connections: ${mib(before)} before, ${mib(after)} after`);
  for (const connection of [...warm, ...kept]) connection.close();
  return (after - before) / idle;
}

type Say = (text: string) => void;

const ms = (milliseconds: number) => `${milliseconds.toFixed(0)} ms`;
const mib = (octets: number) => `${(octets / 1024 / 1024).toFixed(1)} MiB`;
const kib = (octets: number) => `${(octets / 1024).toFixed(1)} KiB`;
