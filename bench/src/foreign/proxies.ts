import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { access, chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CarmineError } from '@carmine/errors';
import { exitOf, freePort, type Sandbox } from '@carmine/testkit/node';
import { credentialAuthenticators, download } from '@carmine/transfer/node';
import { startNginx } from '../scenarios/transfer-peers.ts';
import type { Checks } from './checks.ts';
import { isThere, runPeer } from './peers.ts';

type Scheme = 'basic' | 'digest';

/**
 * `download()` from nginx through squid, which asks who one is: in absolute-form, and through a tunnel. Not with NTLM: its only helper that works
 * without a domain (ntlm_fake_auth) sends challenges whose lengths are made up, and is refused.
 */
export async function proxyChecks(checks: Checks, sandbox: Sandbox): Promise<void> {
  for (const peer of ['squid', 'nginx']) {
    if (await isThere(peer, '-v')) continue;
    checks.add('squid as a proxy', 'not run', `${peer} is not installed`);
    return;
  }
  const folder = join(sandbox.folder, 'proxies');
  await mkdir(folder);
  const content = randomBytes(6 * 1024 * 1024 + 77);
  await writeFile(join(folder, 'source'), content);
  const nginx = await startNginx(folder);
  try {
    for (const scheme of ['basic', 'digest'] as const) {
      const squid = await startSquid(folder, scheme);
      try {
        for (const url of [nginx.http, nginx.https]) {
          await check(checks, { scheme, url, squid, nginx: { authority: nginx.authority }, folder, content });
        }
      } finally {
        await squid.stop();
      }
    }
  } finally {
    await nginx.stop();
    await rm(folder, { recursive: true });
  }
}

interface Case {
  readonly scheme: Scheme;
  readonly url: string;
  readonly squid: Squid;
  readonly nginx: { readonly authority: string };
  readonly folder: string;
  readonly content: Uint8Array;
}

async function check(checks: Checks, { scheme, url, squid, nginx, folder, content }: Case): Promise<void> {
  const path = join(folder, 'copy');
  const trust = [await readFile(nginx.authority, 'utf8')];
  const fetchAs = (password: string | undefined) =>
    download(url, path, {
      trust,
      connections: 3,
      pieceBytes: 1024 * 1024,
      proxy: { usage: 'list', list: squid.address },
      proxyAuthenticator:
        password === undefined
          ? undefined
          : credentialAuthenticators([{ target: 'proxy', scheme, userName: 'user', password }], undefined, 'proxy'),
    });
  const protocol = url.slice(0, url.indexOf(':'));
  await checks.run(`squid as a proxy, ${scheme}, ${protocol}`, async () => {
    await fetchAs('pass');
    const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
    if (digest(await readFile(path)) !== digest(content)) throw new Error('the file is another one');
    await rm(path);
    for (const password of [undefined, 'wrong']) {
      const error = await fetchAs(password).then(
        () => undefined,
        (thrown: unknown) => CarmineError.from(thrown),
      );
      if (error?.code !== 'transfer/proxy-authentication') throw new Error(`refused as ${error?.code ?? 'nothing'}`);
    }
    return '3 connections';
  });
}

interface Squid {
  readonly address: string;
  stop(): Promise<void>;
}

async function startSquid(folder: string, scheme: Scheme): Promise<Squid> {
  const place = join(folder, `squid-${scheme}`);
  await mkdir(place);
  const passwords = join(place, 'passwords');
  const hash = scheme === 'basic' ? (await runPeer('openssl', ['passwd', '-apr1', 'pass'])).stdout.trim() : 'pass';
  await writeFile(passwords, `user:${hash}\n`);
  const helper = {
    basic: `basic_ncsa_auth ${passwords}`,
    digest: `digest_file_auth ${passwords}`,
  }[scheme];
  const port = await freePort();
  await writeFile(
    join(place, 'squid.conf'),
    `http_port 127.0.0.1:${port}
pid_filename ${place}/pid
access_log none
cache_log ${place}/cache.log
cache deny all
cache_mem 1 MB
coredump_dir ${place}
shutdown_lifetime 0 seconds
visible_hostname proxy.test
auth_param ${scheme} program /usr/lib/squid/${helper}
auth_param ${scheme} realm carmine
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
`,
  );
  // Started by root, it works as somebody else.
  for (let up = place; up.length > '/tmp'.length; up = join(up, '..')) await chmod(up, 0o777).catch(() => undefined);
  const child = spawn('squid', ['-N', '-f', join(place, 'squid.conf')], { stdio: 'ignore' });
  for (let attempt = 0; attempt < 100 && child.exitCode === null; attempt++) {
    if (await accepts(port)) {
      return {
        address: `127.0.0.1:${port}`,
        async stop() {
          child.kill('SIGTERM');
          await exitOf(child);
        },
      };
    }
    await sleep(50);
  }
  child.kill('SIGKILL');
  await access(join(place, 'cache.log'));
  throw new Error(`squid did not start: ${(await readFile(join(place, 'cache.log'), 'utf8')).slice(-300)}`);
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const answer = (there: boolean) => {
      socket.destroy();
      resolve(there);
    };
    socket.once('connect', () => answer(true)).once('error', () => answer(false));
  });
}
