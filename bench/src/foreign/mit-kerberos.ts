import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createSandbox, freePort, type Sandbox } from '@carmine/testkit/node';
import { carmineKerberosChecks } from './carmine-kerberos.ts';
import type { Checks } from './checks.ts';
import { type MitRealm, mitRealmIsThere, mitRealmNeeds, realm, startMitRealm } from './mit-realm.ts';
import { isThere, runPeer } from './peers.ts';

/** The client agent's own. */
const agentPrincipal = 'host/host7.carmine.test';

/**
 * MIT's clients log on to our agents with tickets of MIT's KDC: curl on a data port, pywinrm on the management port; and
 * `carmine` and a job do.
 */
export async function mitKerberosChecks(checks: Checks): Promise<void> {
  if (!(await mitRealmIsThere())) {
    checks.add('MIT Kerberos', 'not run', mitRealmNeeds);
    return;
  }
  // The keytab is written after the configuration that names it: what is not there yet is no key.
  let kdc: MitRealm | undefined;
  const sandbox = await createSandbox({
    auth: ['kerberos'],
    // Debian's Python module for Kerberos can neither seal messages nor bind to the TLS channel.
    https: true,
    management: 'channel_binding = "relaxed"',
    section: { server: 'channel_binding = "relaxed"' },
    tables: {
      server: (folder) =>
        `[kerberos]\nkeytab = "${folder}/keytab"\n[kerberos.accounts]\n"alice@${realm}" = "admin"\n"${agentPrincipal}@${realm}" = "fetcher"`,
      client: (folder) =>
        `[kerberos]\nkeytab = "${folder}/keytab"\nconfig = "${folder}/krb5.conf"\nprincipal = "${agentPrincipal}@${realm}"\n[kerberos.accounts]\n"alice@${realm}" = "admin"`,
    },
  });
  try {
    kdc = await startMitRealm(sandbox.folder, ['HTTP/localhost', 'WSMAN/localhost', agentPrincipal]);
    const { environment } = kdc;
    await withAgents(checks, sandbox, environment);
    await withImportedKeys(checks, sandbox, environment);
  } catch (error) {
    checks.add('MIT Kerberos: set up', 'failed', (error as Error).message);
  } finally {
    await kdc?.close();
    await sandbox.close();
  }
}

async function withAgents(checks: Checks, sandbox: Sandbox, environment: Record<string, string>): Promise<void> {
  const { images, server, client, command, folder } = sandbox;
  const source = join(images, 'image.bin');
  await writeFile(source, Buffer.alloc(3_000_000, 'Kerberos '));
  const agent = await server.start();
  const port = await freePort();
  const url = `http://localhost:${port}/kerberos/image`;
  const facts = {
    url: `https://localhost:${server.securePort}/wsman`,
    trust: sandbox.certificate.file,
    prefix: `http://+:${port}/kerberos/`,
    source,
  };

  if (await isThere('/usr/bin/python3', '-c', 'import winrm, requests_kerberos')) {
    const script = fileURLToPath(new URL('pywinrm_kerberos.py', import.meta.url));
    const { code, stdout, stderr } = await runPeer(
      '/usr/bin/python3',
      ['-W', 'ignore', script, JSON.stringify(facts)],
      environment,
    );
    for (const line of stdout.split('\n').filter((text) => text !== '')) {
      const { check, ok, detail } = JSON.parse(line) as { check: string; ok: boolean; detail: string };
      checks.add(`pywinrm with Kerberos: ${check}`, ok ? 'passed' : 'failed', ok ? '' : detail);
    }
    if (code !== 0)
      checks.add('pywinrm with Kerberos: ran to its end', 'failed', stderr.trim().split('\n').at(-1) ?? '');
  } else checks.add('pywinrm with Kerberos', 'not run', 'python3-requests-kerberos is not installed');

  await checks.run('curl --negotiate: a file with a ticket, and not without', async () => {
    const out = join(folder, 'curl.out');
    const get = (env: Record<string, string>) => negotiate(url, env, '--output', out);
    const status = await get(environment);
    if (status !== '200') throw new Error(`status ${status}: ${agent.log().split('\n').slice(-3).join(' ')}`);
    if (!(await readFile(out)).equals(await readFile(source))) throw new Error('other bytes than the source has');
    const without = await get({ ...environment, KRB5CCNAME: `FILE:${folder}/no.ccache` });
    if (without !== '401') throw new Error(`status ${without} without a ticket`);
    return undefined;
  });
  await checks.run('NTLM is refused where only Kerberos is offered', async () => {
    try {
      await command('controller', ['ping', `wsman://admin@127.0.0.1:${server.port}`]);
    } catch (error) {
      if ((error as Error).message.includes('exit code 4')) return undefined;
      throw error;
    }
    throw new Error('it was accepted');
  });
  await sandbox.command('server', [
    'account',
    'add',
    'fetcher',
    '--config',
    server.config,
    '--groups',
    'Users',
    '--password-file',
    join(folder, 'password'),
  ]);
  const clientAgent = await client.start();
  await carmineKerberosChecks(checks, sandbox, { name: realm, environment, agent: agentPrincipal });
  await clientAgent.kill('SIGTERM');
  await agent.kill('SIGTERM');
}

/** The same keys in the account database in place of the file: they come and go while the agent runs. */
async function withImportedKeys(checks: Checks, sandbox: Sandbox, environment: Record<string, string>): Promise<void> {
  const { server, command, folder, certificate } = sandbox;
  const [keytab, configuration] = [join(folder, 'keytab'), await readFile(server.config, 'utf8')];
  await writeFile(server.config, configuration.replace(/^keytab = .*$/m, ''));
  const account = (...args: string[]) => command('server', ['account', ...args, '--config', server.config]);
  const agent = await server.start();
  const url = `https://localhost:${server.securePort}/wsman`;
  // Whoever may log on is told that this is no SOAP.
  const status = () =>
    negotiate(
      url,
      environment,
      '--cacert',
      certificate.file,
      '--output',
      '/dev/null',
      '--request',
      'POST',
      '--data',
      '<x/>',
    );
  const expectStatus = async (logsOn: boolean) => {
    const got = await status();
    if ((got !== '401') !== logsOn || got === '000')
      throw new Error(`status ${got}: ${agent.log().split('\n').slice(-3).join(' ')}`);
  };
  await checks.run('curl --negotiate: keys imported into the account database count while the agent runs', async () => {
    await expectStatus(false);
    const imported = await account('import-keytab', keytab);
    await rm(keytab);
    await expectStatus(true);
    return imported.trim().replaceAll('\n', '; ');
  });
  await checks.run('curl --negotiate: keys that are removed count no more', async () => {
    await account('remove-keys', `HTTP/localhost@${realm}`);
    await expectStatus(false);
    return undefined;
  });
  await agent.kill('SIGTERM');
}

/** Status of a request that curl makes with the tickets of an environment. */
async function negotiate(
  url: string,
  environment: Record<string, string>,
  ...args: readonly string[]
): Promise<string> {
  const common = ['--negotiate', '--user', ':', '--silent', '--write-out', '%{http_code}'];
  return (await runPeer('curl', [...common, ...args, url], environment)).stdout;
}
