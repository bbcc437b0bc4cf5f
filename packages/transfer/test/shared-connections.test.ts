import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SeededRandom } from '@carmine/testkit';
import { createFileTransfer } from '@carmine/transfer';
import { createHttpReceiverFactory, credentialAuthenticators, nodePlatform } from '@carmine/transfer/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { authority, server } from './support/certificates.ts';
import { HttpOrigin } from './support/http-origin.ts';
import { type ProxyLogon, TestProxy } from './support/http-proxy.ts';
import { protect } from './support/protect.ts';

const content = new SeededRandom(15).bytes(40_000);
let folder: string;
let origin: HttpOrigin;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'carmine-shared-'));
  origin = await HttpOrigin.start(content);
});
afterEach(async () => {
  await origin.close();
  rmSync(folder, { recursive: true, force: true });
});

type Receivers = ReturnType<typeof createHttpReceiverFactory>;

/** One file after the other, as jobs are. */
async function fetchFiles(count: number, receivers: Receivers, url = origin.url): Promise<void> {
  for (let index = 0; index < count; index++) {
    const path = join(folder, `file-${index}`);
    const temporaryName = `BIT${String(index).padStart(16, '0')}.tmp`;
    const transfer = createFileTransfer(nodePlatform(), { url, path, temporaryName, receivers });
    await transfer.run();
    await transfer.finish();
    expect(readFileSync(path).equals(content)).toBe(true);
  }
}

describe('files that come over the same receivers', () => {
  it.each(['ntlm', 'negotiate'] as const)('log on once for each connection with %s, and need few', async (scheme) => {
    const admitted = protect(origin, [scheme], false);
    const { behaviour } = origin;
    let refused = 0;
    origin.behaviour = (request, response, seen) => {
      const handled = behaviour?.(request, response, seen) ?? false;
      if (handled) refused++;
      return handled;
    };
    const authenticator = credentialAuthenticators([
      { target: 'server', scheme, userName: 'admin', password: 'Pässw0rd' },
    ]);
    const receivers = createHttpReceiverFactory({ authenticator, idle: 60_000 });
    await fetchFiles(50, receivers);
    expect(origin.connections).toBe(1);
    // Asked for a name, and with NTLM for the proof: never again after that.
    expect(refused).toBeLessThanOrEqual(2);
    expect(new Set(admitted).size).toBe(1);
    expect(readdirSync(folder)).toHaveLength(50);
    expect(receivers.isIdle()).toBe(false);
    receivers.close();
    expect(receivers.isIdle()).toBe(true);
  });

  it('have a connection of their own unless told otherwise', async () => {
    const receivers = createHttpReceiverFactory();
    await fetchFiles(3, receivers);
    expect(origin.connections).toBe(3);
    expect(receivers.isIdle()).toBe(true);
  });

  it('get a new one where the server closed the one that waited', async () => {
    origin.behaviour = (_request, response) => {
      response.setHeader('connection', 'close');
      return false;
    };
    const receivers = createHttpReceiverFactory({ idle: 60_000 });
    await fetchFiles(5, receivers);
    expect(origin.connections).toBe(5);
    receivers.close();
  });

  it('go the fast way again after one that was nothing for it', async () => {
    origin.behaviour = (request, response) => {
      if (request.url !== '/odd') return false;
      response.writeHead(200, { etag: '"1"' });
      response.write(content.subarray(0, 10));
      response.end(content.subarray(10));
      return true;
    };
    const receivers = createHttpReceiverFactory({ idle: 60_000 });
    await fetchFiles(1, receivers);
    const odd = new URL('/odd', origin.url).href;
    await expect(fetchFiles(1, receivers, odd)).rejects.toMatchObject({ code: 'transfer/missing-length' });
    const before = origin.connections;
    await fetchFiles(10, receivers);
    expect(origin.connections).toBeLessThanOrEqual(before + 1);
    receivers.close();
  });

  it('are not told of each other by a connection to where a redirect led', async () => {
    const elsewhere = await HttpOrigin.start(content);
    try {
      const seen: (string | undefined)[] = [];
      elsewhere.behaviour = (request) => {
        seen.push(request.headers.authorization);
        return false;
      };
      origin.behaviour = (_request, response) =>
        Boolean(response.writeHead(302, { location: elsewhere.url, 'content-length': 0 }).end());
      const authenticator = credentialAuthenticators([
        { target: 'server', scheme: 'ntlm', userName: 'admin', password: 'Pässw0rd' },
      ]);
      const receivers = createHttpReceiverFactory({ authenticator, idle: 60_000 });
      await fetchFiles(4, receivers);
      expect([origin.connections, elsewhere.connections]).toEqual([1, 1]);
      expect(new Set(seen)).toEqual(new Set([undefined]));
      // To a file that is there itself, credentials may go, over a connection of its own.
      const admitted = protect(elsewhere, ['ntlm'], false);
      await fetchFiles(2, receivers, elsewhere.url);
      expect(elsewhere.connections).toBe(2);
      expect(admitted.length).toBeGreaterThan(0);
      receivers.close();
    } finally {
      await elsewhere.close();
    }
  });
});

const tls = { cert: server.certificate, key: server.privateKey };
const admin = (target: 'server' | 'proxy', scheme: 'ntlm' | 'negotiate') =>
  credentialAuthenticators([{ target, scheme, userName: 'admin', password: 'Pässw0rd' }], undefined, target);

describe.each([false, true])('files that come through a proxy over the same receivers (TLS %s)', (secure) => {
  const open: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const each of open.splice(0)) await each.close();
  });
  async function start<T extends { close(): Promise<void> }>(starting: Promise<T>): Promise<T> {
    const started = await starting;
    open.push(started);
    return started;
  }
  const startOrigin = () => start(HttpOrigin.start(content, secure ? tls : undefined));
  const startProxy = (logon?: ProxyLogon) => start(TestProxy.start(logon));
  const through = (...proxies: TestProxy[]) =>
    ({
      trust: [authority],
      idle: 60_000,
      proxy: { usage: 'list', list: proxies.map((each) => each.address).join(' ') },
    }) as const;

  it.each(['ntlm', 'negotiate'] as const)('log on to it once for each connection with %s', async (scheme) => {
    const [behind, proxy] = [await startOrigin(), await startProxy({ scheme })];
    const receivers = createHttpReceiverFactory({ ...through(proxy), proxyAuthenticator: admin('proxy', scheme) });
    await fetchFiles(20, receivers, behind.url);
    expect(proxy.connections).toBe(1);
    if (secure) expect(behind.connections).toBe(1);
    expect(proxy.refused).toBeLessThanOrEqual(2);
    expect(new Set(proxy.admitted)).toEqual(new Set(['FILES\\admin ntlm']));
    for (const { headers } of behind.seen) expect(headers).not.toHaveProperty('proxy-authorization');
    expect(receivers.isIdle()).toBe(false);
    receivers.close();
    expect(receivers.isIdle()).toBe(true);
  });

  it('never share one with who has other receivers, as he may be somebody else', async () => {
    const [behind, proxy] = [await startOrigin(), await startProxy({ scheme: 'ntlm' })];
    const receivers = createHttpReceiverFactory({ ...through(proxy), proxyAuthenticator: admin('proxy', 'ntlm') });
    await fetchFiles(2, receivers, behind.url);
    const nobody = createHttpReceiverFactory(through(proxy));
    await expect(fetchFiles(1, nobody, behind.url)).rejects.toMatchObject({ code: 'transfer/proxy-authentication' });
    expect(proxy.connections).toBe(2);
    receivers.close();
    nobody.close();
  });

  it('have one for each origin, and another where a redirect led', async () => {
    const [first, second, proxy] = [await startOrigin(), await startOrigin(), await startProxy()];
    const receivers = createHttpReceiverFactory(through(proxy));
    for (let round = 0; round < 3; round++) {
      for (const each of [first, second]) await fetchFiles(1, receivers, each.url);
    }
    expect(proxy.connections).toBe(2);
    first.behaviour = (_request, response) =>
      Boolean(response.writeHead(302, { location: second.url, 'content-length': 0 }).end());
    await fetchFiles(3, receivers, first.url);
    expect(proxy.connections).toBe(3);
    receivers.close();
  });

  it('get a new one where it was closed meanwhile, over another proxy where theirs is gone', async () => {
    const [behind, proxy, next] = [await startOrigin(), await startProxy(), await startProxy()];
    behind.headers = { connection: 'close' };
    const receivers = createHttpReceiverFactory(through(proxy, next));
    await fetchFiles(3, receivers, behind.url);
    expect([proxy.connections, next.connections]).toEqual([3, 0]);
    behind.headers = {};
    await fetchFiles(2, receivers, behind.url);
    expect(proxy.connections).toBe(4);
    await proxy.close();
    open.splice(open.indexOf(proxy), 1);
    await fetchFiles(3, receivers, behind.url);
    expect(next.connections).toBe(1);
    receivers.close();
  });

  it.runIf(secure)('log on to the origin once for each connection too, through a tunnel', async () => {
    const [behind, proxy] = [await startOrigin(), await startProxy({ scheme: 'ntlm' })];
    const admitted = protect(behind, ['ntlm'], true);
    const receivers = createHttpReceiverFactory({
      ...through(proxy),
      proxyAuthenticator: admin('proxy', 'ntlm'),
      authenticator: admin('server', 'ntlm'),
    });
    await fetchFiles(10, receivers, behind.url);
    expect([proxy.connections, behind.connections]).toEqual([1, 1]);
    expect(new Set(admitted)).toEqual(new Set(['FILES\\admin ntlm']));
    // One GET for each file, and the two that were refused.
    expect(behind.seen).toHaveLength(12);
    receivers.close();
  });
});

describe('files that come over undici with the same receivers', () => {
  it('need one connection, and log on once', async () => {
    const admitted = protect(origin, ['ntlm'], false);
    const receivers = createHttpReceiverFactory({ fast: false, authenticator: admin('server', 'ntlm'), idle: 60_000 });
    await fetchFiles(20, receivers);
    expect(origin.connections).toBe(1);
    expect(origin.seen).toHaveLength(22);
    expect(new Set(admitted).size).toBe(1);
    receivers.close();
    expect(receivers.isIdle()).toBe(true);
  });

  it('do not take over one whose answer was given up', async () => {
    const receivers = createHttpReceiverFactory({ fast: false, idle: 60_000 });
    const path = join(folder, 'file');
    const transfer = createFileTransfer(nodePlatform(), {
      url: origin.url,
      path,
      temporaryName: 'BIT00000000000000AA.tmp',
      receivers,
      onProgress: () => void transfer.stop(),
    });
    await transfer.run().catch(() => undefined);
    const before = origin.connections;
    await fetchFiles(2, receivers);
    expect(origin.connections).toBeLessThanOrEqual(before + 1);
    receivers.close();
  });
});
