import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JobCredentials } from '@carmine/core';
import { SeededRandom } from '@carmine/testkit';
import { credentialAuthenticators, type DownloadOptions, download } from '@carmine/transfer/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BufferPool, ReceiveBuffer } from '../src/node/buffer-pool.ts';
import type { AttemptControl } from '../src/node/connection.ts';
import { ConnectionLogon } from '../src/node/connection-logon.ts';
import { peerOf } from '../src/node/peer.ts';
import { RawConnection } from '../src/node/raw-connection.ts';
import { createSecureContexts } from '../src/node/secure-contexts.ts';
import { authority, server } from './support/certificates.ts';
import { HttpOrigin } from './support/http-origin.ts';
import { protect } from './support/protect.ts';
import { WireOrigin, type WireRequest } from './support/wire-origin.ts';

const content = new SeededRandom(5).bytes(50_000);
const validators = 'ETag: "1"\r\nAccept-Ranges: bytes\r\n';
const good = `HTTP/1.1 200 OK\r\n${validators}Content-Length: ${content.length}\r\n\r\n`;

let folder: string;
let path: string;
const origins: { close(): Promise<void> }[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'carmine-fast-'));
  path = join(folder, 'file');
});
afterEach(async () => {
  for (const origin of origins.splice(0)) await origin.close();
  rmSync(folder, { recursive: true, force: true });
});

/** HEAD is answered well; `answer` takes the GETs, counted from 1. */
async function start(answer: (socket: Socket, get: number, request: WireRequest) => void): Promise<WireOrigin> {
  let gets = 0;
  const origin = await WireOrigin.start((request, socket) => {
    if (request.method === 'HEAD') socket.write(good);
    else answer(socket, ++gets, request);
  });
  origins.push(origin);
  return origin;
}
const fetchFrom = (origin: { readonly url: string }, options: DownloadOptions = {}) =>
  download(origin.url, path, { roots: [folder], probe: true, ...options });
const same = () => readFileSync(path).equals(content);
const asked = (origin: WireOrigin) => origin.requests.map(({ method, range }) => range ?? method);
/** The part that a request asks for, as a good origin sends it. */
function part(range: string | undefined): Buffer {
  const [, first, last] = /bytes=(\d+)-(\d+)/.exec(range ?? '') ?? [];
  if (first === undefined) return Buffer.concat([Buffer.from(good), content]);
  const [start, end] = [Number(first), Number(last) + 1];
  const head = `HTTP/1.1 206 P\r\n${validators}Content-Range: bytes ${start}-${last}/${content.length}\r\n`;
  return Buffer.concat([Buffer.from(`${head}Content-Length: ${end - start}\r\n\r\n`), content.subarray(start, end)]);
}

describe('the fast way', () => {
  it('takes what arrives with the head', async () => {
    const origin = await start((socket) => socket.write(Buffer.concat([Buffer.from(good), content])));
    await fetchFrom(origin);
    expect(same()).toBe(true);
    expect(asked(origin)).toEqual(['HEAD', 'GET']);
    expect(origin.connections).toBe(1);
  });

  it('takes a head that arrives octet by octet', async () => {
    const origin = await start((socket) => {
      socket.setNoDelay(true);
      const bytes = Buffer.concat([Buffer.from(good), content]);
      const step = (at: number) => {
        const next = at < good.length + 3 ? at + 1 : bytes.length;
        socket.write(bytes.subarray(at, next), () => next < bytes.length && setImmediate(step, next));
      };
      step(0);
    });
    await fetchFrom(origin);
    expect(same()).toBe(true);
  });

  it('asks for part after part on the same connection', async () => {
    const origin = await start((socket, _get, { range }) => socket.write(part(range)));
    await fetchFrom(origin, { connections: 2, pieceBytes: 5_000 });
    expect(same()).toBe(true);
    expect([2, 3]).toContain(origin.connections);
    expect(origin.requests.length).toBeGreaterThan(6);
  });

  it('drops a connection on which more follows than was announced, and takes none of it', async () => {
    const origin = await start((socket, get, { range }) => {
      socket.write(Buffer.concat([part(range), get === 1 ? part('bytes=0-4999') : Buffer.alloc(0)]));
    });
    await fetchFrom(origin, { connections: 2, pieceBytes: 5_000 });
    expect(same()).toBe(true);
    expect(origin.connections).toBeGreaterThanOrEqual(3);
  });

  it('ends with the announced length although the server closes then', async () => {
    const closing = good.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n');
    const origin = await start((socket) => socket.end(Buffer.concat([Buffer.from(closing), content])));
    await fetchFrom(origin);
    expect(same()).toBe(true);
    expect(asked(origin)).toEqual(['HEAD', 'GET']);
  });

  it('goes on where a connection broke', async () => {
    const origin = await start((socket, get, { range }) => {
      if (get === 1) socket.end(part(range).subarray(0, good.length + 20_000));
      else socket.write(part(range));
    });
    await fetchFrom(origin);
    expect(same()).toBe(true);
    expect(asked(origin)).toEqual(['HEAD', 'GET', 'bytes=20000-49999']);
  });

  it.each([4, 24])('uses more than all its buffers, with %i connections', async (connections) => {
    const large = new SeededRandom(6).bytes(40 * 1024 * 1024);
    const origin = await HttpOrigin.start(large);
    origins.push(origin);
    await fetchFrom(origin, { connections });
    expect(readFileSync(path).equals(large)).toBe(true);
    expect(origin.connections).toBeGreaterThanOrEqual(connections);
  });

  it.each(['headers', 'body'] as const)('gives up when the %s take too long', async (what) => {
    const origin = await start((socket) => {
      if (what === 'body') socket.write(good);
    });
    await expect(fetchFrom(origin, { timeouts: { [what]: 50 } })).rejects.toMatchObject({
      code: 'transfer/timed-out',
      kind: 'transient',
    });
  });

  it('gives up when nobody answers to TLS', async () => {
    const origin = await WireOrigin.start(() => undefined);
    origins.push(origin);
    const url = origin.url.replace('http:', 'https:');
    await expect(download(url, path, { roots: [folder], timeouts: { connect: 50 } })).rejects.toMatchObject({
      code: 'transfer/timed-out',
    });
  });

  it('sends nothing that would be another line', async () => {
    const origin = await start(() => undefined);
    await expect(fetchFrom(origin, { userAgent: 'a\r\nX: b' })).rejects.toMatchObject({ code: 'internal/unexpected' });
    expect(origin.requests).toEqual([]);
  });
});

describe('interim answers', () => {
  const interim = 'HTTP/1.1 103 E\r\nETag: "forged"\r\nContent-Length: 3\r\n\r\n';
  it.each([1, 100])('%i of them are passed over', async (count) => {
    const origin = await start((socket) => {
      const bytes = Buffer.concat([Buffer.from(interim.repeat(count) + good), content]);
      socket.write(bytes.subarray(0, 1_000));
      setImmediate(() => socket.write(bytes.subarray(1_000)));
    });
    await fetchFrom(origin);
    expect(same()).toBe(true);
    expect(asked(origin)).toEqual(['HEAD', 'GET']);
  });

  it('come to an end', async () => {
    const origin = await start((socket) => socket.write(interim.repeat(10_000)));
    await expect(fetchFrom(origin)).rejects.toMatchObject({ code: 'transfer/invalid-response' });
  });
});

describe('what is no HTTP, or two things at once, ends the request', () => {
  it.each([
    ['nonsense', 'nonsense'],
    ['a bare LF', good.replace('\r\nETag', '\nETag')],
    ['a folded line', good.replace('ETag: ', 'X: y\r\n ETag: ')],
    ['two lengths', good.replace('ETag', 'Content-Length: 4\r\nETag')],
    ['a length and chunks', good.replace('ETag', 'Transfer-Encoding: chunked\r\nETag')],
    ['NUL', good.replace('"1"', '"\0"')],
    ['a blank before the colon', good.replace('Length:', 'Length :')],
    ['a head without end', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(70_000)}`],
  ])('%s', async (_what, answer) => {
    const origin = await start((socket) => socket.write(Buffer.concat([Buffer.from(answer, 'latin1'), content])));
    await expect(fetchFrom(origin)).rejects.toMatchObject({ code: 'transfer/invalid-response', kind: 'transient' });
    expect(asked(origin)).toEqual(['HEAD', 'GET']);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('what is unusual is asked for again by undici, which does the rest', () => {
  const chunked = `HTTP/1.1 200 OK\r\n${validators}Transfer-Encoding: chunked\r\n\r\n`;
  const chunks = () =>
    Buffer.concat([Buffer.from(`${chunked}${content.length.toString(16)}\r\n`), content, Buffer.from('\r\n0\r\n\r\n')]);
  it.each<[string, (socket: Socket) => void]>([
    ['HTTP/1.0', (socket) => socket.end(Buffer.concat([Buffer.from(good.replace('1.1', '1.0')), content]))],
  ])('%s', async (_what, answer) => {
    const origin = await start(answer);
    await fetchFrom(origin);
    expect(same()).toBe(true);
    expect(asked(origin)).toEqual(['HEAD', 'GET', 'GET']);
    expect(origin.connections).toBe(2);
  });

  it.each<[string, (socket: Socket) => void]>([
    ['chunks', (socket) => socket.write(chunks())],
    [
      'a body until the connection closes',
      (socket) => socket.end(Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\n${validators}\r\n`), content])),
    ],
  ])('%s, which are refused for want of a length', async (_what, answer) => {
    const origin = await start(answer);
    await expect(fetchFrom(origin)).rejects.toMatchObject({ code: 'transfer/missing-length' });
    expect(asked(origin)).toEqual(['HEAD', 'GET', 'GET']);
  });

  it('a challenge in chunks', async () => {
    const origin = await HttpOrigin.start(content);
    origins.push(origin);
    const admitted = protect(origin, ['ntlm'], false);
    const inner = origin.behaviour;
    origin.behaviour = (request, response, seen) => {
      const { writeHead } = response;
      response.writeHead = ((status: number, headers: Record<string, string>) => {
        delete headers['content-length'];
        return writeHead.call(response, status, { ...headers, 'transfer-encoding': 'chunked' });
      }) as never;
      const handled = inner?.(request, response, seen) ?? false;
      if (!handled) response.writeHead = writeHead;
      return handled;
    };
    const job: JobCredentials = { target: 'server', scheme: 'ntlm', userName: 'admin', password: 'Pässw0rd' };
    const authenticator = credentialAuthenticators([job]);
    await fetchFrom(origin, { authenticator, connections: 2, pieceBytes: 10_000 });
    expect(same()).toBe(true);
    expect(new Set(admitted).size).toBe(1);
    // The challenge ends, and its connection goes on to be the one that was logged on.
    expect(origin.connections).toBeLessThanOrEqual(2);
  });
});

const MiB = 1024 * 1024;

describe('a connection that was given up', () => {
  it.each(['http', 'https'] as const)('keeps its buffer to itself until it is closed (%s)', async (scheme) => {
    const pair = { cert: server.certificate, key: server.privateKey };
    const origin = await HttpOrigin.start(new SeededRandom(7).bytes(8_000_000), scheme === 'https' ? pair : undefined);
    origins.push(origin);
    const pool = new BufferPool(2 * MiB);
    const url = new URL(origin.url).origin;
    const options = { trust: [authority] };
    const logon = new ConnectionLogon(url, undefined);
    const peer = peerOf(url, true, logon, options, createSecureContexts(options));
    const connection = new RawConnection(peer, options, pool);
    let control: AttemptControl | undefined;
    const chunk = await new Promise<Uint8Array>((resolve, reject) => {
      connection.send(
        { method: 'GET', uri: '/file', position: 0, headers: {} },
        {
          started: (given) => {
            control = given;
          },
          head: () => undefined,
          crowded: () => undefined,
          data: (bytes, release) => {
            control?.abort();
            release?.();
            resolve(bytes);
          },
          end: () => reject(new Error('it ended')),
          error: reject,
          unsuited: () => reject(new Error('it is unsuited')),
        },
      );
    });
    const lent = Array.from({ length: 24 }, () => pool.take(false));
    const overlap = lent.filter(({ buffer, byteOffset }) => {
      return buffer === chunk.buffer && byteOffset === Math.floor(chunk.byteOffset / (256 * 1024)) * 256 * 1024;
    });
    expect(overlap).toEqual([]);
  });
});

describe('buffers', () => {
  it('go back when neither the socket nor a write needs them', () => {
    const pool = new BufferPool(5);
    const buffer = new ReceiveBuffer(pool, true);
    buffer.filled = 10;
    const first = buffer.hand(4);
    const second = buffer.hand(10);
    expect([first.chunk.byteOffset, first.chunk.length, second.chunk.byteOffset, second.chunk.length]).toEqual([
      0, 4, 4, 6,
    ]);
    buffer.release();
    first.release();
    expect(pool.take(true)).not.toBe(buffer.bytes);
    // Six octets wait.
    expect(pool.crowded).toBe(true);
    let told = 0;
    pool.wait(() => told++);
    second.release();
    expect([pool.crowded, told]).toEqual([false, 1]);
    expect(pool.take(true)).toBe(buffer.bytes);
    expect(buffer.bytes.length).toBe(2 * MiB);
  });

  it('are smaller for who fills them slowly, unless there are two connections at most', () => {
    const pool = new BufferPool(MiB);
    for (let count = 0; count < 2; count++) pool.wait(() => count);
    expect(pool.take(false).length).toBe(2 * MiB);
    pool.wait(() => undefined);
    const sizes = [true, false, true].map((quick) => new ReceiveBuffer(pool, quick).bytes.length);
    expect(sizes).toEqual([2 * MiB, 256 * 1024, 2 * MiB]);
  });

  it('are smaller for many connections, and what they are filled with holds nobody up', () => {
    const pool = new BufferPool(MiB);
    const connections = Array.from({ length: 20 }, () => () => undefined);
    for (const tell of connections) pool.wait(tell);
    const buffers = connections.map(() => new ReceiveBuffer(pool, true));
    expect(buffers.map(({ bytes }) => bytes.length)).toEqual(buffers.map(() => 256 * 1024));
    expect(new Set(buffers.map(({ bytes }) => bytes.byteOffset)).size).toBe(20);
    expect(pool.crowded).toBe(false);
  });
});
