import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort, type Sandbox } from '@carmine/testkit/node';
import type { Checks } from './checks.ts';
import { type Ran, runPeer } from './peers.ts';

const program = fileURLToPath(new URL('../../../apps/controller/src/main.ts', import.meta.url));

export interface Realm {
  readonly name: string;
  /** Where krb5.conf and alice's tickets are. */
  readonly environment: Readonly<Record<string, string>>;
  /** The client agent's own principal, without the realm. */
  readonly agent: string;
}

/** `carmine` and a job log on with tickets of MIT's KDC; both agents run. */
export async function carmineKerberosChecks(checks: Checks, sandbox: Sandbox, realm: Realm): Promise<void> {
  const { folder, images, inbox, server, client, certificate } = sandbox;
  const { environment } = realm;
  const [passwordFile, cache] = [join(folder, 'alice'), `FILE:${join(folder, 'other.ccache')}`];
  const without = { ...environment, KRB5CCNAME: `FILE:${folder}/no.ccache` };
  const run = (args: readonly string[], env: Record<string, string> = environment) => carmine(args, env);
  const on = (user = '') => ['--on', `wsman://${user}localhost:${client.port}`];
  const secure = ['--on', `wsmans://localhost:${server.securePort}`, '--trust', certificate.file];
  const alice = `alice%40${realm.name}@`;

  const logons: readonly (readonly [string, readonly string[], Record<string, string>])[] = [
    ['a ticket of kinit', ['job', 'list', ...on()], environment],
    ['a ticket of kinit, over https', ['url-group', 'list', ...secure], environment],
    ['a key table', ['job', 'list', ...on(alice), '--keytab', join(folder, 'alice.keytab')], without],
    ['a password', ['job', 'list', ...on(alice), '--auth', 'kerberos', '--password-file', passwordFile], without],
  ];
  for (const [what, args, env] of logons) {
    await checks.run(`carmine logs on by ${what}`, async () => {
      ended(await run(args, env), 0);
      return undefined;
    });
  }

  await checks.run('carmine says that there is no ticket', async () =>
    ended(await run(['job', 'list', ...on(), '--auth', 'kerberos'], without), 4, /kinit first/),
  );
  await checks.run('carmine says that a ticket has expired', async () => {
    const short = { ...environment, KRB5CCNAME: cache };
    const { code, stderr } = await runPeer('sh', ['-c', `kinit -l 2s alice < ${passwordFile}`], short);
    if (code !== 0) throw new Error(`kinit: ${stderr}`);
    await sleep(2500);
    return ended(await run(['job', 'list', ...on()], short), 4, /has expired: kinit again/);
  });
  await checks.run('carmine says that a password is wrong', async () => {
    await writeFile(join(folder, 'wrong'), 'wrong\n');
    const args = ['job', 'list', ...on(alice), '--auth', 'kerberos', '--password-file', join(folder, 'wrong')];
    return ended(await run(args, without), 4, /authentication failed/);
  });
  await checks.run('carmine says which service is not known', async () =>
    ended(await run(['job', 'list', '--on', 'wsman://elsewhere.test']), 4, /no service HTTP\/elsewhere\.test/),
  );
  await checks.run('carmine says that no KDC answers', async () => {
    const dead = join(folder, 'dead.conf');
    const text = await readFile(environment['KRB5_CONFIG'] ?? '', 'utf8');
    await writeFile(dead, text.replace(/\bkdc = .*/, 'kdc = 127.0.0.1:9'));
    // The cache may have a ticket for the service already.
    const args = ['job', 'list', ...on(alice), '--auth', 'kerberos', '--password-file', passwordFile];
    return ended(await run(args, { ...without, KRB5_CONFIG: dead }), 5, /no KDC of/);
  });

  const source = join(images, 'image.bin');
  const securePort = await freePort();
  ended(await run(['certificate', 'set', String(securePort), '--thumbprint', certificate.thumbprint, ...secure]), 0);
  const copies = [
    [
      'managed by tickets sealed over http, fetched as a user of the realm over http',
      `wsman://localhost:${server.port}${source}`,
      `http://+:${await freePort()}/copy`,
      ['--fetch-as', `alice@${realm.name}`, '--fetch-password-file', passwordFile],
    ],
    [
      "managed by tickets over https, fetched as the agent's own principal over https",
      `wsmans://localhost:${server.securePort}${source}`,
      `https://+:${securePort}/copy`,
      ['--fetch-as-agent', '--fetch-as', `${realm.agent}@${realm.name}`, '--trust', certificate.file],
    ],
  ] as const;
  for (const [index, [what, from, group, options]] of copies.entries()) {
    await checks.run(`carmine copy, ${what}`, async () => {
      const file = join(inbox, `copy-${index}`);
      const to = `wsman://localhost:${client.port}${file}`;
      ended(await run(['copy', from, to, '--url-group', group, '--timeout', '60', ...options]), 0);
      if (!(await readFile(file)).equals(await readFile(source))) throw new Error('other bytes than the source has');
      return `${(await stat(file)).size} bytes`;
    });
  }
  await checks.run('carmine copy asks whom the job is to be when it has a ticket only', async () => {
    const to = `wsman://localhost:${client.port}${join(inbox, 'none')}`;
    return ended(await run(['copy', `wsman://localhost:${server.port}${source}`, to]), 2, /--fetch-as USER/);
  });
}

function carmine(args: readonly string[], environment: Record<string, string>): Promise<Ran> {
  const flags = ['--conditions=@carmine/source', '--disable-warning=ExperimentalWarning'];
  return runPeer(process.execPath, [...flags, program, ...args], environment);
}

/** Throws unless a command ended so. */
function ended({ code, stderr }: Ran, expected: number, message = /^/): undefined {
  if (code !== expected || !message.test(stderr)) throw new Error(`exit code ${code}: ${stderr.trim()}`);
  return undefined;
}
