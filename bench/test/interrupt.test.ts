import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type AgentProcess, createSandbox, exitOf, freePort, type Sandbox } from '@carmine/testkit/node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** Copies that do not end by themselves: what `carmine copy` leaves behind. Real processes. */
let sandbox: Sandbox;
let serverAgent: AgentProcess;
let clientAgent: AgentProcess;
let onServer: string;
let onClient: string;
let group: string;

beforeAll(async () => {
  sandbox = await createSandbox();
  const { images, server, client, user } = sandbox;
  await writeFile(join(images, 'file'), Buffer.alloc(8 * 1024 * 1024, 7));
  [serverAgent, clientAgent] = await Promise.all([server.start(), client.start()]);
  onServer = `wsman://${user}@127.0.0.1:${server.port}`;
  onClient = `wsman://${user}@127.0.0.1:${client.port}`;
}, 60_000);
afterAll(() => sandbox.close());

/** Starts a copy through a group that is slow enough to be interrupted, and waits until bytes move. */
async function slowCopy(...options: string[]) {
  group = `http://127.0.0.1:${await freePort()}/slow/`;
  const { command, spawn, images, inbox } = sandbox;
  await command('controller', ['url-group', 'create', group, '--on', onServer]);
  await command('controller', ['url-group', 'property', group, 'BandwidthLimit', '500000', '--on', onServer]);
  const copy = spawn(
    'controller',
    ['copy', `${onServer}${images}/file`, `${onClient}${inbox}/copy`, '--url-group', group, '--ndjson', ...options],
    'pipe',
  );
  let stderr = '';
  copy.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const lines = createInterface({ input: copy.stdout! })[Symbol.asyncIterator]();
  for (;;) {
    const { value, done } = await lines.next();
    if (done === true) throw new Error(`the copy ended early: ${stderr}`);
    if ((JSON.parse(value as string) as { phase?: string }).phase === 'transferring') break;
  }
  // Whatever comes after is read, so that the program is never held up.
  void (async () => {
    for (let next = await lines.next(); next.done !== true; next = await lines.next());
  })();
  return { copy, stderr: () => stderr };
}

async function leftBehind(): Promise<{ jobs: number; urls: string[]; files: string[] }> {
  const jobs = await sandbox.command('controller', ['job', 'list', '--json', '--on', onClient]);
  const groups = await sandbox.command('controller', ['url-group', 'list', '--json', '--on', onServer]);
  return {
    jobs: (JSON.parse(jobs) as { jobs: unknown[] }).jobs.length,
    urls: (JSON.parse(groups) as { urlGroups: string[] }).urlGroups,
    files: await readdir(sandbox.inbox),
  };
}

describe('carmine copy', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('cleans up both ends on %s and exits with %i', async (signal, code) => {
    const { copy } = await slowCopy();
    copy.kill(signal);
    expect(await exitOf(copy)).toBe(code);
    // The group was there before, so it stays; everything of the copy is gone.
    expect(await leftBehind()).toEqual({ jobs: 0, urls: [group], files: [] });
    await sandbox.command('controller', ['url-group', 'delete', group, '--on', onServer]);
  });

  it('ends with 9 after --timeout and lets the job go on with its URL', async () => {
    const { copy } = await slowCopy('--timeout', '1');
    expect(await exitOf(copy)).toBe(9);
    const left = await leftBehind();
    expect(left.jobs).toBe(1);
    const { jobs } = JSON.parse(await sandbox.command('controller', ['job', 'list', '--json', '--on', onClient])) as {
      jobs: { id: string; files: { url: string }[] }[];
    };
    const url = jobs[0]!.files[0]!.url;
    await sandbox.command('controller', ['url', 'check', group, url.slice(url.lastIndexOf('/') + 1), '--on', onServer]);
    await sandbox.command('controller', ['job', 'cancel', jobs[0]!.id, '--on', onClient]);
    await sandbox.command('controller', ['url-group', 'delete', group, '--on', onServer]);
    expect(await leftBehind()).toEqual({ jobs: 0, urls: [], files: [] });
  });

  it('takes the URL back when the job is cancelled by somebody else, and says how it ended', async () => {
    const { copy, stderr } = await slowCopy();
    const { jobs } = JSON.parse(await sandbox.command('controller', ['job', 'list', '--json', '--on', onClient])) as {
      jobs: { id: string }[];
    };
    await sandbox.command('controller', ['job', 'cancel', jobs[0]!.id, '--on', onClient]);
    expect(await exitOf(copy)).toBe(6);
    expect(stderr()).toMatch(/cancelled/);
    expect(await leftBehind()).toEqual({ jobs: 0, urls: [group], files: [] });
    await sandbox.command('controller', ['url-group', 'delete', group, '--on', onServer]);
  });

  it('cleans up when the file is refused to the account that fetches it', async () => {
    // The account exists on the server, but the password that the client gets is wrong.
    await writeFile(join(sandbox.folder, 'wrong'), 'wrong\n');
    const { images, inbox, user } = sandbox;
    const url = `http://127.0.0.1:${await freePort()}/refused/`;
    const copy = sandbox.spawn(
      'controller',
      [
        'copy',
        `${onServer}${images}/file`,
        `${onClient}${inbox}/copy`,
        '--url-group',
        url,
        '--fetch-as',
        user,
        '--fetch-password-file',
        join(sandbox.folder, 'wrong'),
        '--json',
      ],
      'pipe',
    );
    let stdout = '';
    copy.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    copy.stderr?.resume();
    expect(await exitOf(copy)).toBe(4);
    expect(JSON.parse(stdout)).toMatchObject({ schema: 'carmine.error/1', hresult: '0x80190191' });
    expect(await leftBehind()).toEqual({ jobs: 0, urls: [], files: [] });
  });
});

it('agents stop on SIGTERM with exit code 0', async () => {
  await Promise.all([serverAgent.kill('SIGTERM'), clientAgent.kill('SIGTERM')]);
  expect([serverAgent.child.exitCode, clientAgent.child.exitCode]).toEqual([0, 0]);
});
