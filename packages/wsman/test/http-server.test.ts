import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import type { HttpAcceptor } from '@carmine/auth';
import { afterEach, describe, expect, it } from 'vitest';
import { createWsmanHttpServer, type WsmanHttpServerOptions } from '../src/node/index.ts';
import { admin, envelope, testServer } from './support.ts';

const pem = (name: string) => readFileSync(new URL(`fixtures/${name}.pem`, import.meta.url), 'utf8');
const tls = { cert: pem('server-cert'), key: pem('server-key') };
const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

const accept = (): HttpAcceptor => ({
  context: undefined,
  authenticate: (authorization) =>
    authorization === 'Basic ok'
      ? { kind: 'accepted', token: admin }
      : { kind: 'challenge', headers: ['Negotiate', 'Basic realm="WSMAN"'] },
});

async function start(options: Partial<WsmanHttpServerOptions> = {}) {
  const server = createWsmanHttpServer({ core: testServer().server, accept, tls, ...options });
  const { port } = await server.listen('127.0.0.1', 0);
  open.push(() => server.close());
  return { server, port };
}

function raw(
  port: number,
  secure = true,
): {
  socket: Socket;
  received: () => string;
  until: (text: string | RegExp) => Promise<string>;
  closed: Promise<void>;
} {
  const socket = secure
    ? tlsConnect({ host: '127.0.0.1', port, ca: [tls.cert], servername: 'localhost' })
    : connect(port, '127.0.0.1');
  open.push(async () => socket.destroy());
  let text = '';
  let check = (): void => {};
  socket.on('data', (data: Buffer) => {
    text += data.toString('latin1');
    check();
  });
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
  return {
    socket,
    received: () => text,
    closed,
    until: (wanted) =>
      new Promise((resolve, reject) => {
        check = () => {
          if (typeof wanted === 'string' ? text.includes(wanted) : wanted.test(text)) resolve(text);
        };
        void closed.then(() => reject(new Error(`closed after: ${text}`)));
        check();
      }),
  };
}

const identify =
  '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:i="http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"><s:Body><i:Identify/></s:Body></s:Envelope>';
const message = (body: string, headers = 'Authorization: Basic ok\r\n') =>
  `POST /wsman HTTP/1.1\r\nHost: x\r\nContent-Type: application/soap+xml;charset=UTF-8\r\n${headers}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

describe('the HTTP server', () => {
  it('gives the acceptor the certificate of a client of its authorities, and answers 403 where it says so', async () => {
    const seen: (Uint8Array | undefined)[] = [];
    const post = async (client: object, clientAuthorities?: string[]): Promise<string> => {
      const { port } = await start({
        tls: { ...tls, clientAuthorities },
        accept: ({ clientCertificate }) => {
          seen.push(clientCertificate);
          return { context: undefined, authenticate: () => ({ kind: 'forbidden' }) };
        },
      });
      const socket = tlsConnect({ host: '127.0.0.1', port, ca: [tls.cert], servername: 'localhost', ...client });
      open.push(async () => socket.destroy());
      socket.write(message(identify));
      return new Promise((resolve) => socket.once('data', (data: Buffer) => resolve(data.toString('latin1'))));
    };
    expect(await post(tls, [tls.cert])).toMatch(/^HTTP\/1\.1 403 [\s\S]*Content-Length: 0\r\n/);
    expect(await post({}, [tls.cert])).toMatch(/^HTTP\/1\.1 403 /);
    // Nobody asks for it.
    expect(await post(tls)).toMatch(/^HTTP\/1\.1 403 /);
    expect(seen).toEqual([new Uint8Array(new X509Certificate(tls.cert).raw), undefined, undefined]);
    await expect(start({ tls: { ...tls, clientAuthorities: [] } })).rejects.toMatchObject({ code: 'usage/invalid' });
  });

  it('takes a request byte by byte', async () => {
    const { port } = await start();
    const { socket, until } = raw(port);
    for (const byte of Buffer.from(message(identify))) socket.write(Uint8Array.of(byte));
    expect(await until('IdentifyResponse></s:Body>')).toMatch(
      /^HTTP\/1\.1 200 OK\r\nContent-Length: \d+\r\nContent-Type: application\/soap\+xml;charset=UTF-8\r\n/,
    );
  });

  it('takes a chunked body', async () => {
    const { port } = await start();
    const { socket, until } = raw(port);
    const half = identify.length >> 1;
    socket.write('POST /wsman HTTP/1.1\r\nHost: x\r\nAuthorization: Basic ok\r\nTransfer-Encoding: chunked\r\n\r\n');
    for (const part of [identify.slice(0, half), identify.slice(half)])
      socket.write(`${part.length.toString(16)}\r\n${part}\r\n`);
    socket.write('0\r\n\r\n');
    await until('IdentifyResponse></s:Body>');
  });

  it('answers pipelined requests in their order', async () => {
    const { port } = await start();
    const { socket, until } = raw(port);
    const get = envelope({ messageId: 'uuid:first', selectors: { JobId: 'x' } });
    socket.write(message(get) + message(identify) + message(get.replace('uuid:first', 'uuid:third')));
    const text = await until(/uuid:third.*<\/s:Envelope>/s);
    expect(text.indexOf('uuid:first')).toBeLessThan(text.indexOf('IdentifyResponse'));
    expect(text.indexOf('IdentifyResponse')).toBeLessThan(text.indexOf('uuid:third'));
  });

  it('answers a connection that pipelines much, one after the other', async () => {
    const { port } = await start();
    const { socket, until } = raw(port);
    socket.write(`${message('').repeat(50)}GET /other HTTP/1.1\r\nHost: x\r\n\r\n`);
    expect((await until('HTTP/1.1 404 ')).split('HTTP/1.1 200 OK')).toHaveLength(51);
  });

  it('keeps the connection after a 401 and throws its body away', async () => {
    const { port } = await start();
    const { socket, until } = raw(port);
    socket.write(message('x'.repeat(10_000), ''));
    const text = await until('\r\n\r\n');
    expect(text).toMatch(/^HTTP\/1\.1 401 /);
    expect(text).toContain('WWW-Authenticate: Negotiate\r\nWWW-Authenticate: Basic realm="WSMAN"\r\n');
    expect(text).toContain('Content-Length: 0\r\n');
    socket.write(message(identify));
    await until('IdentifyResponse');
  });

  it.each(['', 'Authorization: Basic ok\r\n'])('refuses 413 before and while it reads (%s)', async (authorization) => {
    const { port } = await start();
    const announced = raw(port);
    announced.socket.write(`POST /wsman HTTP/1.1\r\nHost: x\r\n${authorization}Content-Length: 99999999\r\n\r\n`);
    expect(await announced.until('\r\n\r\n')).toMatch(/^HTTP\/1\.1 413 .*Connection: close\r\n/s);
    await announced.closed;
    const chunked = raw(port);
    chunked.socket.write(`POST /wsman HTTP/1.1\r\nHost: x\r\n${authorization}Transfer-Encoding: chunked\r\n\r\n`);
    chunked.socket.write(`${(600_000).toString(16)}\r\n${'x'.repeat(600_000)}`);
    expect(await chunked.until('\r\n\r\n')).toMatch(/^HTTP\/1\.1 413 /);
  });

  it('says 404 and 405', async () => {
    const { port } = await start();
    const other = raw(port);
    other.socket.write('POST /other HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n');
    await other.until('HTTP/1.1 404 ');
    other.socket.write('GET /wsman HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(await other.until('HTTP/1.1 405 ')).toContain('Allow: POST');
  });

  it.each(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])('refuses %s and keeps the connection', async (method) => {
    const { port } = await start({ tls: undefined });
    const { socket, until } = raw(port, false);
    socket.write(`${method} /wsman HTTP/1.1\r\nHost: x\r\nAuthorization: Basic ok\r\nContent-Length: 0\r\n\r\n`);
    expect(await until('\r\n\r\n')).toMatch(/^HTTP\/1\.1 405 .*Content-Length: 0\r\n.*Allow: POST\r\n/s);
    socket.write(message(identify).replace('/wsman', '/other'));
    await until('HTTP/1.1 404 ');
  });

  it('answers Expect: 100-continue before the body comes', async () => {
    const { port } = await start();
    const { socket, until } = raw(port);
    const [head = '', body = ''] = message(identify, 'Authorization: Basic ok\r\nExpect: 100-continue\r\n').split(
      '\r\n\r\n',
    );
    socket.write(`${head}\r\n\r\n`);
    await until('HTTP/1.1 100 Continue\r\n\r\n');
    socket.write(body);
    await until('IdentifyResponse></s:Body>');
  });

  it('writes head and body at once', async () => {
    const { port } = await start({
      accept: () => ({ context: undefined, authenticate: () => ({ kind: 'accepted', token: admin }) }),
    });
    const { socket, until } = raw(port);
    const pieces: string[] = [];
    socket.on('data', (data: Buffer) => pieces.push(data.toString('latin1')));
    for (let round = 1; round <= 3; round++) {
      pieces.length = 0;
      socket.write(message(identify));
      await until(new RegExp(`(IdentifyResponse></s:Body></s:Envelope>[\\s\\S]*){${round}}`));
      // A TLS record each would come as an event each.
      expect(pieces).toEqual([expect.stringMatching(/^HTTP\/1\.1 200 [\s\S]*<\/s:Envelope>$/)]);
    }
  });

  it('drops a peer that sends its body too slowly, and one that says no more', async () => {
    const limits = { headersTimeout: 50, requestTimeout: 100, keepAliveTimeout: 50 };
    const { port } = await start({ tls: undefined, limits });
    const slow = raw(port, false);
    slow.socket.write(message(identify).slice(0, -10));
    const silent = raw(port, false);
    silent.socket.write('GET /other HTTP/1.1\r\nHost: x\r\n\r\n');
    await silent.until('HTTP/1.1 404 ');
    await Promise.all([slow.closed, silent.closed]);
    expect(slow.received()).toMatch(/^(HTTP\/1\.1 408 .*)?$/s);
  });

  it('drops a peer that closed its half, after the answer if there is one to give', async () => {
    const { port } = await start({ tls: undefined });
    const unfinished = raw(port, false);
    unfinished.socket.end(message(identify).slice(0, -10));
    await unfinished.closed;
    expect(unfinished.received()).not.toContain('200');
    const asked = raw(port, false);
    asked.socket.end('GET /other HTTP/1.1\r\nHost: x\r\n\r\n');
    await asked.closed;
    expect(asked.received()).toMatch(/^HTTP\/1\.1 404 /);
  });

  it('drops a peer that does not finish its request', async () => {
    const { port } = await start({ tls: undefined, limits: { headersTimeout: 50, requestTimeout: 100 } });
    const slow = raw(port, false);
    slow.socket.write('POST /wsman HTTP/1.1\r\nHost: x\r\nContent-Le');
    await slow.closed;
    expect(slow.received()).toMatch(/^(HTTP\/1\.1 408 .*)?$/s);
  });

  it('limits the connections of one address', async () => {
    const { port } = await start({ tls: undefined, limits: { maxConnectionsPerAddress: 2 } });
    const kept = [raw(port, false), raw(port, false)];
    for (const { socket, until } of kept) {
      socket.write('GET /other HTTP/1.1\r\nHost: x\r\n\r\n');
      await until('404');
    }
    const third = raw(port, false);
    await third.closed;
    kept[0]?.socket.destroy();
    await kept[0]?.closed;
  });

  it('lets a running request end when it is closed, and takes no other', async () => {
    const { server, port } = await start({ limits: { drainTimeout: 5_000 } });
    const { socket, until, closed } = raw(port);
    const text = message(identify);
    socket.write(text.slice(0, -10));
    socket.write('');
    // The connection must have reached the server before it closes.
    const idle = raw(port);
    idle.socket.write(message(identify));
    await idle.until('IdentifyResponse></s:Body>');
    const closing = server.close();
    await idle.closed;
    socket.write(text.slice(-10));
    expect(await until('IdentifyResponse></s:Body>')).toContain('Connection: close');
    await closing;
    await closed;
  });

  const bug = () => {
    throw new Error('a bug');
  };
  it.each([
    ['authenticating', () => ({ context: undefined, authenticate: bug })],
    ['accepting', bug],
  ])('keeps its own failures to itself while %s', async (_, accept) => {
    const errors: unknown[] = [];
    const { port } = await start({ onError: (error) => errors.push(error), accept });
    const { socket, closed, received } = raw(port);
    socket.write(message(identify));
    await closed;
    expect(received()).not.toContain('a bug');
    expect(errors).toEqual([new Error('a bug')]);
  });
});
