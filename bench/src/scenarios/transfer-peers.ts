import { type ChildProcess, spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createAuthority, exitOf, freePort } from '@carmine/testkit/node';

/** nginx with one folder, over HTTP and HTTPS. */
export interface Nginx {
  readonly http: string;
  readonly https: string;
  /** The authority behind its certificate: a PEM file. */
  readonly authority: string;
  stop(): Promise<void>;
}

export async function startNginx(folder: string): Promise<Nginx> {
  const [port, tlsPort] = [await freePort(), await freePort()];
  const authority = await createAuthority('Bench');
  const issued = await authority.issue({ names: [{ type: 'dns', value: 'localhost' }], usage: 'server' });
  await writeFile(join(folder, 'authority.pem'), authority.cert);
  await writeFile(join(folder, 'server.pem'), issued.cert);
  await writeFile(join(folder, 'server.key'), issued.key);
  const configuration = `daemon off; pid ${folder}/nginx.pid; error_log ${folder}/error.log; worker_processes 1;
events {}
http {
  access_log off; sendfile on; client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi; uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  server { listen 127.0.0.1:${port}; root ${folder}; }
  server {
    listen 127.0.0.1:${tlsPort} ssl; root ${folder};
    ssl_certificate ${folder}/server.pem; ssl_certificate_key ${folder}/server.key;
  }
}
`;
  // Started by root, its worker is somebody else and must be let in.
  const user = process.getuid?.() === 0 ? 'user root;\n' : '';
  const file = join(folder, 'nginx.conf');
  await writeFile(file, `${user}${configuration}`);
  const nginx = spawn('nginx', ['-p', folder, '-c', file, '-e', `${folder}/error.log`], { stdio: 'ignore' });
  for (let attempt = 0; attempt < 100; attempt++) {
    const answer = await fetch(`http://127.0.0.1:${port}/source`, { method: 'HEAD' }).catch(() => undefined);
    if (answer?.ok === true) {
      return {
        http: `http://127.0.0.1:${port}/source`,
        https: `https://localhost:${tlsPort}/source`,
        authority: join(folder, 'authority.pem'),
        stop: () => stop(nginx),
      };
    }
    await sleep(50);
  }
  nginx.kill('SIGKILL');
  throw new Error('nginx did not start');
}

async function stop(nginx: ChildProcess): Promise<void> {
  nginx.kill('SIGTERM');
  await exitOf(nginx);
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
