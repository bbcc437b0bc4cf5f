import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bitsNamespace } from '@carmine/cim';
import { freePort } from '@carmine/testkit/node';
import { isThere, runPeer } from '../foreign/peers.ts';
import { soapRequest } from '../soap-request.ts';
import type { WrkOrder } from './wrk.ts';

/** Openwsman's server, which no Debian package has: measured where `openwsmand` is on the PATH. */
export interface WsmanPeer {
  /** Without name of folder, connections and seconds, which are the scenario's. */
  readonly cases: readonly Pick<WrkOrder, 'name' | 'url' | 'headers' | 'body' | 'pid'>[];
  stop(): Promise<void>;
}

/** Undefined when it is not installed. Over http, with Basic: with TLS, 2.8.1 does not survive the load. */
export async function startOpenwsman(parent: string): Promise<WsmanPeer | undefined> {
  if (!(await isThere('openwsmand', '--version'))) return undefined;
  const folder = join(parent, 'openwsman');
  await mkdir(folder);
  const password = 'bench-of-a-peer';
  const port = await freePort();
  const [configuration, passwords, pidFile] = ['conf', 'passwords', 'pid'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const { stdout: hash } = await runPeer('openssl', ['passwd', '-1', password]);
  await writeFile(passwords, `bench:${hash.trim()}\n`, { mode: 0o600 });
  await writeFile(
    configuration,
    `[server]\nport = ${port}\nipv4 = yes\nipv6 = no\nmax_threads = 0\nmax_connections_per_thread = 0\n` +
      `basic_password_file = ${passwords}\n[cim]\n[client]\n`,
  );
  const { code, stderr } = await runPeer('openwsmand', ['-c', configuration, '-p', pidFile]);
  if (code !== 0) throw new Error(`openwsmand: exit code ${code}: ${stderr}`);
  const pid = await pidIn(pidFile);
  const url = `http://127.0.0.1:${port}/wsman`;
  const headers = {
    'Content-Type': 'application/soap+xml;charset=UTF-8',
    Authorization: `Basic ${Buffer.from(`bench:${password}`).toString('base64')}`,
  };
  const cases = [
    { url, headers, pid, name: 'openwsmand: Identify, HTTP', body: await soapRequest(url, (peer) => peer.identify()) },
    { url, headers, pid, name: 'openwsmand: Get of its test resource, HTTP', body: await getRequest(url) },
  ];
  return {
    cases,
    async stop() {
      process.kill(pid, 'SIGTERM');
    },
  };
}

/** What its test plugin has, asked for as our client asks for a job. */
async function getRequest(url: string): Promise<Uint8Array> {
  const path = { namespace: bitsNamespace, className: 'Test', keys: new Map() };
  const text = new TextDecoder().decode(await soapRequest(url, (client) => client.getInstance(path)));
  const resource = 'http://schema.openwsman.org/2006/openwsman/test';
  return new TextEncoder().encode(text.replace(/(<w:ResourceURI[^>]*>)[^<]*/, `$1${resource}`));
}

/** The daemon writes its number when it has gone to the background. */
async function pidIn(file: string): Promise<number> {
  for (let waited = 0; ; waited += 50) {
    const pid = Number(await readFile(file, 'utf8').catch(() => ''));
    if (Number.isInteger(pid) && pid > 0) return pid;
    if (waited > 5_000) throw new Error('openwsmand did not start');
    await sleep(50);
  }
}
