import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { formatBytes } from '@carmine/cli/output';
import { exitOf, freePort } from '@carmine/testkit/node';
import { isThere } from '../foreign/peers.ts';
import {
  benchBytes,
  type Contender,
  comparisonRows,
  interleaved,
  makeFile,
  processCost,
  type Scenario,
} from './measure.ts';

/** Carmine's transfer as a program of its own, beside curl and aria2c; all fetch from nginx over HTTP and write to disk. */
export const fetchScenario: Scenario = async (rounds, say) => {
  if (!(await isThere('nginx', '-v'))) return notRun('nginx is not installed');
  const folder = await mkdtemp(join(tmpdir(), 'carmine-fetch-'));
  let nginx: ChildProcess | undefined;
  try {
    say(`making a file of ${formatBytes(benchBytes)}`);
    await makeFile(join(folder, 'source'), benchBytes);
    const port = await freePort();
    nginx = await startNginx(folder, port);
    const { contenders, absent } = await prepare(folder, `http://127.0.0.1:${port}/source`);
    const results = await interleaved(contenders, rounds, say);
    return {
      title: `${formatBytes(benchBytes)} from nginx over HTTP to disk, medians of ${rounds} interleaved rounds`,
      head: ['WHAT', 'WALL', 'RANGE', 'RATE', 'OF CURL', 'CPU', 'OF CURL'],
      rows: comparisonRows(results, 'curl', benchBytes),
      notes: [
        'Carmine runs from source: its start, some tenths of a second, is in. It journals and syncs to disk.',
        ...absent.map((name) => `${name}: not run, it is not installed`),
      ],
      report: { bytes: benchBytes, measured: results, notRun: absent },
    };
  } finally {
    nginx?.kill('SIGTERM');
    if (nginx !== undefined) await exitOf(nginx);
    await rm(folder, { recursive: true, force: true });
  }
};

async function prepare(folder: string, url: string) {
  const contenders: Contender[] = [];
  const absent: string[] = [];
  const add = (name: string, program: string, args: (target: string) => readonly string[]) => {
    const target = join(folder, `copy-${contenders.length}`);
    contenders.push({ name, before: () => rm(target, { force: true }), run: () => processCost(program, args(target)) });
  };
  add('Carmine, 1 connection', process.execPath, (target) => [...nodeFlags, program, url, target, '1']);
  add('Carmine, as it comes', process.execPath, (target) => [...nodeFlags, program, url, target]);
  if (await isThere('curl', '--version')) {
    add('curl', 'curl', (target) => ['--silent', '--fail', '--output', target, url]);
    const script = 'curl --silent --fail --output "$0" "$1" && sync "$0"';
    add('curl, then sync of the file', 'sh', (target) => ['-c', script, target, url]);
  } else absent.push('curl');
  if (await isThere('aria2c', '--version')) {
    for (const count of ['1', '4'])
      add(`aria2c -x${count}`, 'aria2c', (target) => [
        ...ariaFlags,
        `-x${count}`,
        `-s${count}`,
        '-d',
        folder,
        '-o',
        target.slice(folder.length + 1),
        url,
      ]);
  } else absent.push('aria2c');
  return { contenders, absent };
}

const program = fileURLToPath(new URL('fetch-one.ts', import.meta.url));
const nodeFlags = ['--conditions=@carmine/source', '--disable-warning=ExperimentalWarning'];
const ariaFlags = ['--quiet', '--no-conf', '--file-allocation=none'];

async function startNginx(folder: string, port: number): Promise<ChildProcess> {
  const configuration = `daemon off; pid ${folder}/nginx.pid; error_log ${folder}/error.log; worker_processes 1;
events {}
http {
  access_log off; sendfile on; client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi; uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  server { listen 127.0.0.1:${port}; root ${folder}; }
}
`;
  // Started by root, its worker is somebody else and must be let in.
  const user = process.getuid?.() === 0 ? 'user root;\n' : '';
  const file = join(folder, 'nginx.conf');
  await writeFile(file, `${user}${configuration}`);
  const nginx = spawn('nginx', ['-p', folder, '-c', file, '-e', `${folder}/error.log`], { stdio: 'ignore' });
  for (let attempt = 0; attempt < 100; attempt++) {
    const answer = await fetch(`http://127.0.0.1:${port}/source`, { method: 'HEAD' }).catch(() => undefined);
    if (answer?.ok === true) return nginx;
    await sleep(50);
  }
  nginx.kill('SIGKILL');
  throw new Error('nginx did not start');
}

function notRun(reason: string) {
  return { title: `fetch: not run, ${reason}`, head: [], rows: [], notes: [], report: { notRun: reason } };
}
