import { readFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type CongestionControl, congestionControl, unpaceLocal } from '../src/node/congestion.ts';
import { createHttp1Server, descriptorOf, isLocal } from '../src/node/index.ts';

const listening = 3;
const server = { _handle: { fd: listening } } as unknown as Server;

/** Sockets as the system would have them: connections have the listening socket's algorithm. */
function system(usual: string, refused: (socket: number, name: string) => boolean = () => false) {
  const algorithms = new Map([[listening, usual]]);
  const control: CongestionControl = {
    get: (socket) => algorithms.get(socket),
    set(socket, name) {
      if (refused(socket, name)) return false;
      algorithms.set(socket, name);
      return true;
    },
  };
  const accept = (fd: number, addresses: Pick<Socket, 'remoteAddress' | 'localAddress'>): Socket => {
    algorithms.set(fd, algorithms.get(listening) ?? '');
    return { _handle: { fd }, ...addresses } as unknown as Socket;
  };
  return { control, algorithms, accept };
}

const near = { remoteAddress: '127.0.0.1', localAddress: '127.0.0.1' };
const far = { remoteAddress: '192.0.2.7', localAddress: '192.0.2.1' };

describe('connections where the system paces them by default', () => {
  it.each(['bbr', 'bbr2'])('of %s have none of it within the system, and all of it over a network', (usual) => {
    const { control, algorithms, accept } = system(usual);
    const pace = unpaceLocal(server, control);
    const [one, other] = [accept(4, near), accept(5, far)];
    pace?.(one);
    pace?.(other);
    expect([...algorithms]).toEqual([
      [listening, 'reno'],
      [4, 'reno'],
      [5, usual],
    ]);
  });

  it('are left alone when they have ended already', () => {
    const { control, algorithms } = system('bbr');
    unpaceLocal(server, control)?.({ _handle: null, ...far } as unknown as Socket);
    expect([...algorithms]).toEqual([[listening, 'reno']]);
  });

  it('stay so where the system refuses to change it', () => {
    const { control, algorithms } = system('bbr', (_socket, name) => name === 'reno');
    expect(unpaceLocal(server, control)).toBeUndefined();
    expect(algorithms.get(listening)).toBe('bbr');
  });
});

describe('connections where there is nothing to do', () => {
  it.each(['cubic', 'reno'])('stay what they are: %s', (usual) => {
    const { control, algorithms } = system(usual, () => true);
    expect(unpaceLocal(server, control)).toBeUndefined();
    expect(algorithms.get(listening)).toBe(usual);
  });

  it('stay what they are where the system does not tell, or is not asked', () => {
    expect(unpaceLocal({ _handle: null } as unknown as Server, system('bbr').control)).toBeUndefined();
    expect(unpaceLocal(server, { get: () => undefined, set: () => true })).toBeUndefined();
  });
});

it.each([
  ['127.0.0.1', '127.0.0.1', true],
  ['127.8.9.10', '127.0.0.1', true],
  ['::ffff:127.0.0.1', '::ffff:127.0.0.1', true],
  ['::1', '::1', true],
  ['192.0.2.1', '192.0.2.1', true],
  ['192.0.2.7', '192.0.2.1', false],
  ['2001:db8::7', '2001:db8::1', false],
  ['::ffff:192.0.2.7', '::ffff:192.0.2.1', false],
  ['127.0.0.1.example', '192.0.2.1', false],
  [undefined, undefined, false],
])('from %s to %s is within this system: %s', (remoteAddress, localAddress, local) => {
  expect(isLocal({ remoteAddress, localAddress })).toBe(local);
});

describe.runIf(congestionControl() !== undefined)("Linux's own answer", () => {
  const close: (() => unknown)[] = [];
  afterEach(() => Promise.all(close.splice(0).map((each) => each())));
  const control = congestionControl() as CongestionControl;

  it('is that an HTTP server does not pace who is near', async () => {
    const socket = await new Promise<Socket>((resolve) => {
      const http = createHttp1Server({
        handle: (exchange) => {
          resolve(exchange.socket);
          exchange.respond(200, []);
        },
      });
      close.push(() => http.close(0));
      void http.listen('127.0.0.1', 0).then(({ port }) => {
        const client = connect(port, '127.0.0.1');
        client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
        close.push(() => client.destroy());
      });
    });
    const systemDefault = readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'latin1').trim();
    const expected = systemDefault.startsWith('bbr') ? 'reno' : systemDefault;
    expect(control.get(descriptorOf(socket) ?? -1)).toBe(expected);
  });

  it('is heard by a connection, whatever the listening socket has by then', async () => {
    const [fd, client] = await new Promise<readonly [number, Socket]>((resolve) => {
      const plain = createServer((accepted) => {
        close.push(() => accepted.destroy());
        resolve([descriptorOf(accepted) ?? -1, socket]);
      });
      let socket: Socket;
      close.push(() => plain.close());
      plain.listen(0, '127.0.0.1', () => {
        socket = connect((plain.address() as { port: number }).port, '127.0.0.1');
      });
    });
    close.push(() => client.destroy());
    expect([control.set(fd, 'reno'), control.get(fd)]).toEqual([true, 'reno']);
    expect([control.set(fd, 'no-such'), control.get(fd)]).toEqual([false, 'reno']);
  });
});
