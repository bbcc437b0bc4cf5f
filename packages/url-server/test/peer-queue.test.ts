import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { descriptorOf } from '@carmine/http1/node';
import { describe, expect, it } from 'vitest';
import { diagAnswer, diagRequest, peerNameOf } from '../src/diag-message.ts';
import { nativeFile } from '../src/node/native-file.ts';
import { handedOver, received } from '../src/tcp-info.ts';

const hex = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString('hex');
const ends = (remoteAddress: string, localAddress: string) => ({
  remoteAddress,
  remotePort: 40_000,
  localAddress,
  localPort: 8_080,
});

describe('the peer of a connection', () => {
  it.each([
    ['127.0.0.1', '127.0.0.2', 2, '7f000001', '7f000002'],
    ['::ffff:10.0.0.1', '::FFFF:10.0.0.2', 2, '0a000001', '0a000002'],
    ['::1', '::', 10, `${'0'.repeat(31)}1`, '0'.repeat(32)],
    ['2001:db8::a:b', '1:2:3:4:5:6:7:8', 10, `20010db8${'0'.repeat(16)}000a000b`, '00010002000300040005000600070008'],
  ])('%s, connected to %s', (remote, local, family, address, toAddress) => {
    const name = peerNameOf(ends(remote, local));
    expect([name?.family, hex(name?.address), name?.port, hex(name?.toAddress), name?.toPort]).toEqual([
      family,
      address,
      40_000,
      toAddress,
      8_080,
    ]);
  });

  it.each([
    ['fe80::1%eth0', 'fe80::2%eth0'],
    ['febf::1', 'febf::2'],
    ['127.0.0.1', '::1'],
    ['1::2::3', '::1'],
    ['1:2:3', '::1'],
    ['x::', '::1'],
    ['somewhere', '127.0.0.1'],
  ])('%s, connected to %s, is not to be named', (remote, local) => {
    expect(peerNameOf(ends(remote, local))).toBeUndefined();
  });
});

// The layout of <linux/inet_diag.h>, in the order of the processors that there are here.
const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
describe.runIf(littleEndian)('the question for a socket', () => {
  it('has the names of both ends in the order of the network', () => {
    const name = peerNameOf(ends('10.1.2.3', '10.1.2.4'));
    expect(hex(name && diagRequest(name))).toBe(
      '480000001400010000000000000000000206' +
        '0200ffffffff' +
        '9c401f90' +
        `0a010203${'0'.repeat(24)}` +
        `0a010204${'0'.repeat(24)}` +
        '00000000ffffffffffffffff',
    );
  });

  /** With a `struct tcp_info` behind another attribute. */
  function answerWith(info: Uint8Array): Uint8Array {
    const answer = new Uint8Array(88 + 8 + 4 + info.length);
    answer.set([answer.length, 0, 0, 0, 20, 0], 0);
    answer.set([0x78, 0x56, 0x34, 0x12], 72);
    answer.set([5, 0, 8, 0, 3], 88);
    answer.set([4 + info.length, 0, 2, 0], 96);
    answer.set(info, 100);
    return answer;
  }
  const info = new Uint8Array(232);
  info.set([0, 0, 0, 0, 1], 128);

  it('is answered by what waits and what has come, by that there is none, or not', () => {
    const answer = answerWith(info);
    expect(diagAnswer(answer)).toEqual({ unread: 0x12345678, received: 2 ** 32 });
    expect(diagAnswer(answer.subarray(0, 88))).toEqual({ unread: 0x12345678, received: undefined });
    expect(diagAnswer(answer.subarray(0, 87))).toBeUndefined();
    const error = (code: number) => {
      const message = new Uint8Array(36);
      message.set([36, 0, 0, 0, 2, 0], 0);
      new DataView(message.buffer).setInt32(16, code, true);
      return message;
    };
    expect(diagAnswer(error(-2))).toBe('elsewhere');
    expect(diagAnswer(error(-1))).toBeUndefined();
    expect(diagAnswer(error(0))).toBeUndefined();
    expect(diagAnswer(new Uint8Array(19))).toBeUndefined();
  });

  it('that is answered with lengths that lead nowhere is answered without what has come', () => {
    const answer = answerWith(info);
    for (let cut = 88; cut < answer.length; cut++)
      expect(diagAnswer(answer.subarray(0, cut))).toEqual({ unread: 0x12345678, received: undefined });
    for (const length of [0, 3, 255]) {
      answer.set([length, 0], 88);
      expect(diagAnswer(answer)).toEqual({ unread: 0x12345678, received: undefined });
    }
  });

  it('is about octets, whose numbers are in struct tcp_info', () => {
    const given = new Uint8Array(216);
    const view = new DataView(given.buffer);
    view.setUint32(144, 5, true);
    view.setBigUint64(200, 1n << 33n, true);
    view.setBigUint64(208, 7n, true);
    expect(handedOver(given)).toBe(2 ** 33 - 7 + 5);
    expect(handedOver(given.subarray(0, 215))).toBeUndefined();
    expect(received(given.subarray(0, 135))).toBeUndefined();
  });
});

describe.runIf(nativeFile !== undefined)('what a peer here does not have', () => {
  it.each(['127.0.0.1', '::1'])('is told to the byte, over %s', async (host) => {
    const server = createServer({ pauseOnConnect: true }).listen(0, '::');
    await once(server, 'listening');
    const [peer, [accepted]] = (await Promise.all([
      new Promise<Socket>((resolve) => {
        const socket = connect({ host, port: (server.address() as AddressInfo).port }, () => resolve(socket));
        socket.pause();
      }),
      once(server, 'connection'),
    ])) as [Socket, [Socket]];
    const fd = descriptorOf(accepted) ?? -1;
    const missing = () => nativeFile?.missing(accepted, fd);
    expect(missing()).toBe(0);
    await new Promise((resolve) => accepted.write(Buffer.alloc(12_345), resolve));
    expect(missing()).toBe(12_345);
    peer.resume();
    let read = 0;
    for (; read < 12_345; ) read += ((await once(peer, 'data')) as [Buffer])[0].length;
    expect([missing(), read]).toEqual([0, 12_345]);
    // More than there is room for at once; at the end it is read, whether or not it is acknowledged.
    const much = Buffer.alloc(8 * 1024 * 1024 + 1);
    peer.pause();
    const written = new Promise((resolve) => accepted.write(much, resolve));
    expect(missing()).toBeGreaterThan(0);
    peer.resume();
    for (read = 0; read < much.length; ) read += ((await once(peer, 'data')) as [Buffer])[0].length;
    await written;
    expect([missing(), read]).toEqual([0, much.length]);
    peer.destroy();
    await once(accepted.resume(), 'close');
    // It has no ends any more.
    expect(missing()).toBeUndefined();
    await new Promise((resolve) => server.close(resolve));
  });
});
