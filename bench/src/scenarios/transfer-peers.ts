import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createAuthority, exitOf } from '@carmine/testkit/node';
import { startWebPeer } from './web-peers.ts';

/** nginx with one folder, over HTTP and HTTPS. */
export interface Nginx {
  readonly http: string;
  readonly https: string;
  /** The authority behind its certificate: a PEM file. */
  readonly authority: string;
  stop(): Promise<void>;
}

export async function startNginx(folder: string): Promise<Nginx> {
  const authority = await createAuthority('Bench');
  const issued = await authority.issue({ names: [{ type: 'dns', value: 'localhost' }], usage: 'server' });
  const certificate = join(folder, 'server.pem');
  await writeFile(join(folder, 'authority.pem'), authority.cert);
  await writeFile(certificate, `${issued.cert}\n${issued.key}`);
  const nginx = await startWebPeer('nginx', { root: folder, folder, certificate });
  if (nginx === undefined) throw new Error('nginx is not installed');
  return {
    http: `http://127.0.0.1:${nginx.http}/source`,
    https: `https://localhost:${nginx.https}/source`,
    authority: join(folder, 'authority.pem'),
    stop: () => nginx.stop(),
  };
}

/** Milliseconds from the start of a program to the first content that an origin here sends it, one for each run. */
export async function timesToFirstByte(
  program: string,
  args: (url: string) => readonly string[],
  before: () => Promise<unknown>,
  runs: number,
): Promise<readonly number[]> {
  let first: number | undefined;
  const origin = createServer((request, response) => {
    response.setHeader('content-length', 5).setHeader('etag', '"1"');
    if (request.method === 'GET') first ??= performance.now();
    response.end(request.method === 'GET' ? 'hello' : undefined);
  });
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(origin.address() as AddressInfo).port}/source`;
  const times: number[] = [];
  // The first one fills caches and does not count.
  for (let run = 0; run <= runs; run++) {
    await before();
    first = undefined;
    const started = performance.now();
    const child = spawn(program, args(url), { stdio: 'ignore' });
    await exitOf(child);
    if (first !== undefined && run > 0) times.push(first - started);
  }
  await new Promise((resolve) => origin.close(resolve));
  return times;
}
