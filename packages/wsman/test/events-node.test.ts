import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createHttpAcceptor, ntOwfV1 } from '@carmine/auth';
import { systemEnvironment } from '@carmine/auth/node';
import { bitsNamespace, createDispatcher, createProxy } from '@carmine/cim';
import { MemoryJobs } from '@carmine/compliance';
import { wellKnownSids } from '@carmine/security';
import { afterEach, describe, expect, it } from 'vitest';
import { createWsmanServer } from '../src/index.ts';
import {
  createNodePushSink,
  createWsmanClient,
  createWsmanHttpServer,
  systemWsmanEnvironment,
} from '../src/node/index.ts';
import { createPushTargets } from '../src/node/push-targets.ts';
import { delivery, e, filter, modes, subscribe } from './eventing-support.ts';
import { admin, envelope } from './support.ts';

const pem = (name: string) => readFileSync(new URL(`fixtures/${name}.pem`, import.meta.url), 'utf8');
const tls = { cert: pem('server-cert'), key: pem('server-key') };
const query = "SELECT * FROM __InstanceCreationEvent WITHIN 0.1 WHERE TargetInstance ISA 'BitsClientJob'";

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

function machine(push?: ReturnType<typeof createNodePushSink>) {
  const jobs = new MemoryJobs();
  const { after } = systemWsmanEnvironment;
  const core = createWsmanServer({
    dispatcher: createDispatcher({ providers: { jobs }, events: { now: Date.now, after } }),
    environment: systemWsmanEnvironment,
    identity: { vendor: 'Carmine', version: 'test' },
    push,
  });
  open.push(() => core.close());
  return {
    core,
    jobs,
    create: () => jobs.createJob({ displayName: 'x', remoteUrl: 'http://o/', localFile: '/x', suspend: true }),
  };
}

/** A receiver on a free port of the loopback interface. */
async function receiver(
  answer: (request: IncomingMessage, body: string) => [status: number, body?: string, location?: string],
  secure = false,
) {
  const received: {
    readonly url: string | undefined;
    readonly headers: IncomingMessage['headers'];
    readonly body: string;
  }[] = [];
  const waiting: (() => void)[] = [];
  const server: Server = (
    secure ? (listener: Parameters<typeof createServer>[1] & object) => createTlsServer(tls, listener) : createServer
  )((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => {
      body += chunk;
    });
    request.on('end', () => {
      const [status, text = '', location] = answer(request, body);
      const type = text === '' ? {} : { 'Content-Type': 'application/soap+xml' };
      response.writeHead(status, { ...type, ...(location === undefined ? {} : { Location: location }) }).end(text);
      received.push({ url: request.url, headers: request.headers, body });
      for (const wake of waiting.splice(0)) wake();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    port: (server.address() as AddressInfo).port,
    received,
    async count(wanted: number) {
      while (received.length < wanted) await new Promise<void>((resolve) => waiting.push(resolve));
    },
  };
}

const pushTo = (url: string, mode = `${e}/DeliveryModes/Push`) =>
  envelope(
    subscribe(
      delivery(
        `<e:NotifyTo><a:Address>${url}</a:Address></e:NotifyTo><w:ConnectionRetry Total="0">PT0S</w:ConnectionRetry>`,
        mode,
      ) + filter.replace('WITHIN 1', 'WITHIN 0.1'),
    ),
  );

describe('push over HTTP', () => {
  const ask = (core: ReturnType<typeof machine>['core'], text: string) =>
    core.handle({ body: new TextEncoder().encode(text), contentType: 'application/soap+xml', token: admin });

  it('delivers events and takes the Ack, and nothing of this machine goes along', async () => {
    const sink = await receiver((_, body) => {
      const id = /<a:MessageID>([^<]+)</.exec(body)?.[1] ?? '';
      const head = `<a:Action>${modes}/Ack</a:Action><a:RelatesTo>${id}</a:RelatesTo>`;
      return [
        200,
        `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"><s:Header>${head}</s:Header><s:Body/></s:Envelope>`,
      ];
    });
    const push = createNodePushSink({ allow: [`127.0.0.1:${sink.port}`] });
    open.push(() => push.close());
    const { core, create } = machine(push);
    expect((await ask(core, pushTo(`http://127.0.0.1:${sink.port}/in?x=1`, `${modes}/PushWithAck`))).status).toBe(200);
    const ids = [await create(), await create()];
    await sink.count(2);
    expect(sink.received.map(({ url }) => url)).toEqual(['/in?x=1', '/in?x=1']);
    for (const [index, { body, headers }] of sink.received.entries()) {
      expect(body).toContain(ids[index]);
      expect(Object.keys(headers).sort()).toEqual(['connection', 'content-length', 'content-type', 'host']);
    }
  });

  it('follows no redirection', async () => {
    const inner = await receiver(() => [202]);
    const sink = await receiver(() => [307, '', `http://127.0.0.1:${inner.port}/`]);
    const push = createNodePushSink({ allow: [`127.0.0.1:${sink.port}`] });
    open.push(() => push.close());
    const body = new TextEncoder().encode('<x/>');
    const { signal } = new AbortController();
    const url = `http://127.0.0.1:${sink.port}/`;
    expect(await push.send({ url, body, contentType: 'text/xml', signal })).toMatchObject({ status: 307 });
    await expect(
      push.send({ url: `http://127.0.0.1:${inner.port}/`, body, contentType: 'text/xml', signal }),
    ).rejects.toMatchObject({ code: 'auth/access-denied' });
    expect(inner.received).toEqual([]);
  });

  it('verifies the certificate of an https receiver, and gives up on one that does not answer', async () => {
    const sink = await receiver(() => [202], true);
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    open.push(() => {
      silent.closeAllConnections();
      silent.close();
    });
    const silentPort = (silent.address() as AddressInfo).port;
    const allow = [`127.0.0.1:${sink.port}`, `127.0.0.1:${silentPort}`];
    const send = (trust: readonly string[] | undefined, url: string) => {
      const push = createNodePushSink({ allow, trust, timeout: 300 });
      open.push(() => push.close());
      const { signal } = new AbortController();
      return push.send({ url, body: new TextEncoder().encode('<x/>'), contentType: 'text/xml', signal });
    };
    const url = `https://127.0.0.1:${sink.port}/`;
    await expect(send(undefined, url)).rejects.toThrow();
    expect(sink.received).toEqual([]);
    expect(await send([tls.cert], url)).toMatchObject({ status: 202 });
    await expect(send(undefined, `http://127.0.0.1:${silentPort}/`)).rejects.toThrow();
  });

  it('reads only so much of an answer', async () => {
    const sink = await receiver(() => [200, 'x'.repeat(100_000)]);
    const push = createNodePushSink({ allow: [`127.0.0.1:${sink.port}`] });
    open.push(() => push.close());
    const { signal } = new AbortController();
    const message = { body: new TextEncoder().encode('<x/>'), contentType: 'text/xml', signal };
    await expect(push.send({ ...message, url: `http://127.0.0.1:${sink.port}/` })).rejects.toMatchObject({
      code: 'wsman/unexpected',
    });
  });
});

it('pull over HTTP: a client waits at the machine, and leaves', async () => {
  const { core, create } = machine();
  const server = createWsmanHttpServer({
    core,
    limits: { drainTimeout: 1_000 },
    accept: ({ source, secureTransport }) =>
      createHttpAcceptor({
        schemes: ['negotiate'],
        accounts: () => ({
          name: 'HOST\\admin',
          userSid: 'S-1-5-21-1-2-3-1000',
          groupSids: [wellKnownSids.administrators],
          ntHash: ntOwfV1('secret'),
        }),
        environment: systemEnvironment,
        hostName: 'HOST',
        realm: 'WSMAN',
        source,
        secureTransport,
      }),
  });
  const { port } = await server.listen('127.0.0.1', 0);
  open.push(() => server.close());
  const client = createWsmanClient({
    url: `wsman://127.0.0.1:${port}`,
    credentials: { user: 'admin', password: 'secret' },
  });
  open.push(() => client.close());
  const events = (await client.subscribe(bitsNamespace, query))[Symbol.asyncIterator]();
  const first = events.next();
  const id = await create();
  const given = await first;
  expect(given.done !== true && given.value.className).toBe('__InstanceCreationEvent');
  const changes = (await createProxy(client).jobs.watchJob(id))[Symbol.asyncIterator]();
  const waiting = [events.next(), changes.next()];
  await events.return?.();
  await changes.return?.();
  expect(await Promise.all(waiting)).toMatchObject([{ done: true }, { done: true }]);
});

describe('where events may be pushed to', () => {
  const allows = createPushTargets(['sink.example:5985', '[2001:DB8::1]:443', '192.0.2.0/24', '2001:db8:1::/48']);

  it.each<[string, boolean]>([
    ['http://sink.example:5985/x?y', true],
    ['https://SINK.example:5985', true],
    ['http://sink.example/', false],
    ['http://sink.example:5986/', false],
    ['http://sink.example.evil:5985/', false],
    ['http://user@sink.example:5985/', false],
    ['http://user:pw@sink.example:5985/', false],
    ['http://sink.example:5985/#x', false],
    ['http://sink.example:5985@127.0.0.1/', false],
    ['ftp://sink.example:5985/', false],
    ['https://[2001:db8:0::1]/', true],
    ['http://[2001:db8:0::1]/', false],
    ['http://192.0.2.7/', true],
    ['http://192.0.2.7:22/', true],
    ['http://0xC0000207/', true],
    ['http://192.0.3.7/', false],
    ['http://[2001:db8:1::5]:80/', true],
    ['http://[2001:db8:2::5]/', false],
    ['http://localhost/', false],
    ['nonsense', false],
  ])('%s: %s', (url, expected) => {
    expect(allows(url)).toBe(expected);
  });

  it('is nowhere unless said', () => {
    expect(createPushTargets([])('http://127.0.0.1/')).toBe(false);
  });

  it.each([
    'sink.example',
    'http://sink.example:80',
    'sink.example:0',
    'sink.example:99999',
    '10.0.0.0/33',
    '10.0.0/8',
    'a/8',
    '::/129',
    'x y:1',
  ])('refuses the entry %s', (entry) => {
    expect(() => createPushTargets([entry])).toThrow(expect.objectContaining({ code: 'usage/invalid' }));
  });
});
