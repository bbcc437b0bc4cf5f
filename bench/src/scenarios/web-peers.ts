import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { exitOf, freePort } from '@carmine/testkit/node';
import { isThere } from '../foreign/peers.ts';

/** A web server of somebody else's that serves a folder. */
export interface WebPeer {
  readonly name: string;
  readonly pid: number;
  readonly http: number;
  /** Undefined: it was not given a certificate, or has no TLS. */
  readonly https: number | undefined;
  stop(): Promise<void>;
}

export interface WebPeerOptions {
  /** What is served. */
  readonly root: string;
  /** For configuration, temporary files and logs. */
  readonly folder: string;
  /** PEM file with a certificate and its key. */
  readonly certificate?: string | undefined;
}

/** Starts one; undefined when it is not installed. All have one worker process, sendfile where it exists, and no access log. */
export async function startWebPeer(name: PeerName, options: WebPeerOptions): Promise<WebPeer | undefined> {
  const { program, probe, args, configuration, tls } = peers[name];
  if (!(await isThere(program, ...probe))) return undefined;
  const folder = join(options.folder, name);
  await mkdir(folder, { recursive: true });
  const secure = tls && options.certificate !== undefined;
  const [http, https] = [await freePort(), secure ? await freePort() : undefined];
  const file = join(folder, 'configuration');
  const place: Place = { root: options.root, folder, http, https, certificate: options.certificate ?? '' };
  await writeFile(file, configuration(place));
  const child = spawn(program, args(file, folder), { stdio: 'ignore', env: { ...process.env, HOME: folder } });
  await answers(name, child, http);
  return {
    name,
    pid: child.pid ?? 0,
    http,
    https,
    async stop() {
      child.kill('SIGTERM');
      await exitOf(child);
    },
  };
}

export type PeerName = keyof typeof peers;

interface Place {
  readonly root: string;
  readonly folder: string;
  readonly http: number;
  readonly https: number | undefined;
  readonly certificate: string;
}

async function answers(name: string, child: ChildProcess, port: number): Promise<void> {
  for (let attempt = 0; attempt < 100 && child.exitCode === null; attempt++) {
    const answer = await fetch(`http://127.0.0.1:${port}/source`, { method: 'HEAD' }).catch(() => undefined);
    if (answer?.ok === true) return;
    await sleep(50);
  }
  child.kill('SIGKILL');
  throw new Error(`${name} did not start`);
}

/** Started by root, a worker would be somebody else and must be let in. */
const byRoot = process.getuid?.() === 0;
const apacheModules = ['mpm_event', 'authz_core', 'socache_shmcb', 'ssl'];

const peers = {
  nginx: {
    program: 'nginx',
    probe: ['-v'],
    tls: true,
    args: (file: string, folder: string) => ['-p', folder, '-c', file, '-e', `${folder}/error.log`],
    configuration: ({ root, folder, http, https, certificate }: Place) => {
      const tls = `listen 127.0.0.1:${https} ssl; ssl_certificate ${certificate}; ssl_certificate_key ${certificate};`;
      return `${byRoot ? 'user root;\n' : ''}daemon off; pid ${folder}/nginx.pid; error_log ${folder}/error.log; worker_processes 1;
events {}
http {
  access_log off; sendfile on; keepalive_requests 10000000; client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi; uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  server { listen 127.0.0.1:${http}; ${https === undefined ? '' : tls} root ${root};
    location /at-500-mb/ { alias ${root}/; limit_rate 476m; }
  }
}
`;
    },
  },
  caddy: {
    program: 'caddy',
    probe: ['version'],
    tls: true,
    args: (file: string) => ['run', '--adapter', 'caddyfile', '--config', file],
    configuration: ({ root, folder, http, https, certificate }: Place) => {
      const secure = `https://127.0.0.1:${https} {\n  tls ${certificate} ${certificate}\n  root * ${root}\n  file_server\n}\n`;
      return `{\n  admin off\n  auto_https off\n  storage file_system ${folder}\n}
http://127.0.0.1:${http} {\n  root * ${root}\n  file_server\n}\n${https === undefined ? '' : secure}`;
    },
  },
  lighttpd: {
    program: 'lighttpd',
    probe: ['-v'],
    tls: false,
    args: (file: string) => ['-D', '-f', file],
    configuration: ({ root, http }: Place) => `server.document-root = "${root}"
server.bind = "127.0.0.1"
server.port = ${http}
server.max-keep-alive-requests = 60000
mimetype.assign = ( "" => "application/octet-stream" )
`,
  },
  apache2: {
    program: 'apache2',
    probe: ['-v'],
    tls: true,
    args: (file: string) => ['-D', 'FOREGROUND', '-f', file],
    configuration: ({ root, folder, http, https, certificate }: Place) => {
      const tls = `Listen 127.0.0.1:${https}
<VirtualHost 127.0.0.1:${https}>
  SSLEngine on
  SSLCertificateFile ${certificate}
  SSLCertificateKeyFile ${certificate}
</VirtualHost>
`;
      return `${apacheModules.map((module) => `LoadModule ${module}_module /usr/lib/apache2/modules/mod_${module}.so`).join('\n')}
ServerRoot ${folder}
ServerName 127.0.0.1
PidFile ${folder}/pid
ErrorLog ${folder}/error.log
DefaultRuntimeDir ${folder}
EnableSendfile On
MaxKeepAliveRequests 0
StartServers 1
ServerLimit 1
ThreadsPerChild 32
MaxRequestWorkers 32
Listen 127.0.0.1:${http}
DocumentRoot ${root}
${https === undefined ? '' : tls}`;
    },
  },
} as const;
