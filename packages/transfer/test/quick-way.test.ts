import { EventEmitter } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SeededRandom } from '@carmine/testkit';
import { type DownloadAllOptions, downloadAll } from '@carmine/transfer/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AnswerBuffers } from '../src/node/answer-buffers.ts';
import { QuickConnection, type QuickFiles } from '../src/node/quick-connection.ts';
import { authority, server } from './support/certificates.ts';
import { HttpOrigin } from './support/http-origin.ts';
import { WireOrigin, type WireRequest } from './support/wire-origin.ts';

let folder: string;
const origins: { close(): Promise<void> }[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'carmine-quick-'));
});
afterEach(async () => {
  for (const origin of origins.splice(0)) await origin.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Every file is another one, also in its length. */
const contents = Array.from({ length: 60 }, (_, index) => new SeededRandom(index + 1).bytes(700 * index));
const contentOf = (path: string) => contents[Number(path.slice(1))] as Uint8Array;
function plain(path: string, fields = ''): Buffer {
  const content = contentOf(path);
  return Buffer.concat([
    Buffer.from(`HTTP/1.1 200 OK\r\nETag: "${path}"\r\nContent-Length: ${content.length}\r\n${fields}\r\n`),
    content,
  ]);
}

/** `answer` takes the requests, counted from 1; true leaves one to a good origin. */
async function start(answer: (request: WireRequest, socket: Socket, count: number) => boolean): Promise<WireOrigin> {
  let count = 0;
  const origin = await WireOrigin.start((request, socket) => {
    if (answer(request, socket, ++count)) socket.write(plain(request.path));
  });
  origins.push(origin);
  return origin;
}

async function fetchAll(origin: { readonly url: string }, options: DownloadAllOptions = {}) {
  const items = contents.map((_, index) => ({
    url: new URL(`/${index}`, origin.url).href,
    path: join(folder, `file-${index}`),
  }));
  return downloadAll(items, { roots: [folder], ...options });
}
const errors = (outcomes: Awaited<ReturnType<typeof fetchAll>>) => outcomes.flatMap(({ error }) => error?.code ?? []);
/** Whatever is there is right; how much there is. */
function right(): number {
  const names = readdirSync(folder);
  for (const name of names) {
    expect(readFileSync(join(folder, name)).equals(contentOf(name.replace('file-', '/')))).toBe(true);
  }
  return names.length;
}

describe('many small files', () => {
  it('come with one request each over connections that stay', async () => {
    const origin = await start(() => true);
    const outcomes = await fetchAll(origin, { concurrency: 3 });
    expect(outcomes.map(({ result }) => result?.length)).toEqual(contents.map(({ length }) => length));
    expect(right()).toBe(60);
    expect([origin.requests.length, origin.connections]).toEqual([60, 3]);
  });

  it('take the place of what was there', async () => {
    for (const name of ['file-5', 'file-59']) writeFileSync(join(folder, name), 'older');
    expect(errors(await fetchAll(await start(() => true)))).toEqual([]);
    expect(right()).toBe(60);
  });

  it('come over TLS from who proves who it is, and from nobody else', async () => {
    const origin = await HttpOrigin.start(new Uint8Array(), { cert: server.certificate, key: server.privateKey });
    origins.push(origin);
    origin.behaviour = ({ url = '' }, response) =>
      Boolean(response.writeHead(200, { 'content-length': contentOf(url).length }).end(contentOf(url)));
    expect(errors(await fetchAll(origin, { trust: [authority] }))).toEqual([]);
    expect(right()).toBe(60);
    const outcomes = await fetchAll(origin, { roots: undefined });
    expect(new Set(errors(outcomes))).toEqual(new Set(['transfer/untrusted']));
    // Settings that OpenSSL refuses are no reason to say nothing.
    const clientCertificate = { certificate: 'nonsense', privateKey: 'nonsense' };
    expect(errors(await fetchAll(origin, { clientCertificate }))).toHaveLength(60);
  });

  it('come from several origins in any order', async () => {
    const [one, two] = [await start(() => true), await start(() => true)];
    const items = contents.map((_, index) => ({
      url: new URL(`/${index}`, (index % 2 === 0 ? one : two).url).href,
      path: join(folder, `file-${index}`),
    }));
    expect(errors(await downloadAll(items, { concurrency: 2 }))).toEqual([]);
    expect(right()).toBe(60);
    expect(one.connections + two.connections).toBeLessThan(8);
  });

  it('are asked for as a parser writes their URLs, however they are written', async () => {
    const origin = await start(({ path }, socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${path}`);
      return false;
    });
    const { host } = new URL(origin.url);
    const paths = [
      '',
      '/',
      '/a/b',
      '//a//',
      '/a/./b',
      '/a/../b',
      '/a/.',
      '/.a',
      '/a..b/~_-',
      '/a%2fb?c',
      '/é',
      '/a b',
      '/x?y=/..',
      '/x#y',
    ];
    const urls = [...paths.map((path) => `http://${host}${path}`), `HTTP://${host}/a/../b`, `http://u@${host}/a`];
    const items = urls.map((url, index) => ({ url, path: join(folder, `file-${index}`) }));
    expect(errors(await downloadAll(items, { concurrency: 1 }))).toEqual([]);
    const asked = urls.map((_, index) => readFileSync(join(folder, `file-${index}`), 'utf8'));
    expect(asked).toEqual(urls.map((url) => new URL(url).pathname + new URL(url).search));
  });

  it('come in pieces of any size', async () => {
    const origin = await start(({ path }, socket) => {
      const all = plain(path);
      socket.setNoDelay(true);
      const step = (at: number) => {
        const next = Math.min(all.length, at + (at < 60 ? 7 : 9_001));
        socket.write(all.subarray(at, next), () => next < all.length && setImmediate(step, next));
      };
      step(0);
      return false;
    });
    expect(errors(await fetchAll(origin))).toEqual([]);
    expect(right()).toBe(60);
  });
});

describe('answers that are not plain', () => {
  it('that end the connection cost one, and nothing else', async () => {
    const origin = await start(({ path }, socket, count) => {
      if (count % 4 !== 0) return true;
      socket.end(plain(path, 'Connection: close\r\n'));
      return false;
    });
    expect(errors(await fetchAll(origin, { concurrency: 2 }))).toEqual([]);
    expect(right()).toBe(60);
    expect(origin.requests).toHaveLength(60);
  });

  it('whose connection ends unannounced do as well', async () => {
    const origin = await start(({ path }, socket) => {
      socket.end(plain(path));
      return false;
    });
    expect(errors(await fetchAll(origin))).toEqual([]);
    expect(right()).toBe(60);
  });

  it('that break off are asked for again', async () => {
    const origin = await start(({ path }, socket, count) => {
      if (count % 7 !== 0) return true;
      const all = plain(path);
      socket.end(all.subarray(0, all.length - 1 - (all.length >> 2)));
      return false;
    });
    expect(errors(await fetchAll(origin))).toEqual([]);
    expect(right()).toBe(60);
  });

  it('that come twice are never taken for the next one', async () => {
    const origin = await start(({ path }, socket, count) => {
      if (count % 3 === 0) socket.write(Buffer.concat([plain(path), plain(path)]));
      return count % 3 !== 0;
    });
    expect(errors(await fetchAll(origin))).toEqual([]);
    expect(right()).toBe(60);
  });

  it('with anything behind their end are whole, and the rest is nobody’s', async () => {
    const origin = await start(({ path }, socket) => {
      socket.write(Buffer.concat([plain(path), Buffer.from('HTTP/1.1 200 OK\r\n')]));
      return false;
    });
    expect(errors(await fetchAll(origin))).toEqual([]);
    expect(right()).toBe(60);
  });

  it('in chunks, redirects, challenges and refusals are what they are elsewhere', async () => {
    const origin = await start(({ path }, socket) => {
      const content = contentOf(path.replace('/moved', ''));
      switch (path) {
        case '/10':
          socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${content.length.toString(16)}\r\n`);
          socket.write(Buffer.concat([content, Buffer.from('\r\n0\r\n\r\n')]));
          return false;
        case '/20':
          socket.write('HTTP/1.1 302 Found\r\nLocation: /moved/20\r\nContent-Length: 0\r\n\r\n');
          return false;
        case '/moved/20':
          socket.write(plain('/20'));
          return false;
        case '/30':
          socket.write('HTTP/1.1 401 Who\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n');
          return false;
        case '/40':
          socket.write('HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno');
          return false;
        case '/50':
          socket.write('this is not HTTP\r\n\r\n');
          return false;
        default:
          return true;
      }
    });
    const outcomes = await fetchAll(origin);
    expect(
      Object.fromEntries(outcomes.flatMap(({ error }, index) => (error === undefined ? [] : [[index, error.code]]))),
    ).toEqual({
      10: 'transfer/missing-length',
      30: 'transfer/authentication',
      40: 'transfer/http-status',
      50: 'transfer/invalid-response',
    });
    expect(right()).toBe(56);
  });

  it('with a large file in between leave the others as they are', async () => {
    const large = new SeededRandom(99).bytes(1_500_000);
    const origin = await start(({ path, range }, socket) => {
      if (path !== '/33') return true;
      const [, first = '0', last = String(large.length - 1)] = /bytes=(\d+)-(\d+)/.exec(range ?? '') ?? [];
      const part = large.subarray(Number(first), Number(last) + 1);
      const status = range === undefined ? '200 OK' : `206 P\r\nContent-Range: bytes ${first}-${last}/${large.length}`;
      socket.write(`HTTP/1.1 ${status}\r\nETag: "l"\r\nContent-Length: ${part.length}\r\n\r\n`);
      socket.write(part);
      return false;
    });
    expect(errors(await fetchAll(origin, { concurrency: 1 }))).toEqual([]);
    expect(readFileSync(join(folder, 'file-33')).equals(large)).toBe(true);
    rmSync(join(folder, 'file-33'));
    expect(right()).toBe(59);
  });

  it('from nobody end as they do elsewhere', async () => {
    const origin = await WireOrigin.start(() => undefined);
    const { url } = origin;
    await origin.close();
    expect(new Set(errors(await fetchAll({ url })))).toEqual(new Set(['transfer/connect']));
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('a quick connection', () => {
  it('that hears nothing for too long leaves what it asked for', async () => {
    const socket = Object.assign(new EventEmitter(), {
      written: '',
      timeouts: [] as number[],
      silent: (): void => expect.unreachable(),
      destroyed: false,
      setTimeout(time: number, silent?: () => void) {
        this.timeouts.push(time);
        if (silent !== undefined) this.silent = silent;
      },
      write(text: string) {
        this.written += text;
      },
      destroy() {
        this.destroyed = true;
      },
    });
    const files: QuickFiles<string> = {
      next: () => ({ item: 'a', request: 'GET /a' }),
      arrived: () => expect.unreachable(),
      refused: () => expect.unreachable(),
    };
    const sockets = { open: () => socket as unknown as Socket, ready: 'connect' as const, refused: () => undefined };
    const buffers = new AnswerBuffers();
    const first = buffers.take();
    buffers.giveBack(first);
    const connection = new QuickConnection('http://o', sockets, files, buffers, {
      small: 9,
      connect: 30,
      silence: 300,
    });
    expect(socket.written).toBe('');
    socket.emit('connect');
    expect([socket.written, socket.timeouts]).toEqual(['GET /a', [30, 300]]);
    socket.silent();
    expect(socket.destroyed).toBe(true);
    expect(await connection.ended).toEqual({ left: 'a', answers: 0, reason: 'other' });
    // And its memory to others.
    expect(buffers.take()).toBe(first);
  });
});

describe('a set that is stopped', () => {
  it.each([1, 10, 45])('after %s answers has whole files, and says what did not come', async (after) => {
    const stop = new AbortController();
    const origin = await start((_, __, count) => {
      if (count === after) stop.abort();
      return count < after;
    });
    const outcomes = await fetchAll(origin, { signal: stop.signal });
    expect(outcomes).toHaveLength(60);
    expect(new Set(errors(outcomes))).toEqual(new Set(['internal/aborted']));
    expect(right()).toBe(60 - errors(outcomes).length);
  });
});
