import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CarmineError } from '@carmine/errors';
import { exitOf, freePort, type Sandbox } from '@carmine/testkit/node';
import { type DownloadOptions, download } from '@carmine/transfer/node';
import { startWebPeer, type WebPeer } from '../scenarios/web-peers.ts';
import type { Checks } from './checks.ts';
import { isThere } from './peers.ts';
import { Relay } from './relay.ts';

/** What a server can do that `download()` has to find out. */
interface Expected {
  readonly ranges: boolean;
  readonly validator: 'if-range' | 'if-unmodified-since';
}

const origins = {
  nginx: { ranges: true, validator: 'if-range' },
  apache2: { ranges: true, validator: 'if-range' },
  lighttpd: { ranges: true, validator: 'if-range' },
  caddy: { ranges: true, validator: 'if-range' },
  python: { ranges: false, validator: 'if-unmodified-since' },
} as const satisfies Record<string, Expected>;
type OriginName = keyof typeof origins;

const length = 12 * 1024 * 1024 + 345;
const temporaryName = 'BIT0123456789ABCDEF.tmp';

/** `download()` of @carmine/transfer from web servers of others. */
export async function webOriginChecks(checks: Checks, sandbox: Sandbox): Promise<void> {
  const root = join(sandbox.folder, 'origins');
  await mkdir(root);
  for (const name of Object.keys(origins) as OriginName[]) {
    const content = await publish(root, 'source', length, 100);
    await writeFile(join(root, 'empty'), '');
    const peer = await startOrigin(name, root, sandbox);
    if (peer === undefined) {
      checks.add(`${name} as an origin`, 'not run', `${name} is not installed`);
      continue;
    }
    const relay = await Relay.start(peer.http);
    try {
      const fetched = join(sandbox.folder, `from-${name}`);
      await mkdir(fetched);
      await new OriginSuite(checks, sandbox, name, peer, relay, root, fetched, content).run();
    } finally {
      await relay.close();
      await peer.stop();
    }
  }
  await rm(root, { recursive: true });
}

class OriginSuite {
  readonly #checks: Checks;
  readonly #sandbox: Sandbox;
  readonly #name: OriginName;
  readonly #peer: WebPeer;
  readonly #relay: Relay;
  readonly #root: string;
  readonly #folder: string;
  readonly #content: Buffer;

  constructor(
    checks: Checks,
    sandbox: Sandbox,
    name: OriginName,
    peer: WebPeer,
    relay: Relay,
    root: string,
    folder: string,
    content: Buffer,
  ) {
    this.#checks = checks;
    this.#sandbox = sandbox;
    this.#name = name;
    this.#peer = peer;
    this.#relay = relay;
    this.#root = root;
    this.#folder = folder;
    this.#content = content;
  }

  async run(): Promise<void> {
    const { ranges, validator } = origins[this.#name];
    const content = this.#content;
    await this.#check('one GET, and the time of the file', async () => {
      await this.#fetch({ connections: 1 });
      await this.#same(content);
      const [there, here] = [await stat(join(this.#root, 'source')), await stat(this.#path)];
      if (there.mtimeMs !== here.mtimeMs) throw new Error(`${here.mtimeMs} instead of ${there.mtimeMs}`);
      return `${this.#relay.connections} connection`;
    });
    await this.#check(
      ranges ? 'ranges over four connections, each with the validator' : 'no ranges: one connection',
      async () => {
        await this.#fetch({ connections: 4, pieceBytes: 512 * 1024 });
        await this.#same(content);
        const { mostOpen, connections, requests } = this.#relay;
        // A connection that is given up may not be closed yet when the next one is opened.
        if (ranges ? mostOpen < 3 || mostOpen > 5 : mostOpen > 2) throw new Error(`${mostOpen} connections at once`);
        const asked = requests.filter(({ headers }) => headers['range'] !== undefined);
        if (ranges && asked.length < 3) throw new Error(`${asked.length} ranges`);
        const without = asked.filter(({ headers }) => headers[validator] === undefined);
        // The first request cannot know it.
        if (without.length > 1) throw new Error(`${without.length} ranges without ${validator}`);
        return `${connections} connections, ${requests.length} requests`;
      },
    );
    await this.#check('goes on where it was stopped', async () => {
      await this.#stopInside();
      this.#relay.reset();
      // spec/bits.md 4.7: an answer with everything where a part was asked for ends the job; what was there is given up.
      if (!ranges) await this.#fails({ connections: 1, temporaryName }, 'source', 'transfer/no-ranges');
      await this.#fetch({ connections: 1, temporaryName });
      await this.#same(content);
      const { passed } = this.#relay;
      if (ranges && passed > content.length - 1024 * 1024) throw new Error(`${passed} octets fetched again`);
      if (!ranges && passed < content.length) throw new Error('without ranges?');
      return `${passed} of ${content.length} octets after it`;
    });
    await this.#check('a file that is another one after the stop', async () => {
      await this.#stopInside();
      const next = await publish(this.#root, 'source', length, 50);
      await this.#noticed();
      this.#relay.reset();
      await this.#fetch({ connections: 3, temporaryName });
      await this.#same(next);
      await writeFile(join(this.#root, 'source'), content);
      await utimes(join(this.#root, 'source'), new Date(), hour(100));
      await this.#noticed();
      return undefined;
    });
    await this.#check('digests, the right one and another', async () => {
      const right = createHash('sha256').update(content).digest('hex');
      await this.#fetch({ expectedSha256: right });
      await this.#same(content);
      await rm(this.#path);
      await this.#fails({ expectedSha256: '00'.repeat(32) }, 'source', 'transfer/digest-mismatch');
      return right.slice(0, 16);
    });
    await this.#check('an empty file, and one that is not there', async () => {
      await this.#fetch({}, 'empty');
      await this.#same(Buffer.alloc(0));
      await rm(this.#path);
      await this.#fails({}, 'nothing', 'transfer/http-status');
      return undefined;
    });
    if (this.#peer.https !== undefined) {
      await this.#check('over TLS', async () => {
        const trust = [await readFile(this.#sandbox.certificate.file, 'utf8')];
        await download(`https://127.0.0.1:${this.#peer.https}/source`, this.#path, { connections: 3, trust });
        await this.#same(content);
        return undefined;
      });
    }
  }

  get #path(): string {
    return join(this.#folder, 'file');
  }

  #check(what: string, work: () => Promise<string | undefined>): Promise<void> {
    return this.#checks.run(`${this.#name} as an origin: ${what}`, async () => {
      this.#relay.reset();
      for (const name of await readdir(this.#folder)) await rm(join(this.#folder, name));
      const note = await work();
      const left = await readdir(this.#folder);
      const other = left.filter((name) => name !== 'file');
      if (other.length > 0) throw new Error(`left behind: ${other.join(', ')}`);
      return note;
    });
  }

  async #fetch(options: DownloadOptions, name = 'source'): Promise<void> {
    await download(`http://127.0.0.1:${this.#relay.port}/${name}`, this.#path, {
      roots: [this.#folder],
      checkpointBytes: 1024 * 1024,
      checkpointTime: 20,
      ...options,
    });
  }

  async #fails(options: DownloadOptions, name: string, code: string): Promise<void> {
    const error = await this.#fetch(options, name).then(
      () => undefined,
      (thrown: unknown) => CarmineError.from(thrown),
    );
    if (error?.code !== code) throw new Error(`${error?.code ?? 'no error'} instead of ${code}`);
  }

  /** Lets a third of the file through, and stops when some of it is journalled. */
  async #stopInside(): Promise<void> {
    const stop = new AbortController();
    this.#relay.limit = length / 3;
    const error = await this.#fetch({
      connections: 1,
      temporaryName,
      signal: stop.signal,
      onProgress: ({ transferred }) => {
        if (transferred > length / 6) stop.abort();
      },
    }).catch((thrown: unknown) => CarmineError.from(thrown));
    if (error?.code !== 'internal/aborted') throw new Error(`${error?.code} instead of a stop`);
    const left = await readdir(this.#folder);
    if (!left.includes(temporaryName) || left.includes('file')) throw new Error(`after the stop: ${left.join(', ')}`);
  }

  /**
   * QUIRK: lighttpd remembers size, time and so the ETag of a file for a second or two and meanwhile sends other content under
   * them; nobody can tell but by a digest.
   */
  async #noticed(): Promise<void> {
    if (this.#name === 'lighttpd') await sleep(3_000);
  }

  async #same(content: Buffer): Promise<void> {
    const got = await readFile(this.#path);
    if (!got.equals(content)) throw new Error(`${got.length} octets that are not the file's ${content.length}`);
  }
}

/** `hours` ago, in whole seconds: servers call the time of a file that is new a weak validator. */
function hour(hours: number): Date {
  return new Date(Math.floor(Date.now() / 1000 - hours * 3600) * 1000);
}

async function publish(root: string, name: string, size: number, hours: number): Promise<Buffer> {
  const content = randomBytes(size);
  await writeFile(join(root, name), content);
  await utimes(join(root, name), new Date(), hour(hours));
  return content;
}

async function startOrigin(name: OriginName, root: string, sandbox: Sandbox): Promise<WebPeer | undefined> {
  const { folder, certificate } = sandbox;
  if (name !== 'python') return startWebPeer(name, { root, folder, certificate: certificate.file });
  if (!(await isThere('/usr/bin/python3', '-m', 'http.server', '--help'))) return undefined;
  const port = await freePort();
  const child = spawn(
    '/usr/bin/python3',
    ['-m', 'http.server', '--bind', '127.0.0.1', '--directory', root, String(port)],
    { stdio: 'ignore' },
  );
  const peer: WebPeer = {
    name,
    pid: child.pid ?? 0,
    http: port,
    https: undefined,
    async stop() {
      child.kill('SIGTERM');
      await exitOf(child);
    },
  };
  for (let attempt = 0; attempt < 100; attempt++) {
    const answer = await fetch(`http://127.0.0.1:${port}/source`, { method: 'HEAD' }).catch(() => undefined);
    if (answer?.ok === true) return peer;
    await sleep(50);
  }
  await peer.stop();
  throw new Error('python3 -m http.server did not start');
}
