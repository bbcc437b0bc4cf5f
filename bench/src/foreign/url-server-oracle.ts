import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createProxy } from '@carmine/cim';
import { SeededRandom } from '@carmine/testkit';
import { freePort, type Sandbox } from '@carmine/testkit/node';
import { createWsmanClient } from '@carmine/wsman/node';
import { startWebPeer } from '../scenarios/web-peers.ts';
import type { Checks } from './checks.ts';
import { isThere, runPeer } from './peers.ts';

const size = 5_000;
const modified = Date.UTC(2026, 0, 15, 12, 0, 0);

/** nginx and a URL group of the server agent are asked the same of the same file; and foreign clients fetch from the group. */
export async function urlServerChecks(checks: Checks, sandbox: Sandbox, combinations: number): Promise<void> {
  const content = randomBytes(size);
  const source = join(sandbox.images, 'oracle');
  await writeFile(source, content);
  await utimes(source, new Date(), new Date(modified));
  const large = randomBytes(9 * 1024 * 1024 + 77);
  await writeFile(join(sandbox.images, 'large'), large);
  const ours = await publishGroup(sandbox);
  try {
    await compare(checks, sandbox, ours, content, combinations);
    await clients(checks, sandbox, ours, large);
  } finally {
    await ours.remove();
  }
}

async function publishGroup(sandbox: Sandbox) {
  const port = await freePort();
  const { user, password, server, images } = sandbox;
  const wsman = createWsmanClient({ url: `wsman://127.0.0.1:${server.port}`, credentials: { user, password } });
  const { urlGroups } = createProxy(wsman);
  const open = `http://127.0.0.1:${port}/open/`;
  const closed = `http://127.0.0.1:${port}/closed/`;
  for (const group of [open, closed]) await urlGroups.createUrlGroup(group);
  for (const scheme of ['negotiate', 'ntlm'] as const) await urlGroups.setUrlGroupAuthentication(open, scheme, false);
  for (const group of [open, closed]) {
    for (const name of ['oracle', 'large']) {
      await urlGroups.createUrl(group, { urlSuffix: name, sourceFilePath: join(images, name), sddlAuth: '' });
    }
  }
  return {
    open,
    closed,
    async remove() {
      for (const group of [open, closed]) await urlGroups.deleteUrlGroup(group);
      await wsman.close();
    },
  };
}

interface Group {
  readonly open: string;
  readonly closed: string;
}

// --- the oracle ---------------------------------------------------------------------------------------------------------

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
}

async function compare(checks: Checks, sandbox: Sandbox, ours: Group, content: Buffer, count: number): Promise<void> {
  const peer = await startWebPeer('nginx', await nginxPlace(sandbox));
  if (peer === undefined) {
    checks.add('nginx as an oracle', 'not run', 'nginx is not installed');
    return;
  }
  const random = new SeededRandom(2026);
  const differences: string[] = [];
  let excused = 0;
  try {
    const theirs = `http://127.0.0.1:${peer.http}/oracle`;
    const mine = `${ours.open}oracle`;
    const tags = { theirs: await tagOf(theirs), mine: await tagOf(mine) };
    for (let index = 0; index < count; index++) {
      const method = random.pick(['GET', 'GET', 'GET', 'HEAD']);
      const fields = combination(random);
      const [left, right] = await Promise.all([
        ask(theirs, method, withTag(fields, tags.theirs)),
        ask(mine, method, withTag(fields, tags.mine)),
      ]);
      const difference = differenceOf(left, right, content, method);
      if (difference === undefined) continue;
      if (reasonOf(fields, method) !== undefined) excused++;
      else differences.push(`${method} ${JSON.stringify(fields)}: ${difference}`);
    }
  } finally {
    await peer.stop();
  }
  for (const difference of differences.slice(0, 20)) checks.add('nginx as an oracle', 'failed', difference);
  checks.add(
    `nginx as an oracle: ${count} combinations of method, Range and preconditions`,
    differences.length === 0 ? 'passed' : 'failed',
    `${count - excused - differences.length} the same, ${excused} reasoned differences, ${differences.length} others`,
  );
}

/** nginx serves a folder of its own: `/source` is how it is known to have started. */
async function nginxPlace(sandbox: Sandbox) {
  const root = join(sandbox.folder, 'oracle');
  await mkdir(root, { recursive: true });
  await writeFile(join(root, 'source'), 'x');
  await writeFile(join(root, 'oracle'), await readFile(join(sandbox.images, 'oracle')));
  await utimes(join(root, 'oracle'), new Date(), new Date(modified));
  return { root, folder: sandbox.folder };
}

const date = (seconds: number) => new Date(modified + seconds * 1000).toUTCString();

function combination(random: SeededRandom): Record<string, string> {
  const fields: Record<string, string> = {};
  const maybe = (name: string, chance: number, values: readonly string[]) => {
    if (random.below(10) < chance) fields[name] = random.pick(values);
  };
  const at = () => random.below(size + 200);
  const [from, to] = [at(), at()].sort((a, b) => a - b) as [number, number];
  maybe('range', 7, [
    `bytes=${from}-${to}`,
    `bytes=${from}-`,
    `bytes=-${1 + at()}`,
    `bytes=${size}-`,
    `bytes=${size - 1}-`,
    'bytes=0-0',
    `bytes=0-${size * 2}`,
    `bytes=${to}-${from === to ? to : from}`,
    'bytes=-0',
    'bytes=a-b',
    'furlongs=0-1',
    `bytes=0-9,${20 + random.below(50)}-${90 + random.below(50)}`,
    `bytes=0-1,${size + 5}-${size + 9}`,
    `bytes=${size}-,${size + 1}-`,
  ]);
  const tag = ['TAG', 'W/TAG', '"other"', '*', '"a", TAG', '"a", "b"'];
  maybe('if-match', 2, tag);
  maybe('if-none-match', 2, tag);
  const dates = [date(0), date(-3600), date(3600), date(1), date(-1), 'yesterday'];
  maybe('if-modified-since', 2, dates);
  maybe('if-unmodified-since', 2, dates);
  maybe('if-range', 2, ['TAG', 'W/TAG', '"other"', ...dates]);
  return fields;
}

function withTag(fields: Readonly<Record<string, string>>, tag: string): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, value.replace('TAG', tag)]));
}

async function tagOf(url: string): Promise<string> {
  return (await ask(url, 'HEAD', {})).headers.get('etag') ?? '';
}

async function ask(url: string, method: string, headers: Record<string, string>): Promise<Answer> {
  // Each on a connection of its own: one that the server has just ended is nobody's fault.
  const answer = await fetch(url, {
    method,
    headers: { ...headers, 'accept-encoding': 'identity', connection: 'close' },
  });
  return { status: answer.status, headers: answer.headers, body: Buffer.from(await answer.arrayBuffer()) };
}

function differenceOf(theirs: Answer, mine: Answer, content: Buffer, method: string): string | undefined {
  if (theirs.status !== mine.status) return `nginx ${theirs.status}, ours ${mine.status}`;
  if (mine.status >= 300) return undefined;
  const several = theirs.headers.get('content-type')?.startsWith('multipart/') === true;
  if (several !== (mine.headers.get('content-type')?.startsWith('multipart/') === true))
    return 'several parts of one only';
  if (several) return sameParts(theirs, mine) ? undefined : 'other parts';
  for (const name of ['content-range', 'content-length', 'last-modified', 'accept-ranges']) {
    const [left, right] = [theirs.headers.get(name), mine.headers.get(name)];
    if (left !== right && !(name === 'accept-ranges' && mine.status === 206))
      return `${name}: nginx ${left}, ours ${right}`;
  }
  if (!theirs.body.equals(mine.body)) return 'other bytes';
  if (mine.status === 200 && method === 'GET' && !mine.body.equals(content)) return 'not the file';
  return undefined;
}

/** Boundaries and line ends around them are each server's own. */
function sameParts(theirs: Answer, mine: Answer): boolean {
  const parts = ({ headers, body }: Answer) => {
    const boundary = /boundary=(.*)$/.exec(headers.get('content-type') ?? '')?.[1] ?? '';
    return body
      .toString('latin1')
      .split(`--${boundary}`)
      .slice(1, -1)
      .map((part) => {
        const range = /content-range: (.*)\r\n/i.exec(part)?.[1];
        return `${range} ${part.slice(part.indexOf('\r\n\r\n') + 4).replace(/\r\n$/, '')}`;
      });
  };
  return JSON.stringify(parts(theirs)) === JSON.stringify(parts(mine));
}

/** Why ours may differ; each stands in the README of url-server. What is not excused by one of these is a failure. */
function reasonOf(fields: Readonly<Record<string, string>>, method: string): string | undefined {
  const { range } = fields;
  const since = fields['if-modified-since'];
  if (method === 'HEAD' && range !== undefined) return 'Range is defined for GET alone';
  if (Object.values(fields).includes('yesterday')) return 'a date that is none is ignored';
  if (range !== undefined && malformed(range)) return 'a Range that is none is ignored';
  if (fields['if-match'] !== undefined && fields['if-unmodified-since'] !== undefined) return 'If-Match decides alone';
  if (since !== undefined && fields['if-none-match'] !== undefined) return 'If-None-Match decides alone';
  if (since !== undefined && Date.parse(since) > modified) return 'a date after Last-Modified is as good as the same';
  return undefined;
}

function malformed(range: string): boolean {
  const match = /^bytes=(\d+)-(\d+)$/.exec(range);
  return range === 'bytes=a-b' || (match !== null && Number(match[1]) > Number(match[2]));
}

// --- clients ------------------------------------------------------------------------------------------------------------

async function clients(checks: Checks, sandbox: Sandbox, { open, closed }: Group, content: Buffer): Promise<void> {
  const { user, password, folder } = sandbox;
  const logon = `${user}:${password}`;
  const out = join(folder, 'fetched');
  const sha256 = createHash('sha256').update(content).digest('hex');
  const programs: readonly (readonly [name: string, program: string, args: readonly string[]])[] = [
    ['curl', 'curl', ['-sS', '-f', '-o', out, `${open}large`]],
    ['curl --ntlm', 'curl', ['-sS', '-f', '--ntlm', '-u', logon, '-o', out, `${closed}large`]],
    ['curl, in two parts', 'curl', ['-sS', '-f', '--ntlm', '-u', logon, '-C', '1000000', '-o', out, `${closed}large`]],
    ['wget2', 'wget2', ['-q', '-O', out, `${open}large`]],
    ['wget2 with chunks', 'wget2', ['-q', '--chunk-size=1M', '--max-threads=4', '-O', out, `${open}large`]],
    [
      'aria2c -x1',
      'aria2c',
      ['-q', '--no-conf', '--allow-overwrite=true', '-d', folder, '-o', 'fetched', '-x1', `${open}large`],
    ],
    [
      'aria2c -x16',
      'aria2c',
      [
        '-q',
        '--no-conf',
        '--allow-overwrite=true',
        '-d',
        folder,
        '-o',
        'fetched',
        '-x16',
        '-s16',
        '-k1M',
        `${open}large`,
      ],
    ],
    ['axel -n8', 'axel', ['-q', '-n8', '-o', out, `${open}large`]],
  ];
  for (const [name, program, args] of programs) {
    if (!(await isThere(program, program === 'axel' ? '-V' : '--version'))) {
      checks.add(`${name} from a URL group`, 'not run', `${program} is not installed`);
      continue;
    }
    await checks.run(`${name} from a URL group`, async () => {
      await rm(out, { force: true });
      if (args.includes('-C')) await writeFile(out, content.subarray(0, 1_000_000));
      const { code, stderr } = await runPeer(program, args);
      if (code !== 0) throw new Error(`exit code ${code}: ${stderr.trim()}`);
      const got = createHash('sha256')
        .update(await readFile(out))
        .digest('hex');
      if (got !== sha256) throw new Error('other bytes');
      return undefined;
    });
  }
}
