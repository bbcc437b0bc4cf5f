import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { exitOf } from '@carmine/testkit/node';
import { isThere, runPeer } from '../foreign/peers.ts';
import { median } from '../statistics.ts';
import { bundleFetchOne } from './fetch-bundle.ts';
import { makeFile, type Scenario } from './measure.ts';
import { createNetworkLink, type LinkShape, type NetworkLink, whyNoNetworks } from './network-link.ts';

const MiB = 1024 * 1024;

/** A way from the origin to us, or an origin, that is not a good one. All have 50 ms of round trip. */
interface Profile {
  readonly name: string;
  readonly mebibytes: number;
  /** Of a million packets, how many are lost. */
  readonly loss?: number;
  readonly congestion?: 'bbr';
  /** nginx's limit_rate. */
  readonly rate?: string;
  /** The origin is ours and misbehaves so. */
  readonly how?: 'slow' | 'resets' | 'stalls';
  /** Seconds after the start during which nothing passes. */
  readonly dark?: readonly [number, number];
}

const profiles: readonly Profile[] = [
  { name: 'clean', mebibytes: 256 },
  { name: '0.1 % loss', mebibytes: 192, loss: 1_000 },
  { name: '1 % loss', mebibytes: 64, loss: 10_000 },
  { name: 'clean, BBR', mebibytes: 256, congestion: 'bbr' },
  { name: '0.1 % loss, BBR', mebibytes: 256, loss: 1_000, congestion: 'bbr' },
  { name: '1 % loss, BBR', mebibytes: 256, loss: 10_000, congestion: 'bbr' },
  { name: '10 MB/s per connection', mebibytes: 256, rate: '10m' },
  { name: 'one slow connection', mebibytes: 256, how: 'slow' },
  { name: 'resets every 50 MB', mebibytes: 256, how: 'resets' },
  { name: 'stalls', mebibytes: 256, how: 'stalls' },
  { name: '30 s blackout', mebibytes: 256, dark: [2, 32] },
];
/** Bytes per second: 400 Mbit/s, which two cores can carry beside both ends. */
const wire = 50e6;
/** 80 Mbit/s. */
const slowWire = 10e6;

/** `download()` beside curl, aria2c and axel over bad networks, in network namespaces of their own. */
export const networksScenario: Scenario = async (rounds, say) => {
  const reason = (await whyNoNetworks()) ?? ((await isThere('nginx', '-v')) ? undefined : 'nginx is not installed');
  if (reason !== undefined) return notRun(reason);
  const only = process.env['CARMINE_BENCH_PROFILES'];
  const chosen = profiles.filter(({ name }) => only === undefined || new RegExp(only).test(name));
  const folder = await mkdtemp(join(tmpdir(), 'carmine-networks-'));
  const link = await createNetworkLink(folder);
  try {
    await makeFile(join(folder, 'largest'), 256 * MiB);
    const bundled = await bundleFetchOne(folder);
    const contenders = await contendersOf(bundled);
    const measured: Record<string, Record<string, readonly (number | null)[]>> = {};
    for (const profile of chosen)
      measured[profile.name] = await measure(profile, contenders, { folder, link, rounds, say });
    const shares: number[] = [];
    for (let round = 0; round < rounds && (only === undefined || new RegExp(only).test('background')); round++) {
      shares.push(await shareOfBackground(bundled, { folder, link, rounds, say }));
    }
    const names = contenders.map(({ name }) => name);
    return {
      title: `50 ms of round trip, medians of ${rounds} rounds in seconds; RATIO is Carmine to the best of the others`,
      head: ['PROFILE', 'MIB', ...names.map((name) => name.toUpperCase()), 'RATIO'],
      rows: chosen.map(({ name, mebibytes }) => rowOf(name, mebibytes, measured[name] ?? {}, names)),
      notes: [
        `"-": did not end within ${limit} s, or without the right file.`,
        ...(shares.length === 0
          ? []
          : [`a background transfer beside curl on one link: ${(median(shares) * 100).toFixed(1)} % of what both got`]),
      ],
      report: { profiles: chosen, measured, shareOfBackground: shares },
    };
  } finally {
    await link.close();
    await rm(folder, { recursive: true, force: true });
  }
};

interface Contender {
  readonly name: string;
  command(url: string, target: string): readonly string[];
}

async function contendersOf(bundled: string): Promise<readonly Contender[]> {
  const others: readonly (Contender & { readonly program: string })[] = [
    {
      name: 'curl',
      program: 'curl',
      // It goes on where it was when it is started again, and not otherwise.
      command: (url, target) => [
        'sh',
        '-c',
        'for i in 1 2 3 4 5 6 7 8 9 10; do curl -sf -C - -o "$0" "$1" && exit 0; done; exit 1',
        target,
        url,
      ],
    },
    {
      name: 'aria2c -x16',
      program: 'aria2c',
      command: (url, target) => {
        const to = ['-d', join(target, '..'), '-o', target.slice(target.lastIndexOf('/') + 1)];
        return ['aria2c', '--quiet', '--no-conf', '--file-allocation=none', '-x16', '-s16', '-k1M', '-m0', ...to, url];
      },
    },
    {
      name: 'axel -n16',
      program: 'axel',
      command: (url, target) => ['axel', '--quiet', '-n', '16', '--output', target, url],
    },
  ];
  const there: Contender[] = [
    { name: 'carmine', command: (url, target) => [process.execPath, bundled, url, target, '{}'] },
  ];
  for (const other of others) if (await isThere(other.program, '--version')) there.push(other);
  const only = process.env['CARMINE_BENCH_CONTENDERS'];
  return there.filter(({ name }) => only === undefined || new RegExp(only).test(name));
}

interface Place {
  readonly folder: string;
  readonly link: NetworkLink;
  readonly rounds: number;
  readonly say: (text: string) => void;
}

async function measure(profile: Profile, contenders: readonly Contender[], place: Place) {
  const { folder, link, rounds, say } = place;
  const root = join(folder, 'root');
  await mkdir(root, { recursive: true });
  const source = join(root, 'source');
  await runPeer('sh', [
    '-c',
    'head -c "$2" "$0" > "$1"',
    join(folder, 'largest'),
    source,
    `${profile.mebibytes * MiB}`,
  ]);
  await link.congestion(profile.congestion ?? 'cubic');
  const results = new Map(contenders.map(({ name }) => [name, [] as (number | null)[]]));
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < contenders.length; turn++) {
      const contender = contenders[(round + turn) % contenders.length];
      if (contender === undefined) continue;
      const target = join(folder, 'target');
      await rm(target, { force: true });
      await runPeer('sync', []);
      const shape: LinkShape = { rate: wire, loss: profile.loss };
      await link.shape(shape);
      await link.forget();
      const origin = await startOrigin(profile, folder, root, link);
      const seconds = await fetchOnce(profile, contender, link, target);
      await stop(origin);
      const right = seconds !== undefined && (await runPeer('cmp', ['-s', source, target])).code === 0;
      results.get(contender.name)?.push(right ? seconds : null);
      say(`${profile.name}, round ${round + 1}: ${contender.name} ${right ? `${seconds.toFixed(2)} s` : 'failed'}`);
    }
  }
  return Object.fromEntries(results);
}

/** What a background transfer gets while curl fetches on the same link, from 3 s after curl's start on: a part of what both get. */
async function shareOfBackground(bundled: string, { folder, link, say }: Place): Promise<number> {
  const root = join(folder, 'root');
  await mkdir(root, { recursive: true });
  await runPeer('sh', ['-c', 'cat "$0" "$0" "$0" "$0" > "$1"', join(folder, 'largest'), join(root, 'source')]);
  await link.congestion('cubic');
  await link.shape({ rate: slowWire });
  const origin = await startOrigin({ name: 'background', mebibytes: 1_024 }, folder, root, link);
  const url = `http://${link.originAddress}:${port}/source`;
  const [program = '', ...before] = link.atClient;
  const target = join(folder, 'background');
  const background = spawn(program, [...before, process.execPath, bundled, '--watch', url, target], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const seen: (readonly [number, number])[] = [];
  background.stdout.setEncoding('utf8').on('data', (text: string) => {
    for (const line of text.split('\n').filter((each) => each !== '')) {
      const [at, bytes] = line.split(' ').map(Number);
      seen.push([at ?? 0, bytes ?? 0]);
    }
  });
  await sleep(5_000);
  const from = Date.now() + 3_000;
  const curl = [...before, 'curl', '-s', '-o', '/dev/null', '--max-time', '20', '-w', '%{speed_download}', url];
  const { stdout } = await runPeer(program, curl);
  const until = Date.now();
  background.kill('SIGKILL');
  await exitOf(background);
  await stop(origin);
  await rm(target, { force: true });
  const at = (moment: number) => seen.findLast(([time]) => time <= moment)?.[1] ?? 0;
  const own = ((at(until) - at(from)) * 1_000) / (until - from);
  const share = own / (own + Number(stdout));
  say(
    `background ${(own / 1e6).toFixed(2)} MB/s, before curl ${(at(from - 3_000) / 5e6).toFixed(2)}; curl ${(Number(stdout) / 1e6).toFixed(2)} MB/s`,
  );
  return share;
}

/** Seconds; undefined when it failed or took too long. */
async function fetchOnce(
  { dark }: Profile,
  contender: Contender,
  link: NetworkLink,
  target: string,
): Promise<number | undefined> {
  const [program = '', ...before] = link.atClient;
  const command = contender.command(`http://${link.originAddress}:${port}/source`, target);
  const began = performance.now();
  const ending = runPeer('timeout', [`${limit}`, program, ...before, ...command]);
  let over = false;
  if (dark !== undefined) {
    await sleep(dark[0] * 1_000);
    await link.shape({ rate: wire, dark: true });
    void sleep((dark[1] - dark[0]) * 1_000).then(() => (over ? undefined : link.shape({ rate: wire })));
  }
  const { code } = await ending;
  over = true;
  return code === 0 ? (performance.now() - began) / 1_000 : undefined;
}

async function startOrigin(profile: Profile, folder: string, root: string, link: NetworkLink): Promise<ChildProcess> {
  const [program = '', ...before] = link.atOrigin;
  const address = link.originAddress;
  if (profile.how !== undefined) {
    const origin = fileURLToPath(new URL('networks-origin.ts', import.meta.url));
    const args = [process.execPath, origin, address, `${port}`, join(root, 'source'), profile.how];
    const child = spawn(program, [...before, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    return child;
  }
  const file = join(folder, 'nginx.conf');
  const rate = profile.rate === undefined ? '' : `limit_rate ${profile.rate};`;
  await writeFile(
    file,
    `${process.getuid?.() === 0 ? 'user root;\n' : ''}daemon off; pid ${folder}/nginx.pid; error_log ${folder}/error.log; worker_processes 1;
events {}
http {
  access_log off; sendfile on; keepalive_requests 10000000; ${rate} client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi; uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  server { listen ${address}:${port}; root ${root}; }
}
`,
  );
  const child = spawn(program, [...before, 'nginx', '-p', folder, '-c', file, '-e', `${folder}/error.log`], {
    stdio: 'ignore',
  });
  for (let attempt = 0; attempt < 100 && child.exitCode === null; attempt++) {
    const [first = '', ...rest] = link.atOrigin;
    if ((await runPeer(first, [...rest, 'curl', '-sfI', `http://${address}:${port}/source`])).code === 0) return child;
    await sleep(50);
  }
  child.kill('SIGKILL');
  throw new Error('nginx did not start');
}

async function stop(child: ChildProcess): Promise<void> {
  child.kill('SIGTERM');
  await exitOf(child);
}

function rowOf(
  name: string,
  mebibytes: number,
  results: Readonly<Record<string, readonly (number | null)[]>>,
  names: readonly string[],
): readonly string[] {
  const medians = names.map((contender) => {
    const times = results[contender] ?? [];
    return times.length === 0 || times.includes(null) ? Number.POSITIVE_INFINITY : median(times as readonly number[]);
  });
  const [own = Number.NaN, ...others] = medians;
  const best = Math.min(...others);
  const shown = medians.map((value) => (Number.isFinite(value) ? value.toFixed(2) : '-'));
  return [name, `${mebibytes}`, ...shown, Number.isFinite(best) ? (own / best).toFixed(2) : ''];
}

function notRun(reason: string) {
  return { title: `networks: not run, ${reason}`, head: [], rows: [], notes: [], report: { notRun: reason } };
}

const port = 8080;
/** Seconds. */
const limit = Number(process.env['CARMINE_BENCH_LIMIT'] ?? 75);
