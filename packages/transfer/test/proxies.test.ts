import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SeededRandom } from '@carmine/testkit';
import { checkHeaders, type ProxyChoice, proxiesFor, type ResponseHead, retryAfter } from '@carmine/transfer';
import {
  createHttpReceiverFactory,
  credentialAuthenticators,
  type DownloadOptions,
  download,
  type HttpReceiverOptions,
} from '@carmine/transfer/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { authority, expired, other, server } from './support/certificates.ts';
import { HttpOrigin } from './support/http-origin.ts';
import { type ProxyLogon, TestProxy } from './support/http-proxy.ts';
import { protect } from './support/protect.ts';
import { WireOrigin } from './support/wire-origin.ts';

const content = new SeededRandom(21).bytes(150_000);
const tls = { cert: server.certificate, key: server.privateKey };
let folder: string;
let path: string;
const open: { close(): Promise<void> }[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'carmine-proxy-'));
  path = join(folder, 'file');
});
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
  rmSync(folder, { recursive: true, force: true });
});
async function start(options?: Parameters<typeof HttpOrigin.start>[1]): Promise<HttpOrigin> {
  const origin = await HttpOrigin.start(content, options);
  open.push(origin);
  return origin;
}
async function startProxy(logon?: ProxyLogon): Promise<TestProxy> {
  const proxy = await TestProxy.start(logon);
  open.push(proxy);
  return proxy;
}
const fetchFrom = (origin: { readonly url: string }, options: DownloadOptions) =>
  download(origin.url, path, { roots: [folder], trust: [authority], ...options });
const same = () => readFileSync(path).equals(content);

describe('which proxy', () => {
  const names = (url: string, choice: ProxyChoice) =>
    proxiesFor(url, choice).map(({ host, port }) => `${host}:${port}`);
  it.each<[string, string, string | undefined, string[]]>([
    ['http://a.example/', 'p:8080', undefined, ['p:8080']],
    ['http://a.example/', 'p q:3128', undefined, ['p:80', 'q:3128']],
    ['http://a.example/', 'https=s:1 http=p:2', undefined, ['p:2']],
    ['https://a.example/', 'https=s:1 http=p:2', undefined, ['s:1']],
    ['http://a.example/', 'http://p:2/', undefined, ['p:2']],
    ['http://a.example/', '[::1]:2', undefined, ['::1:2']],
    ['http://a.example/', 'p', '*.example', []],
    ['http://a.example/', 'p', 'b.example <local>', ['p:80']],
    ['http://A.example/', 'p', 'a.EXAMPLE', []],
    ['http://host/', 'p', '<local>', []],
  ])('%s with %s, bypass %s: %j', (url, list, bypass, expected) => {
    expect(names(url, { usage: 'list', list, bypass })).toEqual(expected);
  });

  it.each(['', ' ', 'p:0', 'p:70000', 'https://p', 'a b c:x', 'p@q', 'socks=socks5://p'])('%j is no list', (list) => {
    expect(() => proxiesFor('http://a/', { usage: 'list', list })).toThrow(
      expect.objectContaining({ code: 'job/invalid-proxy', hresult: 0x8020_003f }),
    );
  });

  it('refuses a wildcard that is not at the left', () => {
    expect(() => proxiesFor('http://a/', { usage: 'list', list: 'p', bypass: 'a.*' })).toThrow('wildcard');
  });

  it.each<[string, Record<string, string>, string[]]>([
    ['http://a.example/', { http_proxy: 'http://p:1' }, ['p:1']],
    ['http://a.example/', { HTTP_PROXY: 'http://p:1' }, []],
    ['https://a.example/', { HTTPS_PROXY: 'http://u:v@p:1/' }, ['p:1']],
    ['https://a.example/', { all_proxy: 'p:1' }, ['p:1']],
    ['https://a.example/', { https_proxy: 'p:1', no_proxy: 'b.example,.example' }, []],
    ['https://example/', { https_proxy: 'p:1', NO_PROXY: '*' }, []],
    ['https://notexample/', { https_proxy: 'p:1', no_proxy: 'example' }, ['p:1']],
  ])('%s in the environment %j: %j', (url, variables, expected) => {
    expect(names(url, { usage: 'environment', variables })).toEqual(expected);
  });
});

describe('through a proxy', () => {
  it('http goes as absolute-form, https through a tunnel', async () => {
    const proxy = await startProxy();
    const choice = { usage: 'list', list: proxy.address } as const;
    const [plain, secure] = [await start(), await start(tls)];
    await fetchFrom(plain, { proxy: choice });
    expect(same()).toBe(true);
    expect(proxy.asked).toEqual([`GET ${plain.url}`]);
    await fetchFrom(secure, { proxy: choice });
    expect(same()).toBe(true);
    expect(proxy.asked[1]).toBe(`CONNECT ${new URL(secure.url).host}`);
  });

  it('how far away the origin is is not told by a connection to the proxy', async () => {
    const proxy = await startProxy();
    const connected = async (url: string, options: HttpReceiverOptions) => {
      const receiver = createHttpReceiverFactory({ ...options, trust: [authority] })(url);
      const head = await new Promise<ResponseHead>((onHead, onError) => {
        receiver.request({ method: 'GET' }, { onHead, onData: (_, done) => done?.(), onEnd: () => undefined, onError });
      });
      receiver.close();
      return head.connected;
    };
    for (const origin of [await start(), await start(tls)]) {
      expect(await connected(origin.url, {})).toBeGreaterThan(0);
      expect(await connected(origin.url, { proxy: { usage: 'list', list: proxy.address } })).toBeUndefined();
    }
  });

  it.each(
    [
      { scheme: 'basic', credentials: 'user:pass' },
      { scheme: 'digest', credentials: 'user:pass', algorithm: 'MD5' },
      { scheme: 'digest', credentials: 'user:pass', algorithm: 'SHA-256' },
      { scheme: 'ntlm' },
      { scheme: 'negotiate' },
    ].flatMap((logon) => [
      { ...logon, secure: false },
      { ...logon, secure: true },
    ]) as (ProxyLogon & { secure: boolean })[],
  )('logs on to it, and tells the origin nothing of that: %j', async ({ secure, ...logon }) => {
    const proxy = await startProxy(logon);
    const origin = await start(secure ? tls : undefined);
    const [userName = 'admin', password = 'Pässw0rd'] = 'credentials' in logon ? logon.credentials.split(':') : [];
    const credentials = { target: 'proxy', scheme: logon.scheme, userName, password } as const;
    const options = {
      proxy: { usage: 'list', list: proxy.address },
      proxyAuthenticator: credentialAuthenticators([credentials], undefined, 'proxy'),
      connections: 2,
      pieceBytes: 30_000,
    } as const;
    await fetchFrom(origin, options);
    expect(same()).toBe(true);
    for (const { headers } of origin.seen) expect(headers).not.toHaveProperty('proxy-authorization');
    if (!('credentials' in logon)) expect(new Set(proxy.admitted)).toEqual(new Set(['FILES\\admin ntlm']));
    // Once for each connection, the two or three answers that the scheme takes.
    expect(proxy.refused).toBeLessThanOrEqual(2 * proxy.connections);
    for (const wrong of [
      { ...credentials, password: 'wrong' },
      { ...credentials, userName: 'nobody' },
    ]) {
      const refused = { ...options, proxyAuthenticator: credentialAuthenticators([wrong], undefined, 'proxy') };
      await expect(fetchFrom(origin, refused)).rejects.toMatchObject({
        code: 'transfer/proxy-authentication',
        hresult: 0x8019_0197,
      });
    }
    await expect(fetchFrom(origin, { ...options, proxyAuthenticator: undefined })).rejects.toMatchObject({
      code: 'transfer/proxy-authentication',
    });
  });

  it.each([false, true])('logs on to it and to the origin, with NTLM both (TLS %s)', async (secure) => {
    const proxy = await startProxy({ scheme: 'ntlm' });
    const origin = await start(secure ? tls : undefined);
    // Without TLS the origin's connection is the proxy's own: it belongs to everybody, so NTLM is nothing for it, and Basic is not sent.
    const admitted = secure ? protect(origin, ['ntlm'], true) : undefined;
    const credentials = (target: 'proxy' | 'server') =>
      credentialAuthenticators(
        [{ target, scheme: 'ntlm', userName: 'admin', password: 'Pässw0rd' }],
        undefined,
        target,
      );
    await fetchFrom(origin, {
      proxy: { usage: 'list', list: proxy.address },
      proxyAuthenticator: credentials('proxy'),
      authenticator: credentials('server'),
    });
    expect(same()).toBe(true);
    expect(new Set(proxy.admitted)).toEqual(new Set(['FILES\\admin ntlm']));
    if (admitted !== undefined) expect(new Set(admitted)).toEqual(new Set(['FILES\\admin ntlm']));
  });

  it.each([false, true])('takes the next one when one is dead (TLS %s)', async (secure) => {
    const [proxy, dead] = [await startProxy(), await startProxy()];
    const address = dead.address;
    await dead.close();
    open.splice(open.indexOf(dead), 1);
    const origin = await start(secure ? tls : undefined);
    for (const list of [`${address} ${proxy.address}`, `${proxy.address} ${address}`]) {
      await fetchFrom(origin, { proxy: { usage: 'list', list } });
      expect(same()).toBe(true);
    }
    await expect(fetchFrom(origin, { proxy: { usage: 'list', list: address } })).rejects.toMatchObject({
      code: 'transfer/connect',
    });
  });

  it.each([false, true])(
    'the file comes the fast way, over the connection that was logged on (TLS %s)',
    async (secure) => {
      const proxy = await startProxy({ scheme: 'ntlm' });
      const origin = await start(secure ? tls : undefined);
      // More than all buffers hold: the connection waits now and then.
      origin.content = new SeededRandom(22).bytes(24 * 1024 * 1024 + 3);
      const receivers = createHttpReceiverFactory({
        trust: [authority],
        proxy: { usage: 'list', list: proxy.address },
        proxyAuthenticator: credentialAuthenticators(
          [{ target: 'proxy', scheme: 'ntlm', userName: 'admin', password: 'Pässw0rd' }],
          undefined,
          'proxy',
        ),
      });
      const receiver = receivers(origin.url);
      const parts: Uint8Array[] = [];
      const kept: (() => void)[] = [];
      await new Promise<void>((resolve, reject) => {
        receiver.request(
          { method: 'GET' },
          {
            onHead: () => undefined,
            onData(chunk, release) {
              parts.push(Uint8Array.from(chunk));
              // undici's has none.
              if (release === undefined) reject(new Error('it came over undici'));
              else kept.push(release);
            },
            onCrowded(waits) {
              if (waits) setImmediate(() => kept.splice(0).map((release) => release()));
            },
            onEnd: resolve,
            onError: reject,
          },
        );
      }).finally(() => receiver.close());
      expect(Buffer.concat(parts).equals(origin.content)).toBe(true);
      expect([proxy.connections, origin.connections, proxy.refused]).toEqual([1, 1, 2]);
    },
  );

  it.each([0, 1, 2])(
    'a tunnel that nobody wants any more is given up, %i turns after it was asked for',
    async (turns) => {
      const { promise: asked, resolve: ask } = Promise.withResolvers<Socket>();
      const proxy = await WireOrigin.start((_request, socket) => ask(socket));
      open.push(proxy);
      const receivers = createHttpReceiverFactory({ proxy: { usage: 'list', list: new URL(proxy.url).host } });
      const receiver = receivers('https://files.example/');
      const exchange = receiver.request(
        { method: 'GET' },
        { onHead: () => undefined, onData: () => undefined, onEnd: () => undefined, onError: () => undefined },
      );
      const socket = await asked;
      const closed = new Promise((resolve) => socket.once('close', resolve));
      for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
      exchange.abort();
      await closed;
      receiver.close();
      expect(receivers.isIdle()).toBe(true);
    },
  );

  it('a tunnel that is refused is what the proxy says', async () => {
    const proxy = await startProxy();
    proxy.tunnelStatus = 503;
    await expect(fetchFrom(await start(tls), { proxy: { usage: 'list', list: proxy.address } })).rejects.toMatchObject({
      code: 'transfer/http-status-transient',
      context: { status: 503 },
    });
  });
});

describe('headers of the caller', () => {
  it('go with every request to the own origin, and nowhere else', async () => {
    const [origin, elsewhere] = [await start(), await start()];
    await fetchFrom(origin, {
      headers: [
        ['X-Key', '7'],
        ['User-Agent', 'Mine'],
      ],
      connections: 2,
      pieceBytes: 30_000,
    });
    for (const { headers } of origin.seen) expect(headers).toMatchObject({ 'x-key': '7', 'user-agent': 'Mine' });
    origin.behaviour = (_request, response) => Boolean(response.writeHead(302, { location: elsewhere.url }).end());
    await fetchFrom(origin, { headers: [['X-Key', '7']] });
    expect(elsewhere.seen.length).toBeGreaterThan(0);
    for (const { headers } of elsewhere.seen) expect(headers).not.toHaveProperty('x-key');
  });

  it.each([
    [[['Range', 'bytes=0-1']]],
    [[['Host', 'x']]],
    [[['a b', 'x']]],
    [[['x', 'a\r\nb']]],
    [[['x', 'a'.repeat(16_384)]]],
  ] as [[string, string][]][])('%j are refused', (headers) => {
    expect(() => checkHeaders(headers)).toThrow(expect.objectContaining({ code: 'job/invalid-argument' }));
  });
});

describe('redirects', () => {
  it('may be refused, which is an error with their status, and are told', async () => {
    const [origin, elsewhere] = [await start(), await start()];
    origin.behaviour = (_request, response) => Boolean(response.writeHead(302, { location: elsewhere.url }).end());
    const told: string[] = [];
    const onRedirect = (url: string) => told.push(url);
    await expect(fetchFrom(origin, { redirects: { disallow: true, onRedirect } })).rejects.toMatchObject({
      hresult: 0x8019_012e,
      kind: 'fatal',
    });
    expect([told, elsewhere.seen]).toEqual([[elsewhere.url], []]);
    await fetchFrom(origin, { redirects: { onRedirect } });
    expect([told.length, same()]).toEqual([2, true]);
  });

  it('lead from https to http only when that is allowed', async () => {
    const [origin, plain] = [await start(tls), await start()];
    origin.behaviour = (_request, response) => Boolean(response.writeHead(302, { location: plain.url }).end());
    await expect(fetchFrom(origin, {})).rejects.toMatchObject({ code: 'transfer/redirect' });
    await fetchFrom(origin, { redirects: { allowHttpsToHttp: true } });
    expect(same()).toBe(true);
  });
});

describe.each([true, false])('what may be wrong with a certificate (fast way %s)', (fast) => {
  const pairs = { server, other, expired };
  it.each<[keyof typeof pairs, boolean, object, string | undefined]>([
    ['other', true, { ignoreName: true }, undefined],
    ['other', true, { ignoreDate: true }, 'transfer/certificate-name'],
    ['expired', true, { ignoreDate: true }, undefined],
    ['expired', true, { ignoreName: true }, 'transfer/certificate-date'],
    ['server', false, { ignoreUnknownAuthority: true }, undefined],
    ['server', false, { ignoreName: true, ignoreDate: true, ignoreUsage: true }, 'transfer/untrusted'],
    // Both are wrong; OpenSSL speaks of one of them only.
    ['expired', false, { ignoreDate: true }, 'transfer/untrusted'],
    ['expired', false, { ignoreUnknownAuthority: true }, 'transfer/certificate-date'],
    ['other', false, { ignoreUnknownAuthority: true }, 'transfer/certificate-name'],
  ])('%s, authority known %s, with %j: %s', async (name, known, policy, code) => {
    const pair = pairs[name];
    const origin = await start({ cert: pair.certificate, key: pair.privateKey });
    const fetching = fetchFrom(origin, { fast, trust: known ? [authority] : [], tls: policy });
    if (code === undefined) {
      await fetching;
      expect(same()).toBe(true);
    } else {
      await expect(fetching).rejects.toMatchObject({ code });
      expect(origin.seen).toEqual([]);
    }
  });

  it('without a list of revoked certificates nobody is trusted when one is wanted', async () => {
    await expect(fetchFrom(await start(tls), { fast, tls: { checkRevocation: { lists: [] } } })).rejects.toMatchObject({
      kind: 'fatal',
    });
  });
});

describe('Retry-After', () => {
  it.each([
    ['120', 120_000],
    [' 0 ', 0],
    ['Thu, 01 Jan 1970 00:01:00 GMT', 59_000],
    ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
    ['soon', undefined],
    ['-1', undefined],
    [undefined, undefined],
  ])('%j is %j ms', (value, expected) => {
    expect(retryAfter(value, 1_000)).toBe(expected);
  });
});
