import { writeSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createHttp1Server, descriptorOf, type Exchange, type Http1ServerOptions } from '../src/node/index.ts';

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

const hello = (exchange: Exchange) => exchange.respond(200, [['X-Target', exchange.head.target]], Buffer.from('hello'));

async function start(handle: (exchange: Exchange) => void, options: Partial<Http1ServerOptions> = {}) {
  const server = createHttp1Server({ handle, ...options });
  const { port } = await server.listen('127.0.0.1', 0);
  open.push(() => server.close(0));
  return { server, port };
}

function talk(port: number) {
  const socket: Socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  open.push(async () => socket.destroy());
  let text = '';
  let check = () => {};
  socket.on('data', (data: Buffer) => {
    text += data.toString('latin1');
    check();
  });
  socket.on('error', () => {});
  const closed = new Promise<string>((resolve) => socket.on('close', () => resolve(text)));
  socket.on('end', () => socket.end());
  const until = (wanted: (text: string) => boolean) =>
    new Promise<string>((resolve, reject) => {
      check = () => {
        if (wanted(text)) resolve(text);
      };
      void closed.then(() => reject(new Error(`closed after: ${text}`)));
      check();
    });
  return { socket, closed, until, count: (part: string, times: number) => until((t) => t.split(part).length > times) };
}

const get = 'GET /a HTTP/1.1\r\nHost: x\r\n\r\n';

describe('a server', () => {
  it('answers in one piece and keeps the connection', async () => {
    const { port } = await start(hello);
    const { socket, count } = talk(port);
    socket.write(get);
    expect(await count('hello', 1)).toMatch(
      /^HTTP\/1\.1 200 OK\r\nContent-Length: 5\r\nX-Target: \/a\r\nConnection: keep-alive\r\nKeep-Alive: timeout=65\r\nDate: .* GMT\r\n\r\nhello$/,
    );
    socket.write(get);
    await count('hello', 2);
  });

  it('closes after HTTP/1.0, after Connection: close, and when the answer says so', async () => {
    const { port } = await start((exchange) => {
      if (exchange.head.target === '/close') exchange.closeAfter();
      hello(exchange);
    });
    for (const text of [
      'GET /a HTTP/1.0\r\n\r\n',
      'GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
      'GET /close HTTP/1.1\r\nHost: x\r\n\r\n',
    ]) {
      const { socket, closed } = talk(port);
      socket.write(text + get);
      const answer = await closed;
      expect(answer).toContain('Connection: close\r\n');
      expect(answer.split('hello')).toHaveLength(2);
    }
  });

  it('answers one request after the other, however they come', async () => {
    const waiting: Exchange[] = [];
    let most = 0;
    const { port } = await start((exchange) => {
      waiting.push(exchange);
      most = Math.max(most, waiting.length);
      setImmediate(() => hello(waiting.pop()!));
    });
    const { socket, count } = talk(port);
    socket.end(get.repeat(200));
    await count('hello', 200);
    expect(most).toBe(1);
  });

  it('does not read on while it answers', async () => {
    let exchange: Exchange | undefined;
    const { port } = await start((each) => {
      exchange = each;
    });
    const { socket } = talk(port);
    socket.write(get);
    const much = Buffer.from(get.repeat(1_000_000));
    // The socket takes no more: nobody reads at the other end.
    await new Promise<void>((resolve) => {
      const fill = () => {
        if (socket.writableLength > 0 && socket.bytesWritten - socket.writableLength > 0 && exchange?.socket.isPaused())
          resolve();
        else setImmediate(fill);
      };
      socket.write(much);
      fill();
    });
    expect(exchange?.socket.bytesRead).toBeLessThan(4 * 1024 * 1024);
  });

  it('reads a body, within a limit, and throws away what nobody asks for', async () => {
    const bodies: string[] = [];
    const { port } = await start((exchange) => {
      if (exchange.head.target === '/unread') return hello(exchange);
      void exchange.readBody(10, true).then((body) => {
        bodies.push(typeof body === 'string' ? body : Buffer.from(body).toString());
        hello(exchange);
      });
    });
    const { socket, count, closed } = talk(port);
    socket.write('POST /r HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab');
    socket.write('cde');
    await count('hello', 1);
    socket.write('POST /unread HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n');
    await count('hello', 2);
    socket.write('POST /r HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
    socket.write('6\r\nabcdef\r\n6\r\nabcdef\r\n');
    expect(await closed).toMatch(/Connection: close[\s\S]*hello$/);
    expect(bodies).toEqual(['abcde', 'too-large']);
  });

  it('says 100 when the body is wanted, and closes when it is not', async () => {
    const { port } = await start((exchange) => {
      if (exchange.head.target === '/no') return hello(exchange);
      void exchange.readBody(10, true).then(() => hello(exchange));
    });
    const head = (target: string) =>
      `POST ${target} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n`;
    const wanted = talk(port);
    wanted.socket.write(head('/yes'));
    await wanted.count('HTTP/1.1 100 Continue\r\n\r\n', 1);
    wanted.socket.write('ab');
    await wanted.count('hello', 1);
    const unwanted = talk(port);
    unwanted.socket.write(head('/no'));
    expect(await unwanted.closed).not.toContain('100 Continue');
  });

  it('answers what it does not understand and closes, so that the peer can read the answer', async () => {
    const { port } = await start(hello);
    const { socket, closed } = talk(port);
    socket.write(`${get}GET  / HTTP/1.1\r\n\r\n${'x'.repeat(200_000)}`);
    expect(await closed).toMatch(
      /hello[\s\S]*HTTP\/1\.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n/,
    );
  });

  it('ends a connection whose body breaks the rules in the middle of an answer', async () => {
    const results: unknown[] = [];
    const { port } = await start((exchange) => {
      void exchange.readBody(100, true).then((body) => results.push(body));
    });
    const { socket, closed } = talk(port);
    socket.write('POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab');
    expect(await closed).toMatch(/^HTTP\/1\.1 400 /);
    expect(results).toEqual(['aborted']);
  });

  it('gives an answer also where the rest of its request breaks the rules', async () => {
    const { port } = await start(hello);
    const { socket, closed } = talk(port);
    socket.write(`POST /r HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n${get}`);
    expect(await closed).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nhello$/);
  });

  it('streams, tells when it is over, and cuts', async () => {
    const over: boolean[] = [];
    const { port } = await start((exchange) => {
      exchange.onOver((whole) => over.push(whole));
      exchange.begin(200, [['Content-Length', '6']]);
      void (async () => {
        await exchange.write(Buffer.from('abc'));
        if (exchange.head.target === '/cut') exchange.destroy();
        else exchange.end(Buffer.from('def'));
      })();
    });
    const { socket, count } = talk(port);
    socket.write(get);
    expect(await count('abcdef', 1)).toMatch(/Content-Length: 6\r\n/);
    const cut = talk(port);
    cut.socket.write('GET /cut HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(await cut.closed).toMatch(/\r\n\r\nabc$/);
    expect(over).toEqual([true, false]);
  });

  it('gives an answer that is whole already, out of memory that is used again', async () => {
    const memory = Buffer.alloc(3_000_000);
    const { port } = await start((exchange) => {
      const body = exchange.head.target === '/a' ? 'zzz' : 'y'.repeat(2_000_000);
      const length = memory.write(
        exchange.headText(200, [['Content-Length', String(body.length)]]) + body,
        10,
        'latin1',
      );
      exchange.respondWhole(200, memory, 10, 10 + length);
      memory.fill('x');
    });
    const { socket, count, until } = talk(port);
    socket.write(get);
    expect(await count('zzz', 1)).toMatch(/^HTTP\/1\.1 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n/);
    socket.write(get.replace('/a', '/b'));
    socket.write(get);
    expect(await until((text) => text.slice(-10).endsWith('zzz') && text.length > 2_000_000)).toMatch(
      /\n\r\ny{2000000}HTTP/,
    );
  });

  it('writes what there is room for, head and all, and the rest when there is', async () => {
    const content = Buffer.alloc(12_000_000, 'abcdefgh');
    const taken: number[] = [];
    const { port } = await start((exchange) => {
      exchange.begin(200, [['Content-Length', String(content.length)]]);
      void (async () => {
        for (let at = 0; at < content.length; ) {
          const some = exchange.writeSome(Buffer.from(content.subarray(at)), content.length - at);
          taken.push(some);
          at += some;
          const next = content.subarray(at, at + 100_000);
          if (next.length > 0 && !(await exchange.write(next))) return;
          at += next.length;
        }
        exchange.end();
      })();
    });
    const { socket, until } = talk(port);
    socket.write(get);
    const text = await until((all) => all.length > content.length);
    const end = text.indexOf('\r\n\r\n') + 4;
    await until((all) => all.length >= end + content.length);
    expect((await until(() => true)).slice(end) === content.toString('latin1')).toBe(true);
    const direct = process.platform === 'linux' && process.getBuiltinModule('node:ffi') !== undefined;
    expect(taken.some((some) => some > 0)).toBe(direct);
  });

  it('lets octets pass behind a head that is with the operating system, and says when it is not', async () => {
    const said: boolean[] = [];
    const { port } = await start((exchange) => {
      const before = exchange.writeHead();
      exchange.begin(200, [['Content-Length', '6']]);
      const whole = exchange.writeHead();
      said.push(before, whole, exchange.writeHead());
      const fd = descriptorOf(exchange.socket);
      if (whole && fd !== undefined) writeSync(fd, 'abc');
      exchange.end(Buffer.from(whole ? 'def' : 'abcdef'));
    });
    const { socket, count } = talk(port);
    socket.write(get);
    expect(await count('abcdef', 1)).toMatch(/^HTTP\/1\.1 200 OK\r\nContent-Length: 6\r\n[\s\S]*\r\n\r\nabcdef$/);
    const direct = process.platform === 'linux' && process.getBuiltinModule('node:ffi') !== undefined;
    expect(said).toEqual([false, direct, false]);
  });

  it('lets nothing pass behind a head while something is queued', async () => {
    const said: boolean[] = [];
    const { port } = await start((exchange) => {
      exchange.socket.cork();
      exchange.socket.write('');
      exchange.socket.write('HTTP/1.1 100 Continue\r\n\r\n');
      exchange.begin(200, [['Content-Length', '3']]);
      said.push(exchange.writeHead());
      exchange.end(Buffer.from('abc'));
      exchange.socket.uncork();
    });
    const { socket, count } = talk(port);
    socket.write(get);
    expect(await count('abc', 1)).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nabc$/);
    expect(said).toEqual([false]);
  });

  it('aborts the signal of an answer whose peer went away', async () => {
    const gone = new Promise<void>((resolve) => {
      void start((exchange) => exchange.signal.addEventListener('abort', () => resolve())).then(({ port }) => {
        const { socket } = talk(port);
        socket.write(get, () => setImmediate(() => socket.resetAndDestroy()));
      });
    });
    await gone;
  });

  it('keeps what a handler throws to itself', async () => {
    const errors: unknown[] = [];
    const { port } = await start(
      () => {
        throw new Error('a bug');
      },
      { onError: (error) => errors.push(error) },
    );
    const { socket, closed } = talk(port);
    socket.write(get);
    expect(await closed).toBe('');
    expect(errors).toEqual([new Error('a bug')]);
  });

  it('never writes a line end that came in a value', async () => {
    const errors: unknown[] = [];
    const { port } = await start((exchange) => exchange.respond(200, [['X', 'a\r\nY: b']]), {
      onError: (error) => errors.push(error),
    });
    const { socket, closed } = talk(port);
    socket.write(get);
    expect(await closed).toBe('');
    expect(errors).toEqual([new RangeError('a line end in the field X')]);
  });

  it('limits connections of its own and shared ones', async () => {
    const shared = { open: 0, limit: 3 };
    const first = await start(hello, { shared, limits: { maxConnectionsPerAddress: 2 } });
    const kept = [talk(first.port), talk(first.port)];
    for (const each of kept) {
      each.socket.write(get);
      await each.count('hello', 1);
    }
    expect(await talk(first.port).closed).toBe('');
    const second = await start(hello, { shared });
    const third = talk(second.port);
    third.socket.write(get);
    await third.count('hello', 1);
    expect(await talk(second.port).closed).toBe('');
  });
});
