import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createSandbox, exitOf, freePort, type Sandbox } from '@carmine/testkit/node';
import type { CheckResult } from './checks.ts';
import { isThere, runPeer } from './peers.ts';

/**
 * Runs inside the network namespace of dcom.ts: both agents at port 135, each at an address of its own. Prints a JSON object for each
 * check.
 */

const python = '/usr/bin/python3';
const clientHost = '127.0.0.1';
const serverHost = '127.0.0.2';
const plainUser = 'reader';

const wmiquery = '/usr/share/doc/python3-impacket/examples/wmiquery.py';
const expertError = '_ws.expert.severity == "Error"';

/** impacket needs MD4, which OpenSSL 3 keeps in its legacy provider. */
const legacyProvider = `openssl_conf = init
[init]
providers = providers
[providers]
default = on
legacy = on
[on]
activate = 1
`;

/** What cannot pass: the reason is the same for everybody who offers no LSA, and no insertion from outside. */
const excuses: readonly (readonly [RegExp, string])[] = [
  [/Insert_noreplace|Map_full/, 'it inserts into the endpoint map, which nobody may from outside'],
  [
    /^(bigendian,)?(ntlm|spnego),sign(,seal)?$/,
    'it binds lsarpc, which is not offered; rpc.mgmt above does the same without',
  ],
  [/^altercontext$/, 'it binds lsarpc, which is not offered'],
];

const sandbox = await createSandbox({
  auth: ['ntlm'],
  section: { server: `bind = ["${clientHost}", "${serverHost}"]` },
});
try {
  await writeFile(join(sandbox.images, 'image.bin'), randomBytes(5 * 1024 * 1024 + 17));
  for (const { config } of [sandbox.server, sandbox.client])
    await sandbox.command('server', [
      'account',
      'add',
      plainUser,
      '--config',
      config,
      '--groups',
      'Users',
      '--password-file',
      join(sandbox.folder, 'password'),
    ]);
  process.env['CARMINE_MANAGEMENT_DCOM'] = `${clientHost}:135`;
  const client = await sandbox.client.start();
  process.env['CARMINE_MANAGEMENT_DCOM'] = `${serverHost}:135`;
  await sandbox.server.start();
  delete process.env['CARMINE_MANAGEMENT_DCOM'];
  await carmineChecks(sandbox);
  await impacketChecks(sandbox);
  await sambaChecks(sandbox);
  await dissectorChecks(sandbox, client.ready.dcom.exporter ?? '');
} finally {
  await sandbox.close();
}

function add(name: string, outcome: CheckResult['outcome'], detail = ''): void {
  process.stdout.write(`${JSON.stringify({ name, outcome, detail })}\n`);
}

async function check(name: string, work: () => Promise<string | undefined>): Promise<void> {
  try {
    add(name, 'passed', (await work()) ?? '');
  } catch (error) {
    add(name, 'failed', (error as Error).message.replaceAll('\n', ' ').slice(0, 400));
  }
}

/** Our own command line first: whoever else fails then fails for another reason. */
async function carmineChecks({ images, inbox, user, command, server, client }: Sandbox): Promise<void> {
  const ends = [
    ['DCOM to DCOM', `dcom://${user}@${serverHost}`, `dcom://${user}@${clientHost}`],
    ['DCOM to WS-Management', `dcom://${user}@${serverHost}`, `wsman://${user}@127.0.0.1:${client.port}`],
    ['WS-Management to DCOM', `wsman://${user}@127.0.0.1:${server.port}`, `dcom://${user}@${clientHost}`],
  ] as const;
  for (const [what, from, to] of ends)
    await check(`carmine copies, ${what}`, async () => {
      const [source, target] = [join(images, 'image.bin'), join(inbox, what.replaceAll(' ', '-'))];
      const group = `http://+:${await freePort()}/dcom`;
      await command('controller', [
        'copy',
        `${from}${source}`,
        `${to}${target}`,
        '--url-group',
        group,
        '--timeout',
        '60',
      ]);
      if (!(await readFile(target)).equals(await readFile(source))) throw new Error('other bytes than the source has');
      return `${(await stat(target)).size} bytes`;
    });
}

async function impacketChecks({ user, password, images, inbox, folder }: Sandbox): Promise<void> {
  if (!(await isThere(python, '-c', 'import impacket.dcerpc.v5.dcom.wmi'))) {
    add('impacket', 'not run', 'python3-impacket is not installed');
    return;
  }
  const openssl = join(folder, 'openssl.cnf');
  await writeFile(openssl, legacyProvider);
  const environment = { OPENSSL_CONF: openssl, PYTHONIOENCODING: 'utf-8' };
  const script = fileURLToPath(new URL('impacket_wmi.py', import.meta.url));
  const facts = { user, password, plainUser };
  const roles = [
    { role: 'client', host: clientHost, class: 'BitsClientJob', remoteUrl: 'http://127.0.0.1:9/x', inbox },
    {
      role: 'server',
      host: serverHost,
      class: 'BitsCompactServerUrlGroup',
      source: join(images, 'image.bin'),
      prefix: `http://+:${await freePort()}/impacket/`,
      dataPort: await freePort(),
    },
  ];
  for (const role of roles) {
    const args = ['-W', 'ignore', script, JSON.stringify({ ...facts, ...role })];
    const { code, stdout, stderr } = await runPeer(python, args, environment);
    for (const line of stdout.split('\n').filter((text) => text !== '')) {
      const { check: name, ok, detail } = JSON.parse(line) as { check: string; ok: boolean; detail: string };
      add(`impacket, ${role.role} agent: ${name}`, ok ? 'passed' : 'failed', detail);
    }
    if (code !== 0) add(`impacket, ${role.role} agent: ran to its end`, 'failed', stderr.trim().slice(-300));
  }
  if (!(await isThere('ls', wmiquery))) {
    add('wmiquery.py', 'not run', `${wmiquery} is not there`);
    return;
  }
  const shells = [
    [clientHost, 'describe BitsClientJob\nselect JobId, DisplayName, State, Priority from BitsClientJob\n', /JobId/],
    [serverHost, 'describe BitsCompactServerUrlGroup\nselect * from BitsCompactServerUrlGroup\n', /CreateUrlGroup/],
  ] as const;
  for (const level of ['privacy', 'integrity'])
    for (const [host, commands, wanted] of shells)
      await check(`wmiquery.py: describe and select at ${host}, ${level}`, async () => {
        const file = join(folder, 'commands.wql');
        await writeFile(file, commands);
        const args = ['-W', 'ignore', wmiquery, '-namespace', '//./root/Microsoft/BITS', '-file', file];
        const target = `./${user}:${password}@${host}`;
        const ran = await runPeer(python, [...args, '-rpc-auth-level', level, target], environment);
        if (ran.code !== 0 || /\[-\]/.test(ran.stdout) || !wanted.test(ran.stdout))
          throw new Error(`${ran.stdout.slice(-200)} ${ran.stderr.slice(-200)}`);
        return undefined;
      });
}

/** Samba asks with its own implementation of everything, and verifies every signature. */
async function sambaChecks({ user, password }: Sandbox): Promise<void> {
  const credentials = ['-U', `./${user}%${password}`];
  if (await isThere('rpcclient', '--version'))
    await check('rpcclient: epmmap', async () => {
      const args = [`ncacn_ip_tcp:${clientHost}[135,seal]`, ...credentials, '-c', 'epmmap lsarpc'];
      const { stdout, stderr } = await runPeer('rpcclient', args);
      // What is not here is told to be not here: 0x16C9A0D6.
      if (!/0x16C9A0D6/.test(stdout + stderr)) throw new Error((stdout + stderr).slice(-300));
      return 'ept_s_not_registered';
    });
  else add('rpcclient', 'not run', 'smbclient is not installed');
  if (!(await isThere('smbtorture', '--version'))) {
    add('smbtorture', 'not run', 'samba-testsuite is not installed');
    return;
  }
  const kinds = ['ntlm,sign', 'ntlm,seal', 'spnego,sign', 'spnego,seal', 'spnego,seal,bigendian'];
  for (const [test, options] of [
    ...kinds.map((kind) => ['rpc.mgmt', kind] as const),
    ['rpc.epmapper', 'seal'] as const,
    ['rpc.bind', 'seal'] as const,
    ['rpc.altercontext', 'seal'] as const,
  ]) {
    const { stdout, stderr } = await runPeer('smbtorture', [
      `ncacn_ip_tcp:${clientHost}[135,${options}]`,
      test,
      ...credentials,
    ]);
    const results = [...(stdout + stderr).matchAll(/^(success|failure|error|skip): (\S.*?)(?: \[)?$/gm)];
    if (results.length === 0) add(`smbtorture ${test} [${options}]`, 'failed', (stdout + stderr).slice(-200));
    for (const [, outcome, name = ''] of results) {
      const excuse = excuses.find(([pattern]) => pattern.test(name))?.[1];
      const label = `smbtorture ${test} [${options}]: ${name}`;
      if (outcome === 'success') add(label, 'passed');
      else if (excuse !== undefined) add(label, 'passed', `fails, as it must: ${excuse}`);
      else add(label, 'failed', 'see the output of smbtorture');
    }
  }
}

/** Wireshark takes a whole session apart, opened with the password. */
async function dissectorChecks({ user, password, folder }: Sandbox, exporter: string): Promise<void> {
  const impacket = await isThere(python, '-c', 'import impacket.dcerpc.v5.dcom.wmi');
  if (!impacket || !(await isThere('tshark', '--version'))) {
    add('tshark', 'not run', 'needs tshark and python3-impacket');
    return;
  }
  const capture = join(folder, 'session.pcapng');
  const tshark = spawn('tshark', ['-q', '-i', 'lo', '-f', 'tcp', '-w', capture], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  try {
    await capturing(tshark);
    // NTLM without Negotiate around it: within Negotiate tshark 4.0 loses the key stream after the first message, whoever sends it.
    const file = join(folder, 'commands.wql');
    await writeFile(file, 'describe BitsClientJob\nselect JobId, DisplayName, State from BitsClientJob\n');
    const args = [
      wmiquery,
      '-namespace',
      '//./root/Microsoft/BITS',
      '-file',
      file,
      `./${user}:${password}@${clientHost}`,
    ];
    const environment = { OPENSSL_CONF: join(folder, 'openssl.cnf') };
    const ran = await runPeer(python, ['-W', 'ignore', ...args], environment);
    if (ran.code !== 0) throw new Error(ran.stderr.slice(-200));
    await sleep(1500);
  } finally {
    tshark.kill('SIGINT');
    await exitOf(tshark);
  }
  const port = exporter.split(':').at(-1) ?? '';
  const read = ['-r', capture, '-d', `tcp.port==${port},dcerpc`, '-d', 'tcp.port==135,dcerpc'];
  const options = ['-o', `ntlmssp.nt_password:${password}`];
  const count = async (filter: string): Promise<number> => {
    const { code, stdout, stderr } = await runPeer('tshark', [...read, ...options, '-Y', filter]);
    if (code !== 0) throw new Error(stderr.trim().slice(-200));
    return stdout.split('\n').filter((line) => line !== '').length;
  };
  await check('tshark: no malformed packet and no expert error in a whole session', async () => {
    const [all, malformed, errors] = [await count('dcerpc'), await count('_ws.malformed'), await count(expertError)];
    if (all < 20) throw new Error(`only ${all} packets of RPC`);
    if (malformed + errors > 0) throw new Error(`${malformed} malformed, ${errors} errors of ${all}`);
    return `${all} packets`;
  });
  await check('tshark: opens what is sealed, and knows what it is', async () => {
    const { stdout } = await runPeer('tshark', [
      ...read,
      ...options,
      '-V',
      '-Y',
      'dcerpc.pkt_type == 0 || dcerpc.pkt_type == 2',
    ]);
    const sealed = await count('dcerpc.auth_level == 6 && (dcerpc.pkt_type == 0 || dcerpc.pkt_type == 2)');
    // What it has a dissector for it shows taken apart, the rest as plain octets.
    const opened =
      (stdout.match(/Decrypted stub data/g)?.length ?? 0) + (await count('dcom && dcerpc.auth_level == 6'));
    if (sealed === 0 || opened < sealed) throw new Error(`${opened} of ${sealed} opened`);
    for (const wanted of ['RemoteCreateInstance', 'ORPCThis', 'RemRelease'])
      if (!stdout.includes(wanted)) throw new Error(`no ${wanted}`);
    return `all ${sealed}`;
  });
}

/** tshark says so when it listens. */
function capturing(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      if (/Capturing on/.test(text)) setTimeout(resolve, 500);
    });
    child.once('exit', (code) => reject(new Error(`tshark ended with ${code}`)));
  });
}
