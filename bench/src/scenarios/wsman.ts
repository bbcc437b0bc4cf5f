import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { bitsClientJobClass, bitsNamespace, createProxy } from '@carmine/cim';
import { createSandbox, exitOf, freePort, type Sandbox } from '@carmine/testkit/node';
import { createWsmanClient } from '@carmine/wsman/node';
import { soapRequest } from '../soap-request.ts';
import { median } from '../statistics.ts';
import type { Scenario } from './measure.ts';
import { hasWrk, wrkRound } from './wrk.ts';
import type { LoadOrder, LoadRound } from './wsman-load.ts';
import { startOpenwsman } from './wsman-peer.ts';

const connections = 8;
const seconds = 3;

/** The management port of a client agent under load from another process. */
export const wsmanScenario: Scenario = async (rounds, say) => {
  const sandbox = await createSandbox({ auth: ['ntlm', 'basic'] });
  try {
    const results = await measure(sandbox, rounds, say);
    const rows = [...results].map(([name, all]) => {
      const of = (value: (round: LoadRound) => number) => median(all.map(value));
      return [
        name,
        of((round) => round.requests / round.seconds).toFixed(0),
        `${of((round) => (round.cpu / round.requests) * 1000).toFixed(2)} ms`,
        `${of((round) => round.median).toFixed(1)} ms`,
        `${of((round) => round.p99).toFixed(1)} ms`,
      ];
    });
    return {
      title: `WS-Management: ${connections} kept-alive connections, medians of ${rounds} rounds of ${seconds} s`,
      head: ['REQUEST', 'PER SECOND', 'CPU OF THE SERVER', 'MEDIAN', '99 %'],
      rows,
      notes: [
        'The load generator is a process on the same machine: wrk, where it is installed and nothing is sealed, else our own.',
        'Both check the status of each answer; no seals are broken.',
      ],
      report: { connections, measured: Object.fromEntries(results) },
    };
  } finally {
    await sandbox.close();
  }
};

async function measure(sandbox: Sandbox, rounds: number, say: (text: string) => void) {
  const { client, user, password, folder, certificate } = sandbox;
  const securePort = await addHttps(sandbox);
  const agent = await client.start();
  const url = `wsman://127.0.0.1:${client.port}`;
  const manager = createWsmanClient({ url, credentials: { user, password } });
  const jobId = await createProxy(manager).jobs.createJob({
    displayName: 'bench',
    remoteUrl: 'https://127.0.0.1/file',
    localFile: join(sandbox.inbox, 'file'),
    suspend: true,
  });
  await manager.close();
  const order: LoadOrder = {
    ports: { http: client.port, https: securePort },
    user,
    passwordFile: join(folder, 'password'),
    trust: certificate.file,
    jobId,
    pid: agent.child.pid ?? 0,
    connections,
    sealedOnly: await hasWrk(),
    rounds,
    seconds,
  };
  const results = new Map<string, LoadRound[]>();
  const add = (round: LoadRound) => {
    say(`round ${round.round}: ${round.name}: ${(round.requests / round.seconds).toFixed(0)} /s`);
    results.set(round.name, [...(results.get(round.name) ?? []), round]);
  };
  if (order.sealedOnly) for await (const round of overBasic(order, password, folder)) add(round);
  const flags = ['--conditions=@carmine/source', '--disable-warning=ExperimentalWarning'];
  const load = spawn(process.execPath, [...flags, program, JSON.stringify(order)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const line of createInterface({ input: load.stdout })) {
    add(JSON.parse(line) as LoadRound);
  }
  const code = await exitOf(load);
  if (code !== 0) throw new Error(`the load generator exited with ${code}`);
  await agent.kill('SIGTERM');
  if (order.sealedOnly) for await (const round of peerOverBasic(order, folder)) add(round);
  return results;
}

/** What others serve; nothing where there are none. */
async function* peerOverBasic({ connections, rounds, seconds }: LoadOrder, folder: string): AsyncIterable<LoadRound> {
  const peer = await startOpenwsman(folder);
  if (peer === undefined) return;
  try {
    for (let round = 0; round <= rounds; round++) {
      for (const entry of peer.cases) {
        const result = await wrkRound({ ...entry, connections, seconds, folder }, round);
        if (round > 0) yield result;
      }
    }
  } finally {
    await peer.stop();
  }
}

/** The first round warms the server up; it does not count. */
async function* overBasic(order: LoadOrder, password: string, folder: string): AsyncIterable<LoadRound> {
  const { connections, jobId, pid, rounds, seconds, user } = order;
  const path = { namespace: bitsNamespace, className: bitsClientJobClass.name, keys: new Map([['JobId', jobId]]) };
  const url = `https://127.0.0.1:${order.ports.https}/wsman`;
  const headers = {
    'Content-Type': 'application/soap+xml;charset=UTF-8',
    Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
  };
  const common = { url, headers, pid, connections, seconds, folder };
  const cases = [
    { ...common, name: 'Identify, HTTPS with Basic', body: await soapRequest(url, (client) => client.identify()) },
    {
      ...common,
      name: 'Get of a job, HTTPS with Basic',
      body: await soapRequest(url, (client) => client.getInstance(path)),
    },
  ];
  for (let round = 0; round <= rounds; round++) {
    for (const entry of cases) {
      const result = await wrkRound(entry, round);
      if (round > 0) yield result;
    }
  }
}

const program = fileURLToPath(new URL('wsman-load.ts', import.meta.url));

/** The sandbox manages its client agent over http alone; here both are wanted. */
async function addHttps({ client, folder }: Sandbox): Promise<number> {
  const port = await freePort();
  const pem = JSON.stringify(join(folder, 'management.pem'));
  const text = await readFile(client.config, 'utf8');
  const tls = `https = "127.0.0.1:${port}"\n[management.tls]\ncert = ${pem}\nkey = ${pem}\n[client]`;
  await writeFile(client.config, text.replace('[client]', tls));
  return port;
}
