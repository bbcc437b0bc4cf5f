import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { exitOf } from '@carmine/testkit/node';
import type { Checks } from './checks.ts';
import { isThere, runPeer } from './peers.ts';

const namespace = 'carmine-ad';
const realm = 'CARMINE.TEST';
const domain = 'CARMINE';
const password = 'Passw0rd!x';

/** Our initiators against a throw-away Samba AD in a network namespace of its own: needs root, iproute2 and samba-ad-dc. */
export async function sambaAdChecks(checks: Checks, folder: string): Promise<void> {
  const present = await Promise.all([
    isThere('ip', '-V'),
    isThere('samba-tool', '--version'),
    isThere('ls', '/usr/share/samba/setup/ad-schema'),
  ]);
  if (process.getuid?.() !== 0 || present.includes(false)) {
    checks.add('Samba AD', 'not run', 'needs root, iproute2, samba-ad-dc and samba-ad-provision');
    return;
  }
  await stopNamespace();
  let samba: ChildProcess | undefined;
  try {
    await must('ip', ['netns', 'add', namespace]);
    await must('ip', ['netns', 'exec', namespace, 'ip', 'link', 'set', 'lo', 'up']);
    const target = join(folder, 'ad');
    await mkdir(target);
    const provision = `hostname dc1 && samba-tool domain provision --realm=${realm} --domain=${domain} --server-role=dc --dns-backend=SAMBA_INTERNAL --adminpass='${password}' --host-name=dc1 --host-ip=127.0.0.1 --targetdir=${target}`;
    await must('ip', ['netns', 'exec', namespace, 'unshare', '-u', 'sh', '-c', provision]);
    samba = spawn(
      'ip',
      [
        'netns',
        'exec',
        namespace,
        'unshare',
        '-u',
        'sh',
        '-c',
        `hostname dc1 && exec samba --foreground --no-process-group --option=interfaces=127.0.0.1/8 --configfile=${target}/etc/smb.conf`,
      ],
      { stdio: 'ignore' },
    );
    const facts = { user: 'Administrator', password, domain, realm, host: 'dc1.carmine.test' };
    await until(samba, () => listens(389), 'LDAP');
    await until(samba, () => listens(88), 'Kerberos');
    const script = fileURLToPath(new URL('samba-ad-checks.ts', import.meta.url));
    const flags = ['--conditions=@carmine/source', '--disable-warning=ExperimentalWarning'];
    const { code, stdout, stderr } = await runPeer('ip', [
      'netns',
      'exec',
      namespace,
      process.execPath,
      ...flags,
      script,
      JSON.stringify(facts),
    ]);
    for (const line of stdout.split('\n').filter((each) => each !== '')) {
      const { check, ok, detail } = JSON.parse(line) as { check: string; ok: boolean; detail: string };
      checks.add(`Samba AD: ${check}`, ok ? 'passed' : 'failed', detail);
    }
    if (code !== 0) checks.add('Samba AD: ran to its end', 'failed', stderr.trim().slice(-300));
  } catch (error) {
    checks.add('Samba AD: set up', 'failed', (error as Error).message);
  } finally {
    samba?.kill('SIGKILL');
    if (samba !== undefined) await exitOf(samba);
    await stopNamespace();
  }
}

/** Ends what runs in the namespace, Samba's children too, and removes it; nothing happens when there is none. */
async function stopNamespace(): Promise<void> {
  await runPeer('sh', [
    '-c',
    `ip netns pids ${namespace} 2>/dev/null | xargs -r kill -9; ip netns del ${namespace} 2>/dev/null`,
  ]);
}

async function must(program: string, args: readonly string[]): Promise<void> {
  const { code, stderr, stdout } = await runPeer(program, args);
  if (code !== 0) throw new Error(`${program} ${args[0]} …: ${(stderr || stdout).trim().slice(-300)}`);
}

/** Asks the kernel of the namespace, so that no half-open connection disturbs the service. */
async function listens(port: number): Promise<boolean> {
  const { stdout } = await runPeer('ip', ['netns', 'exec', namespace, 'cat', '/proc/net/tcp', '/proc/net/tcp6']);
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')} `;
  return stdout.split('\n').some((line) => line.includes(wanted) && / 0A /.test(line));
}

async function until(child: ChildProcess, condition: () => Promise<boolean>, what: string): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt++) {
    if (await condition()) return;
    if (child.exitCode !== null) throw new Error(`samba ended with ${child.exitCode}`);
    await sleep(100);
  }
  throw new Error(`${what} does not listen after 30 s`);
}
