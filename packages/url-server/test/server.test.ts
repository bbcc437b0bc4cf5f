import { createHash, randomBytes } from 'node:crypto';
import {
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { Agent, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Account, createHttpInitiator, ntOwfV1 } from '@carmine/auth';
import { urlGroupProviderSuite } from '@carmine/compliance';
import type { UrlTransfer } from '@carmine/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blockSize } from '../src/block-list.ts';
import { createUrlServer, type UrlServer } from '../src/node/index.ts';

const environment = { now: () => Date.now(), randomBytes: (length: number) => new Uint8Array(randomBytes(length)) };
const password = 'Passw0rd!';
const accounts = new Map<string, Account>(
  ['reader', 'other'].map((name, index) => [
    name,
    {
      name: `HOST\\${name}`,
      userSid: `S-1-5-21-1-2-3-${1000 + index}`,
      groupSids: ['S-1-5-32-545'],
      ntHash: ntOwfV1(password),
    },
  ]),
);
const certificates = {
  findByThumbprint: async (store: string, hash: Uint8Array) =>
    store === 'MY' && hash.length === 20
      ? { certificate: 'x', privateKey: 'x', thumbprint: hash, sha256: new Uint8Array(32), subject: 'CN=x' }
      : undefined,
  findBySubject: async () => undefined,
};

async function open(changes: Partial<Parameters<typeof createUrlServer>[0]> = {}) {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'carmine-url-server-')));
  const server = createUrlServer({
    stateDir: folder,
    bind: ['127.0.0.1'],
    roots: [folder],
    requireTls: false,
    anonymous: false,
    persist: true,
    requireChannelBinding: true,
    accounts: (user) => accounts.get(user.toLowerCase()),
    certificates,
    environment,
    hostName: 'HOST',
    warn: () => {},
    ...changes,
  });
  await server.start();
  return {
    server,
    folder,
    close: async () => {
      await server.stop();
      rmSync(folder, { recursive: true });
    },
  };
}

/** A port that was free a moment ago. */
async function transfersOf({ groups }: UrlServer): Promise<UrlTransfer[]> {
  const transfers: UrlTransfer[] = [];
  for await (const transfer of groups.listTransfers()) transfers.push(transfer);
  return transfers;
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
  /** False when the connection was cut in the middle of the body. */
  readonly whole: boolean;
}

function send(
  agent: Agent,
  port: number,
  path: string,
  options: { method?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { agent, host: '127.0.0.1', port, path, method: options.method ?? 'GET', headers: options.headers ?? {} },
      (incoming) => {
        const chunks: Buffer[] = [];
        const finish = (whole: boolean) =>
          resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: Buffer.concat(chunks), whole });
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('end', () => finish(true));
        incoming.on('error', () => finish(false));
      },
    );
    outgoing.on('error', reject);
    outgoing.end();
  });
}

/** A client that has one connection and answers challenges on it. */
function client(port: number, user = 'reader', scheme: 'negotiate' | 'ntlm' = 'ntlm', secret = password) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return {
    close: () => agent.destroy(),
    async get(path: string, options: { method?: string; headers?: Record<string, string> } = {}): Promise<Answer> {
      const first = await send(agent, port, path, options);
      if (first.status !== 401) return first;
      const initiator = createHttpInitiator({
        credentials: { user, password: secret },
        schemes: [scheme],
        environment,
        host: '127.0.0.1',
        service: 'HTTP',
        secureTransport: false,
      });
      let answer = first;
      while (answer.status === 401 && !initiator.complete) {
        const challenges = ([] as string[]).concat(answer.headers['www-authenticate'] ?? []);
        const authorization = initiator.next(challenges);
        answer = await send(agent, port, path, { ...options, headers: { ...options.headers, authorization } });
      }
      return answer;
    },
  };
}

urlGroupProviderSuite('url-server', async () => {
  const { server, folder, close } = await open();
  const sources = [join(folder, 'a'), join(folder, 'b')] as const;
  for (const source of sources) writeFileSync(source, 'x');
  const port = await freePort();
  return {
    provider: server.groups,
    prefix: `http://+:${port}/suite/`,
    sources,
    certificate: { storeName: 'MY', hash: new Uint8Array(20).fill(7), port: await freePort() },
    close,
  };
});

describe('serving', () => {
  let fixture: Awaited<ReturnType<typeof open>>;
  let server: UrlServer;
  let port: number;
  let prefix: string;
  const content = randomBytes(3 * 1024 * 1024 + 17);
  beforeAll(async () => {
    fixture = await open();
    server = fixture.server;
    port = await freePort();
    prefix = `http://+:${port}/g/`;
    writeFileSync(join(fixture.folder, 'file'), content);
    writeFileSync(join(fixture.folder, 'empty'), '');
    await server.groups.createUrlGroup(prefix);
    const publish = (urlSuffix: string, file: string, sddlAuth = '') =>
      server.groups.createUrl(prefix, { urlSuffix, sourceFilePath: join(fixture.folder, file), sddlAuth });
    await publish('file', 'file');
    await publish('empty', 'empty');
    await publish('reader only', 'file', 'D:(A;;FR;;;S-1-5-21-1-2-3-1000)');
    await publish('nobody', 'file', 'D:');
  });
  afterAll(() => fixture.close());

  it.each(['ntlm', 'negotiate'] as const)(
    'serves whole and in ranges with %s, on one authenticated connection',
    async (scheme) => {
      const one = client(port, 'reader', scheme);
      const whole = await one.get('/g/file');
      expect(whole.status).toBe(200);
      expect(whole.body.equals(content)).toBe(true);
      const part = await one.get('/G/FILE', {
        headers: { range: 'bytes=1048570-1048585', 'if-range': whole.headers.etag ?? '' },
      });
      expect(part.status).toBe(206);
      expect(part.body.equals(content.subarray(1048570, 1048586))).toBe(true);
      const parts = await one.get('/g/file', { headers: { range: 'bytes=2000000-2999999,5-9,-3' } });
      const [, boundary] = /^multipart\/byteranges; boundary=(\S{24})$/.exec(parts.headers['content-type'] ?? '') ?? [];
      const start = (text: string) =>
        `--${boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes ${text}/${content.length}\r\n\r\n`;
      const expected = Buffer.concat([
        Buffer.from(start('2000000-2999999')),
        content.subarray(2_000_000, 3_000_000),
        Buffer.from(`\r\n${start('5-9')}`),
        content.subarray(5, 10),
        Buffer.from(`\r\n${start(`${content.length - 3}-${content.length - 1}`)}`),
        content.subarray(-3),
        Buffer.from(`\r\n--${boundary}--\r\n`),
      ]);
      expect([parts.status, parts.body.equals(expected)]).toEqual([206, true]);
      const head = await one.get('/g/file', { method: 'HEAD' });
      expect(head.headers['content-length']).toBe(String(content.length));
      expect((await one.get('/g/empty')).body).toHaveLength(0);
      expect((await one.get('/g/file', { method: 'POST' })).status).toBe(405);
      expect((await one.get('/g/none')).status).toBe(404);
      one.close();
    },
  );

  it('offers both schemes to a caller without credentials, and tells him nothing about what exists', async () => {
    const agent = new Agent();
    for (const path of ['/g/file', '/g/none', '/g/nobody']) {
      const answer = await send(agent, port, path);
      expect(answer.status).toBe(401);
      expect(answer.headers['www-authenticate']).toMatch(/Negotiate.*NTLM/);
      expect(answer.body).toHaveLength(0);
    }
  });

  it('refuses a wrong password and an unknown user alike', async () => {
    for (const one of [client(port, 'reader', 'ntlm', 'wrong'), client(port, 'ghost')]) {
      // The initiator says so when the server challenges anew instead of answering.
      await expect(one.get('/g/file')).rejects.toMatchObject({ code: 'auth/failed' });
      one.close();
    }
  });

  it.each([
    ['reader', '/g/reader%20only', 200],
    ['other', '/g/reader%20only', 403],
    ['reader', '/g/nobody', 403],
    ['other', '/g/file', 200],
  ])('%s gets %s: %i', async (user, path, status) => {
    const one = client(port, user);
    const answer = await one.get(path);
    expect(answer.status).toBe(status);
    if (status !== 200) expect(answer.body).toHaveLength(0);
    one.close();
  });

  it('answers 400 where no group is, and to targets that do not decode', async () => {
    const agent = new Agent();
    for (const path of ['/', '/h/file', '/%zz', '/gx']) expect((await send(agent, port, path)).status).toBe(400);
  });

  it('gives the digest of a source once it is computed, and another one when the source changed', async () => {
    const path = join(fixture.folder, 'digest');
    const expectDigest = async (bytes: Buffer) => {
      writeFileSync(path, bytes);
      await server.groups.createUrl(prefix, { urlSuffix: 'digest', sourceFilePath: path, sddlAuth: '' });
      await expect
        .poll(async () => (await server.groups.getUrlDetails(prefix, 'digest')).sha256, { timeout: 5000, interval: 10 })
        .toBe(createHash('sha256').update(bytes).digest('hex'));
    };
    await expectDigest(Buffer.from('one'));
    const one = client(port);
    expect((await one.get('/g/digest')).headers['repr-digest']).toBe(
      `sha-256=:${createHash('sha256').update('one').digest('base64')}:`,
    );
    one.close();
    await expectDigest(Buffer.from('another'));
  });

  it('offers a block list beside a file once it is known, to those who may read the file', async () => {
    const path = join(fixture.folder, 'blocks');
    const bytes = randomBytes(2 * blockSize + 5);
    writeFileSync(path, bytes);
    const one = client(port);
    const get = (suffix: string, method = 'GET') => one.get(`/g/${suffix}`, { method });
    const publish = (urlSuffix: string, sddlAuth: string) =>
      server.groups.createUrl(prefix, { urlSuffix, sourceFilePath: path, sddlAuth });
    await publish('blocks', '');
    await publish('hidden blocks', 'D:');
    expect([404, 200]).toContain((await get('blocks?carmine=block-list')).status);
    await expect
      .poll(async () => (await get('blocks', 'HEAD')).headers['link'], { timeout: 5000, interval: 10 })
      .toBe(
        '<?carmine=block-list>; rel="https://carmine.invalid/rel/block-list"; type="application/vnd.carmine.block-list+json"',
      );
    const { headers } = await get('blocks', 'HEAD');
    const list = await get('blocks?carmine=block-list');
    expect(list.headers['content-type']).toBe('application/vnd.carmine.block-list+json');
    const hash = (from: number, to: number) => createHash('sha256').update(bytes.subarray(from, to)).digest('base64');
    expect(JSON.parse(list.body.toString())).toEqual({
      schema: 'carmine.blockList/1',
      length: bytes.length,
      etag: headers.etag,
      blockSize,
      algorithm: 'sha-256',
      blocks: [hash(0, blockSize), hash(blockSize, 2 * blockSize), hash(2 * blockSize, bytes.length)],
    });
    const head = await get('blocks?carmine=block-list', 'HEAD');
    expect([head.status, head.headers['content-length'], head.body.length]).toEqual([200, String(list.body.length), 0]);
    expect((await get('hidden%20blocks?carmine=block-list')).status).toBe(403);
    expect((await get('none?carmine=block-list')).status).toBe(404);
    // An empty file has no blocks; other queries are nothing.
    expect((await get('empty?carmine=block-list')).status).toBe(404);
    expect((await get('blocks?carmine=block-lists')).body.equals(bytes)).toBe(true);
    // A list is of one version.
    utimesSync(path, new Date(), new Date(0));
    const changed = await get('blocks', 'HEAD');
    expect(changed.headers.etag).not.toBe(headers.etag);
    expect(changed.headers['link']).toBeUndefined();
    one.close();
  });

  it('enforces ConnectionLimit, and ends running answers when the group is deleted', async () => {
    const otherPort = await freePort();
    const other = `http://+:${otherPort}/limited/`;
    await server.groups.createUrlGroup(other);
    await server.groups.createUrl(other, {
      urlSuffix: 'slow',
      sourceFilePath: join(fixture.folder, 'file'),
      sddlAuth: '',
    });
    await server.groups.setProperty(other, 'BandwidthLimit', 65_536);
    await server.groups.setProperty(other, 'ConnectionLimit', 1);
    const [slow, second] = [client(otherPort), client(otherPort)];
    // Cut before the head went out, it is an error; after, a body that is not whole.
    const running = slow.get('/limited/slow').catch(() => ({ whole: false, body: Buffer.alloc(0) }));
    await expect.poll(() => server.running(), { interval: 5 }).toBe(1);
    expect((await second.get('/limited/slow')).status).toBe(503);
    const [transfer, ...rest] = await transfersOf(server);
    expect(rest).toEqual([]);
    expect(transfer).toMatchObject({
      urlGroup: other,
      urlSuffix: 'slow',
      identity: 'HOST\\reader',
      source: '127.0.0.1',
      range: null,
      length: BigInt(content.length),
    });
    expect(transfer?.bytesSent).toBeLessThan(BigInt(content.length));
    await server.groups.deleteUrlGroup(other);
    const answer = await running;
    expect(await transfersOf(server)).toEqual([]);
    expect(answer.whole).toBe(false);
    expect(answer.body.length).toBeLessThan(content.length);
    expect(server.running()).toBe(0);
    await expect(client(otherPort).get('/limited/slow')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    slow.close();
    second.close();
  });

  it.each([
    ['grows', (path: string) => writeFileSync(path, randomBytes(4_000_000))],
    ['shrinks', (path: string) => truncateSync(path, 1000)],
    ['is touched', (path: string) => utimesSync(path, new Date(), new Date(0))],
  ])('cuts the connection when the source %s in the middle', async (_what, change) => {
    const path = join(fixture.folder, 'changing');
    writeFileSync(path, randomBytes(3_000_000));
    const otherPort = await freePort();
    const other = `http://+:${otherPort}/`;
    await server.groups.createUrlGroup(other);
    await server.groups.createUrl(other, { urlSuffix: 'changing', sourceFilePath: path, sddlAuth: '' });
    await server.groups.setProperty(other, 'BandwidthLimit', 1_000_000);
    const one = client(otherPort);
    // Cut before the head went out, it is an error; after, a body that is not whole.
    const running = one.get('/changing').catch(() => ({ whole: false }));
    await expect.poll(() => server.running(), { interval: 5 }).toBe(1);
    change(path);
    const answer = await running;
    expect(answer.whole).toBe(false);
    one.close();
    await server.groups.deleteUrlGroup(other);
  });
});

describe('what outlives a restart', () => {
  it('are digests, as long as the file is the same and published', async () => {
    const stateDir = realpathSync(mkdtempSync(join(tmpdir(), 'carmine-state-')));
    const port = await freePort();
    const prefix = `http://+:${port}/g/`;
    const run = async <T>(work: (server: UrlServer, folder: string) => Promise<T>, roots: readonly string[]) => {
      const { server, close } = await open({ stateDir, roots });
      try {
        return await work(server, stateDir);
      } finally {
        await close();
      }
    };
    const files = realpathSync(mkdtempSync(join(tmpdir(), 'carmine-files-')));
    const path = join(files, 'file');
    writeFileSync(path, 'content');
    const digest = createHash('sha256').update('content').digest('hex');
    const known = async (server: UrlServer) => (await server.groups.getUrlDetails(prefix, 'file')).sha256;
    await run(
      async (server) => {
        await server.groups.createUrlGroup(prefix);
        await server.groups.createUrl(prefix, { urlSuffix: 'file', sourceFilePath: path, sddlAuth: '' });
        await expect.poll(() => known(server), { interval: 5 }).toBe(digest);
      },
      [files],
    );
    await run(async (server) => expect(await known(server)).toBe(digest), [files]);
    utimesSync(path, new Date(), new Date(0));
    await run(
      async (server) => {
        expect(await known(server)).toBeNull();
        await expect.poll(() => known(server), { interval: 5 }).toBe(digest);
        await server.groups.deleteUrl(prefix, 'file');
      },
      [files],
    );
    await run(
      async (server) => {
        await server.groups.createUrl(prefix, { urlSuffix: 'file', sourceFilePath: path, sddlAuth: '' });
        expect(await known(server)).toBeNull();
      },
      [files],
    );
    for (const folder of [stateDir, files]) rmSync(folder, { recursive: true });
  });
});

describe('what is told of answers', () => {
  it('is a line in the access log and a count of the group; stopping waits for those that run', async () => {
    const logs = realpathSync(mkdtempSync(join(tmpdir(), 'carmine-log-')));
    const accessLog = join(logs, 'access.ndjson');
    writeFileSync(accessLog, 'earlier\n');
    const { server, folder } = await open({ accessLog, drain: 60_000 });
    const port = await freePort();
    const prefix = `http://+:${port}/g/`;
    writeFileSync(join(folder, 'f'), randomBytes(24 * 1024 * 1024));
    await server.groups.createUrlGroup(prefix);
    await server.groups.createUrl(prefix, { urlSuffix: 'f', sourceFilePath: join(folder, 'f'), sddlAuth: '' });
    const [one, other] = [client(port), client(port)];
    await one.get('/g/f?secret=1', { headers: { range: 'bytes=0-9' } });
    await one.get('/g/none%0A"');
    await other.get('/g/f', { method: 'HEAD' });
    const group = `group="${prefix}"`;
    expect(Object.fromEntries(server.metrics())).toEqual({
      [`carmine_url_group_transfers_running{${group}}`]: 0,
      [`carmine_url_group_bytes_total{${group}}`]: 10,
      [`carmine_url_group_requests_total{${group},status="2xx"}`]: 2,
      [`carmine_url_group_requests_total{${group},status="4xx"}`]: 5,
    });

    await server.groups.setProperty(prefix, 'BandwidthLimit', 20 * 1024 * 1024);
    const running = one.get('/g/f');
    await expect.poll(() => server.running()).toBe(1);
    const stopped = server.stop();
    // Whoever comes now is sent away; whoever is served already gets everything.
    expect((await other.get('/g/f')).status).toBe(503);
    expect((await running).body).toHaveLength(24 * 1024 * 1024);
    await stopped;
    const lines = readFileSync(accessLog, 'utf8').trimEnd().split('\n');
    expect(lines.shift()).toBe('earlier');
    const records = lines.map((line) => JSON.parse(line));
    const answer = { source: '127.0.0.1', identity: 'HOST\\reader', method: 'GET', range: null, bytes: 0, whole: true };
    const refused = { ...answer, identity: '', path: '/g/f', status: 401 };
    expect(records).toMatchObject([
      { ...refused, range: 'bytes=0-9' },
      { ...refused, range: 'bytes=0-9' },
      { ...answer, path: '/g/f', range: 'bytes=0-9', status: 206, bytes: 10 },
      { ...answer, path: '/g/none%0A"', status: 404 },
      { ...refused, method: 'HEAD' },
      { ...refused, method: 'HEAD' },
      { ...answer, method: 'HEAD', path: '/g/f', status: 200 },
      { ...answer, identity: '', path: '/g/f', status: 503 },
      { ...answer, path: '/g/f', status: 200, bytes: 24 * 1024 * 1024 },
    ]);
    expect(records[0].time).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    expect(records[0].milliseconds).toBeGreaterThanOrEqual(0);
    one.close();
    other.close();
    for (const each of [logs, folder]) rmSync(each, { recursive: true });
  });

  it('says of an answer that was cut how far it came, and stopping does not wait for ever', async () => {
    const logs = realpathSync(mkdtempSync(join(tmpdir(), 'carmine-log-')));
    const accessLog = join(logs, 'access.ndjson');
    const timers: { milliseconds: number; work: () => void }[] = [];
    const { server, folder } = await open({
      accessLog,
      drain: 60_000,
      clock: {
        now: () => 0,
        every: (milliseconds, work) => {
          timers.push({ milliseconds, work });
          return () => {};
        },
      },
    });
    const port = await freePort();
    const prefix = `http://+:${port}/`;
    writeFileSync(join(folder, 'f'), randomBytes(100_000));
    await server.groups.createUrlGroup(prefix);
    await server.groups.createUrl(prefix, { urlSuffix: 'f', sourceFilePath: join(folder, 'f'), sddlAuth: '' });
    await server.groups.setProperty(prefix, 'BandwidthLimit', 60_000);
    const one = client(port);
    // Time stands still: the second half is never due.
    const running = one.get('/f').catch(() => ({ whole: false }));
    await expect.poll(() => server.running()).toBe(1);
    const stopped = server.stop();
    timers.find(({ milliseconds }) => milliseconds === 60_000)?.work();
    await stopped;
    expect((await running).whole).toBe(false);
    const last = JSON.parse(readFileSync(accessLog, 'utf8').trimEnd().split('\n').at(-1) ?? '');
    expect(last).toMatchObject({ whole: false });
    expect(last.bytes).toBeLessThan(100_000);
    one.close();
    for (const each of [logs, folder]) rmSync(each, { recursive: true });
  });
});

describe('slow readers', () => {
  it.each([true, false])(
    'are cut off after the grace time, those who read are not (sendfile: %s)',
    async (sendfile) => {
      const time = { now: 0, tick: () => {} };
      const { server, folder, close } = await open({
        anonymous: true,
        sendfile,
        reading: { minimumRate: 1000, grace: 30_000 },
        clock: {
          now: () => time.now,
          every: (_milliseconds, work) => {
            time.tick = work;
            return () => {};
          },
        },
      });
      const seconds = (count: number) => {
        for (let second = 0; second < count; second++) {
          time.now += 1000;
          time.tick();
        }
      };
      const port = await freePort();
      const prefix = `http://+:${port}/`;
      writeFileSync(join(folder, 'f'), randomBytes(32 * 1024 * 1024));
      await server.groups.createUrlGroup(prefix);
      await server.groups.createUrl(prefix, { urlSuffix: 'f', sourceFilePath: join(folder, 'f'), sddlAuth: '' });
      for (const scheme of ['negotiate', 'ntlm'] as const)
        await server.groups.setUrlGroupAuthentication(prefix, scheme, false);
      const reader = connect(port, '127.0.0.1');
      // Who is too slow is reset.
      reader.on('error', () => {});
      let [received, closed, wanted] = [0, false, 1];
      reader.on('data', (chunk: Buffer) => {
        received += chunk.length;
        if (received >= wanted) reader.pause();
      });
      reader.on('close', () => {
        closed = true;
      });
      const take = async (bytes: number) => {
        wanted = received + bytes;
        reader.resume();
        await expect.poll(() => received).toBeGreaterThanOrEqual(wanted);
      };
      reader.write('GET /f HTTP/1.1\r\nHost: x\r\n\r\n');
      await take(1);
      seconds(25);
      // What he takes now buys him time; without sendfile it shows only when the system takes more of us.
      await take(12_000_000);
      seconds(30);
      expect(server.running()).toBe(1);
      seconds(2);
      await expect.poll(() => server.running()).toBe(0);
      wanted = Number.POSITIVE_INFINITY;
      reader.resume();
      await expect.poll(() => closed).toBe(true);
      expect(received).toBeLessThan(32 * 1024 * 1024);
      await close();
    },
  );

  it('do not take connections from others: over the limit of all ports one more is closed', async () => {
    const { server, close } = await open({ connectionLimit: 3 });
    const ports = [await freePort(), await freePort()];
    for (const port of ports) await server.groups.createUrlGroup(`http://+:${port}/`);
    const connection = async (port: number | undefined) => {
      const socket = connect(port ?? 0, '127.0.0.1');
      const outcome = await new Promise<string>((resolve) => {
        socket.once('data', () => resolve('answered'));
        socket.once('close', () => resolve('closed'));
        socket.on('error', () => {});
        socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      });
      return { socket, outcome };
    };
    const open3 = [await connection(ports[0]), await connection(ports[1]), await connection(ports[1])];
    expect(open3.map(({ outcome }) => outcome)).toEqual(['answered', 'answered', 'answered']);
    expect((await connection(ports[0])).outcome).toBe('closed');
    open3[2]?.socket.destroy();
    await expect.poll(async () => (await connection(ports[0])).outcome).toBe('answered');
    await close();
  });
});

describe('publishing', () => {
  it('tells a watcher of groups that come and go', async () => {
    const { server, close } = await open();
    const { groups } = server;
    let told = 0;
    const unwatch = groups.watch?.(() => {
      told++;
    });
    const prefix = `http://+:${await freePort()}/`;
    await groups.createUrlGroup(prefix);
    expect(told).toBe(1);
    await groups.getUrlGroup(prefix);
    expect(told).toBe(1);
    await groups.deleteUrlGroup(prefix);
    expect(told).toBe(2);
    unwatch?.();
    await groups.createUrlGroup(prefix);
    expect(told).toBe(2);
    await close();
  });

  it('refuses what lies outside the roots, also through links, and what is no file, with the right HRESULT', async () => {
    const { server, folder, close } = await open({ roots: [] });
    const inside = realpathSync(mkdtempSync(join(tmpdir(), 'carmine-root-')));
    const limited = await open({ roots: [inside] });
    writeFileSync(join(folder, 'secret'), 's');
    writeFileSync(join(inside, 'fine'), 'f');
    symlinkSync(join(folder, 'secret'), join(inside, 'link'));
    symlinkSync(folder, join(inside, 'folder'));
    const prefix = `http://+:${await freePort()}/`;
    await limited.server.groups.createUrlGroup(prefix);
    const publish = (sourceFilePath: string) =>
      limited.server.groups.createUrl(prefix, { urlSuffix: 'x', sourceFilePath, sddlAuth: '' });
    for (const path of [
      join(folder, 'secret'),
      join(inside, 'link'),
      join(inside, 'folder/secret'),
      `${inside}/../etc/passwd`,
      '/etc/passwd',
    ]) {
      const outcome = await publish(path).catch((error) => error.hresult);
      expect([0x8007_0005, 0x8007_0002], path).toContain(outcome);
    }
    await expect(publish('/etc/passwd')).rejects.toMatchObject({ code: 'url/outside-roots', hresult: 0x8007_0005 });
    await expect(publish(join(inside, 'missing'))).rejects.toMatchObject({ hresult: 0x8007_0002 });
    await expect(publish(inside)).rejects.toMatchObject({ hresult: 0x8007_0057 });
    await expect(publish('relative')).rejects.toMatchObject({ hresult: 0x8007_007b });
    await expect(
      limited.server.groups.createUrl(prefix, {
        urlSuffix: 'x',
        sourceFilePath: join(inside, 'fine'),
        sddlAuth: 'D:(nonsense',
      }),
    ).rejects.toMatchObject({
      hresult: 0x8007_0538,
    });
    expect(await limited.server.groups.checkUrl(prefix, 'x')).toBe(false);
    expect(await publish(join(inside, 'fine'))).toBe(0);
    await server.stop();
    await limited.close();
    rmSync(inside, { recursive: true });
    rmSync(folder, { recursive: true });
    void close;
  });

  it('refuses http where TLS is required, a port that is taken, and a port of the other scheme', async () => {
    const strict = await open({ requireTls: true });
    await expect(strict.server.groups.createUrlGroup('http://+:8080/')).rejects.toMatchObject({
      code: 'url-group/http-refused',
    });
    await strict.close();
    const { server, close } = await open();
    const blocker = createServer();
    await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve));
    const taken = (blocker.address() as AddressInfo).port;
    await expect(server.groups.createUrlGroup(`http://+:${taken}/`)).rejects.toMatchObject({
      code: 'url-group/port-in-use',
      hresult: 0x8007_2740,
    });
    const groups = [];
    for await (const group of server.groups.listUrlGroups()) groups.push(group);
    expect(groups).toEqual([]);
    await new Promise((resolve) => blocker.close(resolve));
    await server.groups.createUrlGroup(`http://+:${taken}/a`);
    await expect(server.groups.createUrlGroup(`https://+:${taken}/b`)).rejects.toMatchObject({
      code: 'url-group/port-in-use',
    });
    await close();
  });

  it('serves anonymously only by policy: a group with both schemes off is 403 otherwise', async () => {
    for (const [anonymous, status] of [
      [false, 403],
      [true, 200],
    ] as const) {
      const { server, folder, close } = await open({ anonymous });
      const port = await freePort();
      const prefix = `http://+:${port}/`;
      writeFileSync(join(folder, 'f'), 'content');
      await server.groups.createUrlGroup(prefix);
      await server.groups.createUrl(prefix, { urlSuffix: 'f', sourceFilePath: join(folder, 'f'), sddlAuth: '' });
      await server.groups.setUrlGroupAuthentication(prefix, 'negotiate', false);
      await server.groups.setUrlGroupAuthentication(prefix, 'ntlm', false);
      expect((await send(new Agent(), port, '/f')).status).toBe(status);
      await close();
    }
  });

  it('keeps groups, URLs, schemes and limits over a restart, unless told not to', async () => {
    const first = await open();
    const port = await freePort();
    const prefix = `http://+:${port}/kept/`;
    writeFileSync(join(first.folder, 'f'), 'content');
    await first.server.groups.createUrlGroup(prefix);
    await first.server.groups.createUrl(prefix, {
      urlSuffix: 'F',
      sourceFilePath: join(first.folder, 'f'),
      sddlAuth: 'D:(A;;FR;;;WD)',
    });
    await first.server.groups.setUrlGroupAuthentication(prefix, 'negotiate', false);
    await first.server.groups.setProperty(prefix, 'ConnectionLimit', 5);
    await first.server.stop();
    const again = await open({ stateDir: first.folder, roots: [first.folder] });
    expect(await again.server.groups.getUrlGroupAuthentication(prefix, 'negotiate')).toBe(false);
    expect(await again.server.groups.getProperty(prefix, 'ConnectionLimit')).toBe(5);
    const one = client(port);
    expect((await one.get('/kept/f')).body.toString()).toBe('content');
    one.close();
    await again.server.stop();
    const forgetful = await open({ stateDir: first.folder, persist: false });
    await expect(forgetful.server.groups.getUrlGroup(prefix)).rejects.toMatchObject({ code: 'url-group/not-found' });
    await forgetful.server.stop();
    for (const { folder } of [first, again, forgetful]) rmSync(folder, { recursive: true, force: true });
  });
});
