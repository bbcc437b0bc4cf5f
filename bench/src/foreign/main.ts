import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createSandbox, freePort, type Sandbox } from '@carmine/testkit/node';
import { Checks } from './checks.ts';
import { curlChecks } from './curl.ts';
import { dcomChecks } from './dcom.ts';
import { mitKerberosChecks } from './mit-kerberos.ts';
import { isThere, runPeer } from './peers.ts';
import { proxyChecks } from './proxies.ts';
import { sambaChecks } from './samba.ts';
import { sambaAdChecks } from './samba-ad.ts';
import { sambaGensecChecks } from './samba-gensec.ts';
import { urlServerChecks } from './url-server-oracle.ts';
import { webOriginChecks } from './web-origins.ts';

/**
 * The foreign-peer suite: programs that nobody here wrote drive the agents. A peer that is not on this machine is "not
 * run"; with --require that is a failure. --only=kerberos runs the part with MIT's KDC alone, --only=dcom that of WMI
 * clients, --only=samba-ad that with a Samba AD, --only=origins that of web servers as origins, --only=proxies that of a proxy, --only=url-server that of the URL server. Last line: `N passed, N failed, N skipped`.
 */

/** Makes OpenSSL's legacy algorithms available to a peer. */
const legacyProvider = `openssl_conf = init
[init]
providers = providers
[providers]
default = on
legacy = on
[on]
activate = 1
`;

const require = process.argv.includes('--require');
const checks = new Checks();
if (process.argv.includes('--only=kerberos')) await mitKerberosChecks(checks);
else if (process.argv.includes('--only=dcom')) await dcomChecks(checks);
else if (process.argv.includes('--only=samba-ad')) await inSandbox(({ folder }) => sambaAdChecks(checks, folder));
else if (process.argv.includes('--only=origins')) await inSandbox((sandbox) => webOriginChecks(checks, sandbox));
else if (process.argv.includes('--only=proxies')) await inSandbox((sandbox) => proxyChecks(checks, sandbox));
else if (process.argv.includes('--only=url-server')) await inSandbox(urlServerAlone);
else await inSandbox(suite);
const [passed, failed, skipped] = [checks.count('passed'), checks.count('failed'), checks.count('not run')];
process.stdout.write(`\n${passed} passed, ${failed} failed, ${skipped} skipped\n`);
if (failed > 0 || (require && skipped > 0)) process.exitCode = 1;

async function inSandbox(work: (sandbox: Sandbox) => Promise<void>): Promise<void> {
  // curl cannot bind NTLM to the TLS channel, which the server demands unless told otherwise.
  const sandbox = await createSandbox({
    section: { server: 'channel_binding = "relaxed"\nanonymous = true' },
    auth: ['ntlm', 'basic'],
    https: true,
  });
  try {
    await work(sandbox);
  } finally {
    await sandbox.close();
  }
}

async function urlServerAlone(sandbox: Sandbox): Promise<void> {
  await sandbox.server.start();
  await urlServerChecks(checks, sandbox, 500);
}

async function suite(sandbox: Sandbox): Promise<void> {
  const { images, inbox, folder, user, password, certificate, server, client, command } = sandbox;
  const source = join(images, 'image.bin');
  await writeFile(source, randomBytes(24 * 1024 * 1024 + 123));
  const plainUser = 'reader';
  await command('server', [
    'account',
    'add',
    plainUser,
    '--config',
    server.config,
    '--groups',
    'Users',
    '--password-file',
    join(folder, 'password'),
  ]);
  await Promise.all([server.start(), client.start()]);

  if (await isThere('curl', '--version')) {
    const on = ['--on', `wsman://${user}@127.0.0.1:${server.port}`];
    const [port, securePort] = [await freePort(), await freePort()];
    await command('controller', [
      'certificate',
      'set',
      String(securePort),
      '--thumbprint',
      certificate.thumbprint,
      ...on,
    ]);
    const groups = [`http://+:${port}/curl/`, `https://+:${securePort}/curl/`] as const;
    for (const group of groups) {
      await command('controller', ['url-group', 'create', group, ...on]);
      await command('controller', ['url', 'create', group, 'image', source, ...on]);
    }
    await curlChecks(
      checks,
      sandbox,
      `http://127.0.0.1:${port}/curl/`,
      `https://127.0.0.1:${securePort}/curl/`,
      source,
    );
    for (const group of groups) await command('controller', ['url-group', 'delete', group, ...on]);
  } else checks.add('curl', 'not run', 'curl is not installed');

  if (await isThere('/usr/bin/python3', '-c', 'import winrm, requests_ntlm')) {
    const facts = {
      serverUrl: `http://127.0.0.1:${server.port}/wsman`,
      clientUrl: `http://127.0.0.1:${client.port}/wsman`,
      user,
      password,
      plainUser,
      source,
      inbox,
      dataPort: await freePort(),
      thumbprint: certificate.thumbprint,
      secureUrl: `https://127.0.0.1:${server.securePort}/wsman`,
      plainBasicUrl: `http://127.0.0.1:${server.port}/wsman`,
      trust: certificate.file,
    };
    await pythonChecks('pywinrm', 'pywinrm_copy.py', facts, folder);
  } else checks.add('pywinrm', 'not run', 'python3-winrm is not installed');

  await webOriginChecks(checks, sandbox);
  await proxyChecks(checks, sandbox);
  await urlServerChecks(checks, sandbox, 500);
  await mitKerberosChecks(checks);
  await sambaChecks(checks, 100_000);
  await sambaGensecChecks(checks, folder);
  await sambaAdChecks(checks, folder);
  await dcomChecks(checks);
}

/** Runs a script that prints a JSON object for each check. */
async function pythonChecks(peer: string, script: string, facts: object, folder: string): Promise<void> {
  // Python's NTLM needs MD4, which OpenSSL 3 keeps in its legacy provider.
  const openssl = join(folder, 'openssl.cnf');
  await writeFile(openssl, legacyProvider);
  const path = fileURLToPath(new URL(script, import.meta.url));
  const { code, stdout, stderr } = await runPeer('/usr/bin/python3', ['-W', 'ignore', path, JSON.stringify(facts)], {
    OPENSSL_CONF: openssl,
  });
  for (const line of stdout.split('\n').filter((text) => text !== '')) {
    const { check, ok, detail } = JSON.parse(line) as { check: string; ok: boolean; detail: string };
    checks.add(`${peer}: ${check}`, ok ? 'passed' : 'failed', ok ? '' : detail);
  }
  if (code !== 0) checks.add(`${peer}: ran to its end`, 'failed', stderr.trim().split('\n').at(-1) ?? '');
}
