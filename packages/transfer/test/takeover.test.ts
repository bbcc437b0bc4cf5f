import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { SeededRandom } from '@carmine/testkit';
import { createHttpReceiverFactory, credentialAuthenticators, type HttpReceiverFactory } from '@carmine/transfer/node';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import type { ReceiverExchange } from '../src/receiver.ts';
import { authority, server } from './support/certificates.ts';
import { TestProxy } from './support/http-proxy.ts';
import { acceptors } from './support/protect.ts';
import { WireOrigin } from './support/wire-origin.ts';

const content = new SeededRandom(31).bytes(30_000);
const good = Buffer.concat([
  Buffer.from(`HTTP/1.1 200 OK\r\nETag: "1"\r\nAccept-Ranges: bytes\r\nContent-Length: ${content.length}\r\n\r\n`),
  content,
]);
const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

/** Who asks who one is. */
type Asker = (typeof askers)[number];
const askers = ['server', 'server over TLS', 'proxy', 'server behind a tunnel'] as const;

/** What becomes of the n-th answer, from 1; `octets` is what it should be. */
type Fault = (answer: number, octets: Buffer, socket: Socket) => void;

/** Asks who one is with challenges that are HTTP/1.0, which undici alone reads, and keep their connection. The file comes as usual. */
async function start(
  scheme: 'ntlm' | 'negotiate',
  asker: Asker,
  fault: Fault = (_answer, octets, socket) => socket.write(octets),
) {
  const tunnelled = asker === 'server behind a tunnel';
  const secure = tunnelled || asker === 'server over TLS';
  const acceptorOf = acceptors([scheme], secure);
  const [target, status, name] =
    asker === 'proxy'
      ? (['proxy', 407, 'Proxy-Authenticate'] as const)
      : (['server', 401, 'WWW-Authenticate'] as const);
  let answers = 0;
  const log = { asked: 0, admitted: [] as number[], paths: new Set<string>() };
  const origin = await WireOrigin.start(
    ({ authorization, path, connection }, socket) => {
      log.paths.add(path);
      const outcome = acceptorOf(socket).authenticate(authorization);
      if (outcome.kind === 'accepted') {
        log.admitted.push(connection);
        const proof = outcome.responseHeader;
        const field = proof === undefined ? '' : `${name}: ${proof}\r\n`;
        fault(++answers, Buffer.from(good.toString('latin1').replace('ETag', `${field}ETag`), 'latin1'), socket);
        return;
      }
      log.asked++;
      const fields = outcome.headers.map((value) => `${name}: ${value}\r\n`).join('');
      const head = `HTTP/1.0 ${status} Who\r\n${fields}Connection: keep-alive\r\nContent-Length: 4\r\n\r\n`;
      fault(++answers, Buffer.from(`${head}who?`), socket);
    },
    secure ? { cert: server.certificate, key: server.privateKey } : undefined,
  );
  open.push(origin);
  const proxy = tunnelled ? await TestProxy.start() : undefined;
  if (proxy !== undefined) open.push(proxy);
  const who = credentialAuthenticators(
    [{ target, scheme, userName: 'admin', password: 'Pässw0rd' }],
    undefined,
    target,
  );
  const list = asker === 'proxy' ? new URL(origin.url).host : proxy?.address;
  const receivers = createHttpReceiverFactory({
    idle: 60_000,
    trust: [authority],
    ...(target === 'server' ? { authenticator: who } : { proxyAuthenticator: who }),
    ...(list === undefined ? {} : { proxy: { usage: 'list', list } as const }),
  });
  open.push(receivers);
  const url = asker === 'proxy' ? 'http://files.example/file' : origin.url;
  return { url, origin, proxy, receivers, log };
}

/** One file, and the way that its content came; or what went wrong. */
function fetchOnce(
  { url, receivers }: { readonly url: string; readonly receivers: HttpReceiverFactory },
  steer: (exchange: () => ReceiverExchange) => void = () => undefined,
): Promise<'fast' | 'general' | { readonly code: unknown }> {
  const receiver = receivers(url);
  const parts: Uint8Array[] = [];
  let fast = 0;
  return new Promise<'fast' | 'general' | { readonly code: unknown }>((resolve) => {
    const exchange: ReceiverExchange = receiver.request(
      { method: 'GET' },
      {
        onHead: ({ status }) => expect(status).toBe(200),
        onData(chunk, release) {
          parts.push(Uint8Array.from(chunk));
          if (release !== undefined) fast++;
          release?.();
        },
        onEnd() {
          expect(Buffer.concat(parts).equals(content)).toBe(true);
          resolve(fast === parts.length ? 'fast' : 'general');
        },
        onError: ({ code }) => resolve({ code }),
      },
    );
    steer(() => exchange);
  }).finally(() => receiver.close());
}

describe.each(askers)('a connection that undici had to log on to a %s', (asker) => {
  it.each(['ntlm', 'negotiate'] as const)('is the one that the file comes over, the fast way: %s', async (scheme) => {
    const started = await start(scheme, asker);
    expect(await fetchOnce(started)).toBe('fast');
    // The one of which nobody could read the challenge, and the one that was logged on.
    expect(started.origin.connections).toBe(2);
    for (let file = 0; file < 5; file++) expect(await fetchOnce(started)).toBe('fast');
    expect(started.origin.connections).toBe(2);
    expect(new Set(started.log.admitted)).toEqual(new Set([2]));
    expect(started.log.asked).toBe(3);
    expect([...started.log.paths]).toEqual([asker === 'proxy' ? started.url : '/file']);
    if (started.proxy !== undefined) expect(started.proxy.connections).toBe(2);
  });

  it('is found in any pieces that the answers come in', async () => {
    const cuts = fc.array(fc.nat(900), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(fc.array(cuts, { minLength: 4, maxLength: 4 }), async (lists) => {
        const started = await start('ntlm', asker, (answer, octets, socket) => {
          const ends = [...new Set(lists[answer - 1])].filter((cut) => cut < octets.length).sort((a, b) => a - b);
          writeInPieces(socket, octets, [...ends, octets.length]);
        });
        expect(await fetchOnce(started)).toBe('fast');
        expect([started.origin.connections, started.log.asked]).toEqual([2, 3]);
        for (const each of open.splice(0)) await each.close();
      }),
      { numRuns: 40 },
    );
  });

  it('is found octet by octet', async () => {
    const started = await start('ntlm', asker, (answer, octets, socket) => {
      if (answer === 4) socket.write(octets);
      else
        writeInPieces(
          socket,
          octets,
          Array.from(octets, (_, index) => index + 1),
        );
    });
    expect(await fetchOnce(started)).toBe('fast');
    expect(started.origin.connections).toBe(2);
  });
});

describe.each(askers)('a connection to a %s on which something is wrong when it would be taken over', (asker) => {
  const forged = 'HTTP/1.1 200 OK\r\nETag: "1"\r\nContent-Length: 3\r\n\r\nbad';
  it.each<[string, (octets: Buffer, socket: Socket) => void]>([
    ['an answer to nothing', (octets, socket) => socket.write(Buffer.concat([octets, Buffer.from(forged)]))],
    ['the beginning of one', (octets, socket) => socket.write(Buffer.concat([octets, Buffer.from('H')]))],
    ['a zero', (octets, socket) => socket.write(Buffer.concat([octets, Buffer.alloc(1)]))],
    ['a zero, later', (octets, socket) => socket.write(octets, () => setImmediate(() => socket.write('\0')))],
    ['its end', (octets, socket) => socket.end(octets)],
    ['its end, later', (octets, socket) => socket.write(octets, () => setImmediate(() => socket.end()))],
    ['its end too soon', (octets, socket) => socket.end(octets.subarray(0, -2))],
    ['a reset', (octets, socket) => socket.write(octets, () => reset(socket))],
    ['a reset, later', (octets, socket) => socket.write(octets, () => setImmediate(() => reset(socket)))],
    ['a reset too soon', (octets, socket) => socket.write(octets.subarray(0, -2), () => reset(socket))],
    ['a reset instead', (_octets, socket) => reset(socket)],
  ])('is dropped, and nothing of it is in the file: %s', async (_what, wrong) => {
    for (const at of [1, 2, 3, 4]) {
      const started = await start('ntlm', asker, (answer, octets, socket) => {
        if (answer === at) wrong(octets, socket);
        else if (!socket.destroyed) socket.write(octets);
      });
      // The content is compared whenever there is some. What comes later may hit the request of the next file.
      for (const _file of [1, 2]) {
        const end = await fetchOnce(started);
        if (typeof end === 'string') continue;
        expect(['transfer/connection-lost', 'transfer/invalid-response']).toContain(end.code);
      }
      expect(await fetchOnce(started)).toBeTypeOf('string');
      for (const each of open.splice(0)) await each.close();
    }
  });

  it.each<[string, (octets: Buffer, socket: Socket) => void]>([
    ['an answer to nothing', (octets, socket) => socket.write(Buffer.concat([octets, Buffer.from(forged)]))],
    ['the beginning of one', (octets, socket) => socket.write(Buffer.concat([octets, Buffer.from('H')]))],
    ['a zero', (octets, socket) => socket.write(Buffer.concat([octets, Buffer.alloc(1)]))],
    ['a reset', (octets, socket) => socket.write(octets, () => reset(socket))],
  ])('is not the one that somebody is known on; a new one is logged on: %s', async (_what, wrong) => {
    const started = await start('ntlm', asker, (answer, octets, socket) => {
      if (answer === 3) wrong(octets, socket);
      else socket.write(octets);
    });
    await fetchOnce(started);
    await fetchOnce(started);
    expect(started.log.admitted.length).toBeGreaterThan(0);
    expect(started.log.admitted).not.toContain(2);
  });

  it('goes when nobody wants it any more, at every step', async () => {
    for (const at of [1, 2, 3, 4]) {
      for (let turns = 0; turns < 6; turns++) {
        let abort: () => void = () => undefined;
        const { promise: aborted, resolve } = Promise.withResolvers<void>();
        let armed = true;
        const started = await start('ntlm', asker, (answer, octets, socket) => {
          socket.write(octets);
          if (answer !== at || !armed) return;
          armed = false;
          const later = (left: number): void => {
            if (left > 0) setImmediate(later, left - 1);
            else {
              abort();
              resolve();
            }
          };
          later(turns);
        });
        const first = fetchOnce(started, (exchange) => {
          abort = () => exchange().abort();
        });
        await Promise.race([aborted, first]);
        expect(await fetchOnce(started)).toBeTypeOf('string');
        expect(await fetchOnce(started)).toBeTypeOf('string');
        for (const each of open.splice(0)) await each.close();
      }
    }
  });
});

describe('a connection that undici was needed on for a file', () => {
  it('is where the next one comes, the fast way', async () => {
    let answers = 0;
    const origin = await WireOrigin.start((_request, socket) => {
      const odd = Buffer.from(
        good.toString('latin1').replace('1.1 200 OK', '1.0 200 OK\r\nConnection: keep-alive'),
        'latin1',
      );
      socket.write(++answers <= 2 ? odd : good);
    });
    open.push(origin);
    const receivers = createHttpReceiverFactory({ idle: 60_000 });
    open.push(receivers);
    expect(await fetchOnce({ url: origin.url, receivers })).toBe('general');
    const next = { receivers, url: new URL('/next', origin.url).href };
    expect(await fetchOnce(next)).toBe('fast');
    expect(await fetchOnce(next)).toBe('fast');
    expect(origin.connections).toBe(2);
  });
});

/** What is in TLS is at its end. */
function reset(socket: Socket): void {
  if (socket instanceof TLSSocket) socket.destroy();
  else socket.resetAndDestroy();
}

/** Each is on its way before the next. */
function writeInPieces(socket: Socket, octets: Buffer, [end, ...ends]: readonly number[], from = 0): void {
  socket.setNoDelay(true);
  if (end === undefined) return;
  socket.write(octets.subarray(from, end), () => setImmediate(() => writeInPieces(socket, octets, ends, end)));
}
