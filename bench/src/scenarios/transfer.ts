import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { formatBytes } from '@carmine/cli/output';
import { isThere, runPeer } from '../foreign/peers.ts';
import { median } from '../statistics.ts';
import { bundleFetchOne } from './fetch-bundle.ts';
import {
  benchBytes,
  type Contender,
  interleaved,
  type Measured,
  makeFile,
  processCost,
  type Scenario,
} from './measure.ts';
import { type Nginx, startNginx, timesToFirstByte } from './transfer-peers.ts';

/**
 * `download()` as a program of its own, in one file as programs ship, beside what else fetches files; all from nginx to disk.
 * Each contender is compared with the first one of its group that is no Carmine, round by round.
 */
export const transferScenario: Scenario = async (rounds, say) => {
  if (!(await isThere('nginx', '-v'))) return notRun('nginx is not installed');
  const folder = await mkdtemp(join(tmpdir(), 'carmine-transfer-'));
  let nginx: Nginx | undefined;
  try {
    say(`making a file of ${formatBytes(benchBytes)}`);
    await makeFile(join(folder, 'source'), benchBytes);
    const bundled = await bundleFetchOne(folder);
    nginx = await startNginx(folder);
    const lanes = await prepare(folder, bundled, nginx, await digestOf(join(folder, 'source')));
    const groups: { readonly base: string; readonly results: readonly Measured[] }[] = [];
    for (const { base, contenders } of lanes.groups) {
      groups.push({ base, results: await interleaved(contenders, rounds, say) });
    }
    const start = await starts(folder, bundled, rounds);
    const digest = await digestTimes(folder, bundled, nginx, rounds, say);
    return {
      title: `${formatBytes(benchBytes)} from nginx to disk, medians of ${rounds} interleaved rounds; ratios are medians of each round's`,
      head: ['WHAT', 'WALL', 'RANGE', 'RATE', 'RATIO', 'CPU', 'RATIO', 'MEMORY'],
      rows: groups.flatMap(({ base, results }) => rowsOf(results, base, lanes.memory)),
      notes: [
        'Carmine syncs every byte before it says that it has it; of the others only those "then sync" do, and those "not synced" of ours do not. MEMORY is the most that was resident.',
        ...durableNotes(groups[0]?.results ?? []),
        ...start.map(
          ([name, times]) => `${name}: ${median(times).toFixed(0)} ms from its start to the first byte of content`,
        ),
        `SHA-256 is known ${median(digest.lag).toFixed(0)} ms (at most ${Math.max(...digest.lag).toFixed(0)}) after the last write, at 500 MB/s over one connection (nginx's limit_rate); that takes ${median(digest.ratio).toFixed(2)} of the time without it (${median(digest.without).toFixed(2)} s)`,
        ...lanes.absent.map((name) => `${name}: not run, it is not installed`),
      ],
      report: {
        bytes: benchBytes,
        measured: groups.flatMap(({ results }) => results),
        memory: Object.fromEntries(lanes.memory),
        firstByte: Object.fromEntries(start),
        digest,
        notRun: lanes.absent,
      },
    };
  } finally {
    await nginx?.stop();
    await rm(folder, { recursive: true, force: true });
  }
};

async function prepare(folder: string, bundled: string, nginx: Nginx, sha256: string) {
  const absent: string[] = [];
  /** KiB, by name. */
  const memory = new Map<string, number>();
  const canMeasureMemory = await isThere('/usr/bin/time', '--version');
  if (!canMeasureMemory) absent.push('/usr/bin/time (for MEMORY)');
  const groups: { readonly base: string; readonly contenders: Contender[] }[] = [];
  const group = (base: string) => groups.push({ base, contenders: [] });
  const add = (name: string, command: string, args: (target: string) => readonly string[]) => {
    const target = join(folder, `copy-${groups.length}-${groups.at(-1)?.contenders.length}`);
    const run = async () => {
      if (!canMeasureMemory) return processCost(command, args(target));
      const note = join(folder, 'memory');
      const cost = await processCost('/usr/bin/time', ['-f', '%M', '-o', note, command, ...args(target)]);
      memory.set(name, Math.max(memory.get(name) ?? 0, Number(await readFile(note, 'utf8'))));
      return cost;
    };
    if (onlyThese !== undefined && !new RegExp(onlyThese).test(name)) return;
    groups.at(-1)?.contenders.push({ name, before: () => rm(target, { force: true }), run });
  };
  const carmine = (name: string, url: string, options: object) =>
    add(name, process.execPath, (target) => [bundled, url, target, JSON.stringify(options)]);
  const shell = (name: string, script: string, url: string) =>
    add(name, 'sh', (target) => ['-c', script, target, url, nginx.authority, sha256]);
  const aria = (name: string, url: string, flags: readonly string[]) =>
    add(name, 'aria2c', (target) => [...ariaFlags, ...flags, '-d', folder, '-o', target.slice(folder.length + 1), url]);
  const [curl, aria2, wget2, axel] = await Promise.all(
    (['curl', 'aria2c', 'wget2', 'axel'] as const).map(async (name) => {
      if (await isThere(name, '--version')) return true;
      absent.push(name);
      return false;
    }),
  );

  group('curl');
  carmine(names.carmine, nginx.http, {});
  carmine(names.unsynced, nginx.http, { durable: false });
  carmine('Carmine, 1 connection', nginx.http, { connections: 1 });
  if (curl === true) {
    shell('curl', 'curl --silent --fail --output "$0" "$1"', nginx.http);
    shell(names.curlSynced, 'curl --silent --fail --output "$0" "$1" && sync "$0"', nginx.http);
  }
  if (aria2 === true)
    for (const count of [1, 4, 16]) aria(`aria2c -x${count}`, nginx.http, [`-x${count}`, `-s${count}`]);
  const ariaScript = `aria2c ${ariaFlags.join(' ')} -x1 -s1 -d "\${0%/*}" -o "\${0##*/}" "$1" && sync "$0"`;
  if (aria2 === true) shell(names.ariaSynced, ariaScript, nginx.http);
  // Fetches nothing: what the disk takes for it, past the page cache and one write after the other.
  const dd = (target: string) => ['if=/dev/zero', `of=${target}`, 'bs=2M', 'oflag=direct', 'status=none'];
  if (await isThere('dd', ...dd(join(folder, 'dd')), 'count=1'))
    add('dd, nothing fetched', 'dd', (target) => [...dd(target), `count=${benchBytes}`, 'iflag=count_bytes']);
  if (wget2 === true) add('wget2', 'wget2', (target) => ['--quiet', '--output-document', target, nginx.http]);
  if (axel === true) add('axel -n4', 'axel', (target) => ['--quiet', '-n', '4', '--output', target, nginx.http]);

  group('curl, HTTPS');
  carmine('Carmine, HTTPS', nginx.https, { trust: nginx.authority });
  carmine('Carmine, HTTPS, not synced', nginx.https, { trust: nginx.authority, durable: false });
  if (curl === true) shell('curl, HTTPS', 'curl --silent --fail --cacert "$2" --output "$0" "$1"', nginx.https);
  if (aria2 === true) aria('aria2c -x4, HTTPS', nginx.https, ['-x4', '-s4', `--ca-certificate=${nginx.authority}`]);

  group('curl, then sha256sum');
  carmine('Carmine, SHA-256', nginx.http, { expectedSha256: sha256 });
  carmine('Carmine, SHA-256, not synced', nginx.http, { expectedSha256: sha256, durable: false });
  const check = 'curl --silent --fail --output "$0" "$1" && echo "$3  $0" | sha256sum --check --quiet';
  if (curl === true) shell('curl, then sha256sum', check, nginx.http);
  if (aria2 === true) aria('aria2c -x4 --checksum', nginx.http, ['-x4', '-s4', `--checksum=sha-256=${sha256}`]);

  // Many small files: names in lists, as each program takes them.
  group('curl --parallel');
  let rounds = 0;
  const lists = await makeMany(folder, nginx.http.replace(/source$/, ''));
  const many = (name: string, command: string, args: readonly string[]) => {
    if (onlyThese !== undefined && !new RegExp(onlyThese).test(name)) return;
    // Nothing is deleted before all is over: for minutes ext4 gives no inode of a deleted file to a new one, and the search for others costs whoever
    // makes files many times what it would.
    const before = async () => {
      if (rounds++ > 0) await rename(lists.target, `${lists.target}-${rounds}`);
      await mkdir(lists.target);
    };
    groups.at(-1)?.contenders.push({ name, before, run: () => processCost(command, args) });
  };
  const all = ['--all', lists.carmine] as const;
  many(`Carmine, ${manyFiles} files`, process.execPath, [bundled, ...all]);
  many(`Carmine, ${manyFiles} files, not synced`, process.execPath, [bundled, ...all, '{"durable":false}']);
  if (curl === true) many('curl --parallel', 'curl', ['--silent', '--fail', '--parallel', '--config', lists.curl]);
  if (aria2 === true) many('aria2c -j16 -i', 'aria2c', [...ariaFlags, '-j16', '-i', lists.aria, '-d', lists.target]);
  return { groups, absent, memory };
}

async function makeMany(folder: string, base: string) {
  const target = join(folder, 'many-copies');
  const names = Array.from({ length: manyFiles }, (_, index) => `many-${index}`);
  for (const name of names) await makeFile(join(folder, name), manyBytes);
  const write = async (name: string, text: string) => {
    const path = join(folder, name);
    await writeFile(path, text);
    return path;
  };
  const items = names.map((name) => ({ url: base + name, path: join(target, name) }));
  return {
    target,
    carmine: await write('many.json', JSON.stringify(items)),
    curl: await write('many.curl', items.map(({ url, path }) => `url = "${url}"\noutput = "${path}"\n`).join('')),
    aria: await write('many.aria', names.map((name) => `${base}${name}\n  out=${name}\n`).join('')),
  };
}

async function starts(folder: string, bundled: string, rounds: number): Promise<[string, readonly number[]][]> {
  const target = join(folder, 'first');
  const before = () => rm(target, { force: true });
  const runs = rounds * 2;
  const carmine = await timesToFirstByte(process.execPath, (url) => [bundled, url, target], before, runs);
  if (!(await isThere('curl', '--version'))) return [['Carmine', carmine]];
  const curl = await timesToFirstByte('curl', (url) => ['--silent', '--output', target, url], before, runs);
  return [
    ['Carmine', carmine],
    ['curl', curl],
  ];
}

/** What a digest costs where the network is the limit: milliseconds after the last write, and seconds with and without, in turn. */
async function digestTimes(
  folder: string,
  bundled: string,
  nginx: Nginx,
  rounds: number,
  say: (text: string) => void,
): Promise<{ readonly lag: number[]; readonly without: number[]; readonly ratio: number[] }> {
  const url = nginx.http.replace(/source$/, 'at-500-mb/source');
  const target = join(folder, 'digested');
  const times = { lag: [] as number[], without: [] as number[], ratio: [] as number[] };
  for (let round = 0; round <= rounds; round++) {
    await rm(target, { force: true });
    await runPeer('sync', []);
    const plain = await processCost(process.execPath, [bundled, url, target, JSON.stringify({ connections: 1 })]);
    await rm(target, { force: true });
    await runPeer('sync', []);
    const started = performance.now();
    const { stdout } = await runPeer(process.execPath, [bundled, '--digest', url, target]);
    const wall = (performance.now() - started) / 1_000;
    const { lag } = JSON.parse(stdout) as { readonly lag: number };
    say(
      `round ${round}: 500 MB/s ${plain.wall.toFixed(2)} s, with SHA-256 ${wall.toFixed(2)} s, known after ${lag.toFixed(0)} ms`,
    );
    if (round === 0) continue;
    times.lag.push(lag);
    times.without.push(plain.wall);
    times.ratio.push(wall / plain.wall);
  }
  return times;
}

function rowsOf(results: readonly Measured[], base: string, memory: ReadonlyMap<string, number>) {
  const reference = results.find(({ name }) => name === base);
  const bytes = base === 'curl --parallel' ? manyFiles * manyBytes : benchBytes;
  const ratio = (mine: readonly number[], other: readonly number[] | undefined) =>
    other === undefined ? '' : median(mine.map((value, round) => value / (other[round] ?? Number.NaN))).toFixed(2);
  return results.map(({ name, wall, cpu }) => {
    const most = memory.get(name);
    return [
      name,
      `${median(wall).toFixed(2)} s`,
      `${Math.min(...wall).toFixed(2)}–${Math.max(...wall).toFixed(2)}`,
      `${(bytes / median(wall) / 1e6).toFixed(0)} MB/s`,
      ratio(wall, reference?.wall),
      `${median(cpu).toFixed(2)} s`,
      ratio(cpu, reference?.cpu),
      most === undefined ? '' : `${(most / 1024).toFixed(0)} MiB`,
    ];
  });
}

/** What is durable beside what is durable: round by round, as in the table. */
function durableNotes(results: readonly Measured[]): readonly string[] {
  const walls = (name: string) => results.find((result) => result.name === name)?.wall ?? [];
  const mine = walls(names.carmine);
  return [names.curlSynced, names.ariaSynced].flatMap((name) => {
    const ratios = walls(name).map((wall, round) => (mine[round] ?? Number.NaN) / wall);
    return ratios.length === 0 || mine.length === 0
      ? []
      : [`${names.carmine} takes ${median(ratios).toFixed(2)} of the time of "${name}"`];
  });
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

function notRun(reason: string) {
  return { title: `transfer: not run, ${reason}`, head: [], rows: [], notes: [], report: { notRun: reason } };
}

const names = {
  carmine: 'Carmine',
  unsynced: 'Carmine, not synced',
  curlSynced: 'curl, then sync',
  ariaSynced: 'aria2c -x1, then sync',
} as const;
/** Of 64 KiB each, in one set. */
const manyFiles = 1_000;
const manyBytes = 64 * 1024;
/** For a closer look at some of them. */
const onlyThese = process.env['CARMINE_BENCH_CONTENDERS'];
const ariaFlags = ['--quiet', '--no-conf', '--file-allocation=none'];
