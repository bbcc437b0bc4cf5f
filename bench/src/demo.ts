import { createHash, randomFillSync } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { formatBytes, formatDuration, table } from '@carmine/cli/output';
import { createSandbox, exitOf, freePort, type Sandbox } from '@carmine/testkit/node';

/**
 * `npm run demo`: a server agent, a client agent and the controller, each a process of its own, move a file over
 * loopback; the client agent is killed in the middle and started again. CARMINE_DEMO_MIB sets the size of the file.
 */

const size = Number(process.env['CARMINE_DEMO_MIB'] ?? 1024) * 1024 * 1024;
const started = performance.now();

say('Setting up: two agents with accounts and a certificate, all in a temporary folder');
const sandbox = await createSandbox();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    say(`${signal}: cleaning up`);
    void sandbox.close().finally(() => process.exit(signal === 'SIGINT' ? 130 : 143));
  });
}
try {
  await demo(sandbox);
} catch (error) {
  process.stderr.write(`\nThe demo failed: ${(error as Error).message}\n`);
  process.exitCode = 1;
} finally {
  await sandbox.close();
}

async function demo({
  images,
  inbox,
  user,
  certificate,
  server,
  client,
  command,
  spawn,
  folder,
}: Sandbox): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize < size * 2.2) {
    throw new Error(`${folder} needs ${formatBytes(size * 2.2)} of free space; set CARMINE_DEMO_MIB to less`);
  }
  say(`Making a file of ${formatBytes(size)}`);
  const expected = await makeFile(join(images, 'image.vhdx'));

  say('Starting the server agent and the client agent');
  const serverAgent = await server.start();
  let clientAgent = await client.start();
  const onServer = `wsman://${user}@127.0.0.1:${server.port}`;
  const onClient = `wsman://${user}@127.0.0.1:${client.port}`;
  const dataPort = await freePort();
  await command('controller', [
    'certificate',
    'set',
    String(dataPort),
    '--thumbprint',
    certificate.thumbprint,
    '--on',
    onServer,
  ]);

  const group = `https://+:${dataPort}/demo`;
  const words = ['copy', `${onServer}${images}/image.vhdx`, `${onClient}${inbox}/image.vhdx`, '--url-group', group];
  say(`carmine ${words.join(' ')}`);
  say(
    'Bytes go from server agent to client agent over HTTPS, logged on with NTLM; orders go over sealed WS-Management.',
  );
  const copyStarted = performance.now();
  const copy = spawn('controller', [...words, '--ndjson'], 'inherit');
  let killed: string | undefined;
  let leftovers: readonly string[] | undefined;
  if (copy.stdout === null) throw new Error('carmine has no stdout');
  for await (const line of createInterface({ input: copy.stdout })) {
    const event = JSON.parse(line) as CopyEvent;
    if (event.schema === 'carmine.copy/1') leftovers = event.leftovers;
    if (event.schema !== 'carmine.progress/1' || killed !== undefined || event.bytesTotal === null) continue;
    const done = event.bytesTransferred / event.bytesTotal;
    if (done < 0.3 || done > 0.9) continue;
    say(
      `Killing the client agent (kill -9) with ${formatBytes(event.bytesTransferred)} on disk, and starting it again`,
    );
    await clientAgent.kill('SIGKILL');
    const restart = performance.now();
    clientAgent = await client.start();
    killed = `at ${Math.round(done * 100)} %, back after ${((performance.now() - restart) / 1000).toFixed(1)} s`;
  }
  const code = await exitOf(copy);
  if (code !== 0 || leftovers === undefined) throw new Error(`carmine copy ended with exit code ${code}`);
  const copySeconds = (performance.now() - copyStarted) / 1000;

  const actual = await sha256(join(inbox, 'image.vhdx'));
  if (actual !== expected) throw new Error(`the copy has SHA-256 ${actual}, the source ${expected}`);
  const groups = await command('controller', ['url-group', 'list', '--on', onServer]);
  const jobs = await command('controller', ['job', 'list', '--ndjson', '--on', onClient]);
  const files = (await readdir(inbox)).filter((name) => name !== 'image.vhdx');
  const left = [groups.trim(), jobs.trim(), ...files, ...leftovers].filter((text) => text !== '');
  if (left.length > 0) throw new Error(`something was left behind: ${left.join(' ')}`);
  await Promise.all([serverAgent.kill('SIGTERM'), clientAgent.kill('SIGTERM')]);

  const rows: [string, string][] = [
    ['file', formatBytes(size)],
    [
      'copied in',
      `${copySeconds.toFixed(1)} s (${formatBytes(Math.round(size / copySeconds))}/s), with the interruption`,
    ],
    ['client agent killed', killed ?? 'no: the copy was too fast to be interrupted'],
    ['SHA-256', `${expected.slice(0, 16)}…, the same at server agent, client agent and on disk`],
    ['left behind', 'no URL group, no job, no temporary file'],
    ['whole demo', formatDuration(Math.round((performance.now() - started) / 1000))],
  ];
  process.stdout.write(`\n${table(['WHAT', 'HOW IT WENT'], rows)}\n`);
}

type CopyEvent =
  | { readonly schema: 'carmine.copy/1'; readonly leftovers: readonly string[] }
  | { readonly schema: 'carmine.progress/1'; readonly bytesTransferred: number; readonly bytesTotal: number | null };

/** Content that cannot be compressed or guessed; returns its SHA-256. */
async function makeFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  const chunk = Buffer.allocUnsafe(4 * 1024 * 1024);
  const file = await open(path, 'w');
  for (let written = 0; written < size; ) {
    const part = chunk.subarray(0, Math.min(chunk.length, size - written));
    randomFillSync(part);
    hash.update(part);
    await file.write(part);
    written += part.length;
  }
  await file.close();
  return hash.digest('hex');
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

function say(text: string): void {
  process.stdout.write(`[${((performance.now() - started) / 1000).toFixed(1).padStart(5)} s] ${text}\n`);
}
