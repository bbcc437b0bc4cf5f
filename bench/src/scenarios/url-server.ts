import { readFileSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatBytes } from '@carmine/cli/output';
import { createSandbox, type Sandbox } from '@carmine/testkit/node';
import { isThere } from '../foreign/peers.ts';
import { median } from '../statistics.ts';
import { dataPorts } from './data-ports.ts';
import {
  benchBytes,
  cpuOfProcess,
  interleaved,
  type Measured,
  makeFile,
  processCost,
  type Scenario,
} from './measure.ts';
import { loadRanges } from './range-load.ts';
import { createTlsReader, type TlsReader } from './tls-reader.ts';
import { type PeerName, startWebPeer, type WebPeer } from './web-peers.ts';

/** The server agent beside nginx and others: whole files to curl, and to who only decrypts, ranges to raw sockets; the file is in the page cache. */
export const urlServerScenario: Scenario = async (rounds, say) => {
  // curl cannot bind NTLM to the TLS channel.
  const sandbox = await createSandbox({ section: { server: 'channel_binding = "relaxed"' } });
  const peers: WebPeer[] = [];
  const absent: string[] = [];
  try {
    say(`making a file of ${formatBytes(benchBytes)}`);
    await makeFile(join(sandbox.images, 'source'), benchBytes);
    const servers: WebServer[] = [await startCarmine(sandbox)];
    for (const name of ['nginx', 'caddy', 'lighttpd', 'apache2'] as const satisfies readonly PeerName[]) {
      const { images: root, folder, certificate } = sandbox;
      const peer = await startWebPeer(name, { root, folder, certificate: certificate.file });
      if (peer === undefined) {
        absent.push(name);
        continue;
      }
      peers.push(peer);
      servers.push({ ...peer, path: '/source', curl: [], credentials: undefined });
    }
    if (!(await isThere('curl', '--version'))) absent.push('curl');
    const tlsReader = await createTlsReader(sandbox.folder);
    const only = new RegExp(process.env['CARMINE_BENCH_CASES'] ?? '');
    const results: CaseResult[] = [];
    for (const one of cases.filter(({ name }) => only.test(name))) {
      if (one.client === 'curl' && absent.includes('curl')) continue;
      if (one.client === 'reader' && tlsReader === undefined) continue;
      say(`${one.name}:`);
      const measured = servers.filter((server) => server[one.scheme] !== undefined);
      results.push(await measureCase(one, measured, tlsReader, rounds, say));
    }
    return {
      title: `Serving a file of ${formatBytes(benchBytes)}, medians of ${rounds} interleaved rounds`,
      head: ['WHAT', 'SERVER', 'WALL', 'RANGE', 'OF NGINX', 'CPU OF THE SERVER', 'OF NGINX', 'PEAK RSS'],
      rows: results.flatMap(rowsOf),
      notes: [
        'Carmine: the server agent with NTLM done on the connection, access checked at each request. CPU is of all processes of a server.',
        'Of nginx: the median of the ratios of each round.',
        ...absent.map((name) => `${name}: not run, it is not installed`),
        ...(tlsReader === undefined ? ['the client that only decrypts: not run, it takes cc and libssl-dev'] : []),
      ],
      report: { bytes: benchBytes, measured: results, notRun: absent },
    };
  } finally {
    await Promise.all(peers.map((peer) => peer.stop()));
    await sandbox.close();
  }
};

interface WebServer {
  readonly name: string;
  readonly pid: number;
  readonly http: number;
  readonly https: number | undefined;
  readonly path: string;
  /** Further arguments of curl. */
  readonly curl: readonly string[];
  readonly credentials: { readonly user: string; readonly password: string } | undefined;
}

interface Case {
  readonly name: string;
  readonly scheme: 'http' | 'https';
  /** curl with all that it does; our raw sockets; or who decrypts and does nothing else. */
  readonly client: 'curl' | 'ranges' | 'reader';
  /** Where ranges are asked for. */
  readonly length: number;
  readonly connections: number;
  readonly requests: number;
}

const mebibyte = 1024 * 1024;
const whole = { client: 'curl', length: benchBytes, connections: 1, requests: 1 } as const;
const cases: readonly Case[] = [
  { name: 'http', scheme: 'http', ...whole },
  {
    name: '1 MiB ranges, 8 connections',
    scheme: 'http',
    client: 'ranges',
    length: mebibyte,
    connections: 8,
    requests: 2048,
  },
  {
    name: '4 KiB ranges, 16 connections',
    scheme: 'http',
    client: 'ranges',
    length: 4096,
    connections: 16,
    requests: 20_000,
  },
  { name: 'https', scheme: 'https', ...whole, length: Math.min(benchBytes, 1024 * mebibyte) },
  {
    name: 'https, to who only decrypts',
    scheme: 'https',
    ...whole,
    client: 'reader',
    length: Math.min(benchBytes, 1024 * mebibyte),
  },
];

interface CaseResult {
  readonly name: string;
  readonly measured: readonly (Measured & { readonly rss: readonly number[] })[];
}

async function startCarmine(sandbox: Sandbox): Promise<WebServer> {
  const { images, user, password, server, command } = sandbox;
  const { child } = await server.start();
  const { on, ports } = await dataPorts(sandbox);
  for (const scheme of ['http', 'https'] as const) {
    const group = `${scheme}://+:${ports[scheme]}/bench/`;
    await command('controller', ['url-group', 'create', group, ...on]);
    await command('controller', ['url', 'create', group, 'source', join(images, 'source'), ...on]);
  }
  // The digest of the new file is computed in the background: its time is not the scenario's.
  await quiet(child.pid ?? 0);
  return {
    name: 'Carmine',
    pid: child.pid ?? 0,
    ...ports,
    path: '/bench/source',
    curl: ['--ntlm', '--user', `${user}:${password}`],
    credentials: { user, password },
  };
}

async function measureCase(
  one: Case,
  servers: readonly WebServer[],
  tlsReader: TlsReader | undefined,
  rounds: number,
  say: (text: string) => void,
): Promise<CaseResult> {
  const rss = servers.map(() => [] as number[]);
  let seed = 1;
  const contenders = servers.map((server, index) => ({
    name: server.name,
    run: async () => {
      const pids = await processesOf(server.pid);
      for (const pid of pids) writeFileSync(`/proc/${pid}/clear_refs`, '5');
      const used = () => pids.reduce((sum, pid) => sum + cpuOfProcess(pid), 0);
      const before = used();
      const wall = await measure(one, server, tlsReader, seed++);
      rss[index]?.push(pids.reduce((sum, pid) => sum + peakRss(pid), 0));
      return { wall, cpu: used() - before };
    },
  }));
  const measured = await interleaved(contenders, rounds, say);
  // The first is of the round that does not count.
  return {
    name: `${one.client === 'ranges' ? '' : `${formatBytes(one.length)}, `}${one.name}`,
    measured: measured.map((m, index) => ({ ...m, rss: rss[index]?.slice(1) ?? [] })),
  };
}

async function measure(one: Case, server: WebServer, tlsReader: TlsReader | undefined, seed: number): Promise<number> {
  if (one.client === 'curl') return curl(one, server);
  if (one.client === 'ranges') return ranges(one, server, seed);
  const { https: port = 0, path, credentials } = server;
  return (await tlsReader?.read({ port, path, length: one.length, credentials })) ?? Number.NaN;
}

async function curl(one: Case, server: WebServer): Promise<number> {
  const url = `${one.scheme}://127.0.0.1:${server[one.scheme]}${server.path}`;
  const part = one.length < benchBytes ? ['--range', `0-${one.length - 1}`] : [];
  const flags = ['--silent', '--fail', '--insecure', '--output', '/dev/null', ...part];
  return (await processCost('curl', [...flags, ...server.curl, url])).wall;
}

function ranges(one: Case, server: WebServer, seed: number): Promise<number> {
  const { length, connections, requests } = one;
  const { http: port, path, credentials } = server;
  return loadRanges({ port, path, credentials, size: benchBytes, length, connections, requests, seed });
}

function rowsOf({ name, measured }: CaseResult): readonly (readonly string[])[] {
  const nginx = measured.find((one) => one.name === 'nginx');
  const ratio = (mine: readonly number[], others: readonly number[] | undefined) => {
    const ratios = mine.flatMap((value, round) => {
      const other = others?.[round] ?? 0;
      return other === 0 ? [] : [value / other];
    });
    return ratios.length === 0 ? '' : median(ratios).toFixed(2);
  };
  return measured.map(({ name: server, wall, cpu, rss }, index) => [
    index === 0 ? name : '',
    server,
    `${median(wall).toFixed(2)} s`,
    `${Math.min(...wall).toFixed(2)}–${Math.max(...wall).toFixed(2)}`,
    ratio(wall, nginx?.wall),
    `${median(cpu).toFixed(2)} s`,
    ratio(cpu, nginx?.cpu),
    formatBytes(median(rss)),
  ]);
}

/** A process and its children. */
async function processesOf(pid: number): Promise<readonly number[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return [pid, ...children.trim().split(' ').filter(Boolean).map(Number)];
}

/** Bytes, since the mark was reset. */
function peakRss(pid: number): number {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
}

/** Until a process has used next to nothing for a while. */
async function quiet(pid: number): Promise<void> {
  for (let before = cpuOfProcess(pid); ; ) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const now = cpuOfProcess(pid);
    if (now - before < 0.03) return;
    before = now;
  }
}
