import { fileURLToPath } from 'node:url';
import type { Checks } from './checks.ts';
import { isThere, runPeer } from './peers.ts';

const namespace = 'carmine-dcom';

/**
 * WMI clients that nobody here wrote, against both agents at port 135, which is free in a network namespace of its own: impacket,
 * Samba's rpcclient and smbtorture, and Wireshark's dissectors. Needs root, iproute2 and whatever of them is to run.
 */
export async function dcomChecks(checks: Checks): Promise<void> {
  if (process.getuid?.() !== 0 || !(await isThere('ip', '-V'))) {
    checks.add('DCOM', 'not run', 'needs root and iproute2');
    return;
  }
  await removeNamespace();
  try {
    await must('ip', ['netns', 'add', namespace]);
    await must('ip', ['netns', 'exec', namespace, 'ip', 'link', 'set', 'lo', 'up']);
    const script = fileURLToPath(new URL('dcom-checks.ts', import.meta.url));
    const flags = ['--conditions=@carmine/source', '--disable-warning=ExperimentalWarning'];
    const { code, stdout, stderr } = await runPeer('ip', [
      'netns',
      'exec',
      namespace,
      process.execPath,
      ...flags,
      script,
    ]);
    for (const line of stdout.split('\n').filter((each) => each !== '')) {
      const { name, outcome, detail } = JSON.parse(line) as Parameters<typeof report>[0];
      report({ name, outcome, detail });
    }
    if (code !== 0) checks.add('DCOM: ran to its end', 'failed', stderr.trim().slice(-300));
  } catch (error) {
    checks.add('DCOM: set up', 'failed', (error as Error).message);
  } finally {
    await removeNamespace();
  }

  function report(result: (typeof checks.results)[number]): void {
    checks.add(`DCOM: ${result.name}`, result.outcome, result.detail);
  }
}

/** Ends what runs in the namespace and removes it; nothing happens when there is none. */
async function removeNamespace(): Promise<void> {
  const command = `ip netns pids ${namespace} 2>/dev/null | xargs -r kill -9; ip netns del ${namespace} 2>/dev/null`;
  await runPeer('sh', ['-c', command]);
}

async function must(program: string, args: readonly string[]): Promise<void> {
  const { code, stderr, stdout } = await runPeer(program, args);
  if (code !== 0) throw new Error(`${program} ${args[0]} …: ${(stderr || stdout).trim().slice(-300)}`);
}
