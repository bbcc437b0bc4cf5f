import { readFileSync } from 'node:fs';
import { connect, createServer as createTcpServer, type Socket, type Server as TcpServer } from 'node:net';
import { createServer as createTlsServer, connect as tlsConnect } from 'node:tls';
import { type Account, createHttpAcceptor, type HttpScheme, ntOwfV1 } from '@carmine/auth';
import { systemEnvironment } from '@carmine/auth/node';
import { bitsNamespace, createDispatcher, createProxy } from '@carmine/cim';
import { jobProviderSuite, MemoryJobs } from '@carmine/compliance';
import { isCarmineError } from '@carmine/errors';
import { wellKnownSids } from '@carmine/security';
import { afterEach, describe, expect, it } from 'vitest';
import { createWsmanServer, type WsmanServerOptions } from '../src/index.ts';
import {
  createWsmanClient,
  createWsmanHttpServer,
  systemWsmanEnvironment,
  type WsmanClientOptions,
  type WsmanHttpServerOptions,
} from '../src/node/index.ts';

const pem = (name: string) => readFileSync(new URL(`fixtures/${name}.pem`, import.meta.url), 'utf8');
const tls = { cert: pem('server-cert'), key: pem('server-key') };
const otherTls = { cert: pem('other-cert'), key: pem('other-key') };

const accounts = new Map<string, Account>(
  [
    { user: 'admin', password: 'Größe 1', groupSids: [wellKnownSids.administrators] },
    { user: 'user', password: 'secret', groupSids: [wellKnownSids.users] },
  ].map(({ user, password, groupSids }, index) => [
    user,
    { name: `HOST\\${user}`, userSid: `S-1-5-21-1-2-3-${1000 + index}`, groupSids, ntHash: ntOwfV1(password) },
  ]),
);
const adminCredentials = { user: 'admin', password: 'Größe 1' };

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

interface Setup {
  readonly tls?: WsmanHttpServerOptions['tls'];
  readonly schemes?: readonly HttpScheme[];
  readonly requireChannelBinding?: boolean;
  readonly limits?: WsmanHttpServerOptions['limits'];
  readonly anonymousIdentify?: boolean;
  readonly core?: Partial<WsmanServerOptions>;
}

async function start(setup: Setup = {}) {
  const jobs = new MemoryJobs();
  const core = createWsmanServer({
    dispatcher: createDispatcher({ providers: { jobs, jobExtensions: jobs } }),
    environment: systemWsmanEnvironment,
    identity: { vendor: 'Carmine', version: 'test' },
    ...setup.core,
  });
  const server = createWsmanHttpServer({
    core,
    tls: setup.tls,
    limits: { drainTimeout: 1_000, ...setup.limits },
    anonymousIdentify: setup.anonymousIdentify,
    accept: ({ source, secureTransport, channelBinding }) =>
      createHttpAcceptor({
        schemes: setup.schemes ?? ['negotiate', 'basic'],
        accounts: (user) => accounts.get(user.toLowerCase()),
        environment: systemEnvironment,
        hostName: 'HOST',
        realm: 'WSMAN',
        source,
        secureTransport,
        channelBinding,
        requireChannelBinding: setup.requireChannelBinding,
      }),
  });
  const { port } = await server.listen('127.0.0.1', 0);
  open.push(() => server.close());
  return { jobs, server, port };
}

function client(url: string, changes: Partial<WsmanClientOptions> = {}) {
  const made = createWsmanClient({ url, credentials: adminCredentials, trust: [tls.cert], ...changes });
  open.push(() => made.close());
  return made;
}

/** A TCP or TLS server on a free port, whose sockets are cut at the end. */
async function listenTcp(make: (track: (...sockets: Socket[]) => void) => TcpServer): Promise<number> {
  const sockets: Socket[] = [];
  const server = make((...items) => {
    for (const socket of items) sockets.push(socket.on('error', () => {}));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as { port: number }).port;
}

const all = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
};

const transports = [
  ['NTLM sealed over http', {}, 'wsman', ['negotiate']],
  ['raw NTLM sealed over http', { schemes: ['ntlm'] }, 'wsman', ['ntlm']],
  ['Basic over https', { tls }, 'wsmans', ['basic']],
  ['Basic over https after a challenge', { tls }, 'wsmans', ['digest', 'basic']],
  ['Negotiate with channel binding over https', { tls, requireChannelBinding: true }, 'wsmans', ['negotiate']],
] as const;

for (const [name, setup, scheme, schemes] of transports.filter(([, , , list]) => list.length === 1))
  jobProviderSuite(name, async () => {
    const { port, server } = await start(setup);
    const made = client(`${scheme}://localhost:${port}`, { schemes });
    return {
      provider: createProxy(made).jobs,
      remoteUrl: 'http://origin.example/file',
      localFile: (file) => `/inbox/${file}`,
      close: async () => {
        await made.close();
        await server.close();
      },
    };
  });

describe.each(transports)('%s', (_, setup, scheme, schemes) => {
  it('serves many calls at once on a few connections', async () => {
    const { port } = await start(setup);
    const machine = client(`${scheme}://127.0.0.1:${port}`, { schemes, maxConnections: 3 });
    const answers = await Promise.all(Array.from({ length: 40 }, () => machine.identify()));
    expect(new Set(answers.map(({ vendor }) => vendor))).toEqual(new Set(['Carmine']));
  });

  it('refuses a wrong password and an unknown account alike', async () => {
    const { port } = await start(setup);
    for (const credentials of [
      { user: 'admin', password: 'wrong' },
      { user: 'nobody', password: 'wrong' },
    ])
      await expect(client(`${scheme}://127.0.0.1:${port}`, { schemes, credentials }).identify()).rejects.toMatchObject({
        code: 'auth/failed',
      });
  });

  it('denies everything to somebody who is no administrator', async () => {
    const { port, jobs } = await start(setup);
    const credentials = { user: 'user', password: 'secret' };
    const machine = client(`${scheme}://127.0.0.1:${port}`, { schemes, credentials });
    await expect(machine.identify()).rejects.toMatchObject({ code: 'auth/access-denied' });
    await expect(
      createProxy(machine).jobs.createJob({ displayName: 'x', remoteUrl: 'http://o/', localFile: '/x' }),
    ).rejects.toMatchObject({ code: 'auth/access-denied' });
    expect(await all(jobs.listJobs())).toEqual([]);
  });

  it('authenticates again when the server was restarted', async () => {
    const first = await start(setup);
    const machine = client(`${scheme}://127.0.0.1:${first.port}`, { schemes });
    await machine.identify();
    await first.server.close();
    await expect(machine.identify()).rejects.toMatchObject({ code: 'wsman/unreachable' });
    const core = createWsmanServer({
      dispatcher: createDispatcher({ providers: { jobs: first.jobs } }),
      environment: systemWsmanEnvironment,
      identity: { vendor: 'Carmine', version: 'again' },
    });
    const again = createWsmanHttpServer({
      core,
      tls: 'tls' in setup ? setup.tls : undefined,
      accept: ({ source, secureTransport, channelBinding }) =>
        createHttpAcceptor({
          schemes: ['negotiate', 'ntlm', 'basic'],
          accounts: (user) => accounts.get(user.toLowerCase()),
          environment: systemEnvironment,
          hostName: 'HOST',
          realm: 'WSMAN',
          source,
          secureTransport,
          channelBinding,
        }),
    });
    await again.listen('127.0.0.1', first.port);
    open.push(() => again.close());
    expect((await machine.identify()).version).toBe('again');
  });
});

describe('trust', () => {
  it.each([
    ['an unknown authority', tls, []],
    ['another name', otherTls, [otherTls.cert]],
  ])('refuses a certificate of %s', async (_, used, trust) => {
    const { port } = await start({ tls: used });
    const machine = client(`wsmans://localhost:${port}`, { schemes: ['basic'], trust });
    await expect(machine.identify()).rejects.toMatchObject({ code: 'wsman/untrusted' });
  });

  it('refuses NTLM that came through another TLS connection', async () => {
    // A relay that ends TLS itself with a certificate which the client trusts.
    const { port } = await start({ tls, requireChannelBinding: true });
    const own = { cert: pem('relay-cert'), key: pem('relay-key') };
    const relay = await listenTcp((track) =>
      createTlsServer({ ...own, ALPNProtocols: ['http/1.1'] }, (incoming) => {
        const outgoing = tlsConnect({ host: '127.0.0.1', port, ca: [tls.cert], servername: 'localhost' });
        track(incoming, outgoing);
        incoming.pipe(outgoing).pipe(incoming);
      }),
    );
    expect((await client(`wsmans://localhost:${port}`).identify()).vendor).toBe('Carmine');
    const victim = client(`wsmans://localhost:${relay}`, { trust: [own.cert] });
    await expect(victim.identify()).rejects.toMatchObject({ code: 'auth/failed' });
    // Basic has no such protection, which shows that the relay works.
    const basic = client(`wsmans://localhost:${relay}`, { trust: [own.cert], schemes: ['basic'] });
    expect((await basic.identify()).vendor).toBe('Carmine');
  });
});

describe('the client', () => {
  it('says that nobody is there', async () => {
    const { port, server } = await start();
    await server.close();
    await expect(client(`wsman://127.0.0.1:${port}`).identify()).rejects.toMatchObject({ code: 'wsman/unreachable' });
  });

  it('gives up after its time', async () => {
    const port = await listenTcp((track) => createTcpServer((socket) => track(socket)));
    const controller = new AbortController();
    const waiting = client(`wsman://127.0.0.1:${port}`).identify({ signal: controller.signal });
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'internal/aborted' });
    await expect(client(`wsman://127.0.0.1:${port}`, { timeout: -4_900 }).identify()).rejects.toMatchObject({
      code: 'wsman/timed-out',
    });
  });

  it.each(['http://host', 'wsman://', 'nonsense'])('does not take %s for a machine', (url) => {
    expect(() => client(url)).toThrow(expect.objectContaining({ code: 'usage/invalid' }));
  });

  it('never sends Basic over http', async () => {
    const { port } = await start({ schemes: ['basic', 'negotiate'] });
    await expect(client(`wsman://127.0.0.1:${port}`, { schemes: ['basic'] }).identify()).rejects.toMatchObject({
      code: 'auth/no-common-mechanism',
    });
  });

  it('does not repeat a call that may have been executed', async () => {
    const { port } = await start();
    let cut = false;
    // A wire that lets requests pass and, once told, loses the answer.
    const wire = await listenTcp((track) =>
      createTcpServer((incoming) => {
        const outgoing = connect(port, '127.0.0.1');
        track(incoming, outgoing);
        incoming.pipe(outgoing);
        outgoing.on('data', (data) => (cut ? incoming.destroy() : incoming.write(data)));
        outgoing.on('close', () => incoming.destroy());
      }),
    );
    const machine = client(`wsman://127.0.0.1:${wire}`);
    const { jobs } = createProxy(machine);
    await machine.identify();
    cut = true;
    const lost = jobs.createJob({ displayName: 'once', remoteUrl: 'http://o/', localFile: '/x' });
    await expect(lost).rejects.toMatchObject({ code: 'wsman/unreachable' });
    cut = false;
    const listed = await all(machine.enumerateInstances(bitsNamespace, 'BitsClientJob'));
    expect(listed).toHaveLength(1);
  });
});

it('errors are always CarmineErrors', async () => {
  const { port, server } = await start();
  await server.close();
  const error = await client(`wsman://127.0.0.1:${port}`)
    .identify()
    .catch((thrown: unknown) => thrown);
  expect(isCarmineError(error)).toBe(true);
});
