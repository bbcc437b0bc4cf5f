import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { exitOf, freePort } from '@carmine/testkit/node';
import { isThere, runPeer } from './peers.ts';

export const realm = 'CARMINE.TEST';
export const mitRealmNeeds = 'krb5-kdc, krb5-admin-server or krb5-user is not installed';

const path = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;

/** A throw-away realm of MIT's KDC on loopback, in a folder of its own. */
export interface MitRealm {
  /** In which programs find the realm and alice's ticket-granting ticket. */
  readonly environment: Record<string, string>;
  /** Path of the services' keys. */
  readonly keytab: string;
  /** Path of alice's tickets. */
  readonly ccache: string;
  close(): Promise<void>;
}

export async function mitRealmIsThere(): Promise<boolean> {
  const tools = ['krb5kdc', 'kadmin.local', 'kdb5_util', 'kinit'];
  const found = await Promise.all(tools.map((tool) => isThere('sh', '-c', `PATH="${path}" command -v ${tool}`)));
  return !found.includes(false);
}

/** With the user alice, who has logged on, and the services that are named; alice's own keys are in `alice.keytab`. */
export async function startMitRealm(folder: string, services: readonly string[]): Promise<MitRealm> {
  const environment = { ...(await writeRealm(folder)), PATH: path };
  await setUpRealm(folder, services, environment);
  const kdc = spawn('krb5kdc', ['-n'], { env: { ...process.env, ...environment }, stdio: 'ignore' });
  const close = async () => {
    kdc.kill('SIGKILL');
    await exitOf(kdc);
  };
  try {
    await kinit(folder, environment);
  } catch (error) {
    await close();
    throw error;
  }
  return { environment, keytab: join(folder, 'keytab'), ccache: join(folder, 'ccache'), close };
}

/** Configuration of a realm on loopback that knows nothing of any other. */
async function writeRealm(folder: string): Promise<Record<string, string>> {
  const port = await freePort();
  const client = `[libdefaults]
  default_realm = ${realm}
  dns_lookup_kdc = false
  dns_canonicalize_hostname = false
  rdns = false
[realms]
  ${realm} = {
    kdc = 127.0.0.1:${port}
  }
[domain_realm]
  localhost = ${realm}
  .carmine.test = ${realm}
`;
  const server = `[kdcdefaults]
  kdc_listen = 127.0.0.1:${port}
  kdc_tcp_listen = 127.0.0.1:${port}
[realms]
  ${realm} = {
    database_name = ${folder}/kdc.db
    key_stash_file = ${folder}/kdc.stash
    acl_file = ${folder}/none.acl
  }
[logging]
  kdc = FILE:${folder}/kdc.log
`;
  await writeFile(join(folder, 'krb5.conf'), client);
  await writeFile(join(folder, 'kdc.conf'), server);
  return {
    KRB5_CONFIG: join(folder, 'krb5.conf'),
    KRB5_KDC_PROFILE: join(folder, 'kdc.conf'),
    KRB5CCNAME: `FILE:${join(folder, 'ccache')}`,
  };
}

async function setUpRealm(
  folder: string,
  services: readonly string[],
  environment: Record<string, string>,
): Promise<void> {
  await must('kdb5_util', ['-r', realm, 'create', '-s', '-P', 'master'], environment);
  const queries = [
    'addprinc -pw secret-1 alice',
    ...services.map((name) => `addprinc -randkey ${name}`),
    `ktadd -k ${folder}/keytab ${services.join(' ')}`,
    // Her password stays what it is.
    `ktadd -norandkey -k ${folder}/alice.keytab alice`,
  ];
  for (const query of queries) {
    await must('kadmin.local', ['-r', realm, '-q', query], environment);
  }
}

/** As soon as the KDC listens. */
async function kinit(folder: string, environment: Record<string, string>): Promise<void> {
  await writeFile(join(folder, 'alice'), 'secret-1\n');
  let last = '';
  for (let attempt = 0; attempt < 50; attempt++) {
    const { code, stderr } = await runPeer('sh', ['-c', `kinit alice < ${folder}/alice`], environment);
    if (code === 0) return;
    last = stderr.trim();
    await sleep(100);
  }
  throw new Error(`kinit: ${last}`);
}

async function must(program: string, args: readonly string[], environment: Record<string, string>): Promise<void> {
  const { code, stderr } = await runPeer(program, args, environment);
  if (code !== 0) throw new Error(`${program}: ${stderr.trim()}`);
}
