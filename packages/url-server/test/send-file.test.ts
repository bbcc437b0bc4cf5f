import { randomBytes } from 'node:crypto';
import { mkdtempSync, realpathSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHttp1Server, type Exchange, type Http1Server } from '@carmine/http1/node';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type NativeFile, nativeFile } from '../src/node/native-file.ts';
import { PeerReads } from '../src/node/peer-reads.ts';
import { type SendOptions, sendFile } from '../src/node/send-file.ts';
import { createSourceFolder } from '../src/node/source-files.ts';

const content = randomBytes(24 * 1024 * 1024 + 11);
let folder: string;
let path: string;
let server: Http1Server;
let port: number;
let native: NativeFile | undefined;
let changes: Partial<SendOptions>;
/** How the answers ended. */
let ends: Promise<boolean>[];

beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'carmine-send-')));
});
afterAll(() => rmSync(folder, { recursive: true }));

beforeEach(async () => {
  path = join(folder, 'file');
  writeFileSync(path, content);
  changes = {};
  ends = [];
  const files = createSourceFolder([folder]);
  const handle = (exchange: Exchange) => {
    const [, first, last] = /bytes=(\d+)-(\d+)/.exec(exchange.head.fields.get('range') ?? '') ?? [];
    const range = { first: Number(first ?? 0), last: Number(last ?? content.length - 1) };
    const answer = async () => {
      const { file, version } = await files.open(path);
      exchange.begin(200, [['Content-Length', String(range.last - range.first + 1)]]);
      const whole = await sendFile({
        file,
        version,
        range,
        out: exchange,
        rate: () => Number.POSITIVE_INFINITY,
        pace: () => Promise.resolve(),
        sent: () => {},
        stopped: () => false,
        last: true,
        native,
        reads: native && new PeerReads(native),
        pagesQueued: false,
        ...changes,
      });
      await file.close();
      if (!whole) exchange.destroy();
      else if (!exchange.ended) exchange.end();
      return whole;
    };
    ends.push(answer());
  };
  server = createHttp1Server({ handle });
  ({ port } = await server.listen('127.0.0.1', 0));
});
afterEach(() => server.close(0));

const get = (range?: readonly [number, number]) =>
  `GET / HTTP/1.1\r\nHost: x\r\n${range === undefined ? '' : `Range: bytes=${range[0]}-${range[1]}\r\n`}\r\n`;

function open(): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket));
    socket.on('error', () => {});
  });
}

/** The bodies of so many answers, or fewer when the connection ends. */
async function bodies(socket: Socket, count: number): Promise<readonly Buffer[]> {
  let received: Buffer[] = [];
  let size = 0;
  const found: Buffer[] = [];
  for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    received.push(chunk);
    size += chunk.length;
    for (;;) {
      const [head] = received;
      if (head === undefined) break;
      const end = head.indexOf('\r\n\r\n') + 4;
      const length = Number(/content-length: (\d+)/i.exec(head.toString('latin1', 0, end))?.[1]);
      if (end < 4 || size < end + length) break;
      const all = Buffer.concat(received);
      found.push(all.subarray(end, end + length));
      received = all.length > end + length ? [all.subarray(end + length)] : [];
      size = all.length - end - length;
    }
    if (found.length === count) return found;
  }
  return found;
}

const counted = { calls: 0, bytes: 0 };
const counting = (calls: NativeFile): NativeFile => ({
  ...calls,
  send: (...call) => {
    const bytes = calls.send(...call);
    counted.calls++;
    counted.bytes += bytes;
    return bytes;
  },
});

it('has the system calls on Linux with Node 26', () => {
  const expected = process.platform === 'linux' && process.getBuiltinModule('node:ffi') !== undefined;
  expect(nativeFile !== undefined).toBe(expected);
});

const nativeWays = (calls: NativeFile): readonly (readonly [string, () => NativeFile])[] => [
  ['sendfile', () => counting(calls)],
  ['sendfile that never has room', () => ({ ...calls, send: () => 0 })],
  ['sendfile of a file that is not in memory', () => ({ ...calls, readResident: () => 0, residentBytes: () => 0 })],
  [
    'sendfile of a file that is in memory in part',
    () => ({
      ...calls,
      readResident: (file, into, length, at) => calls.readResident(file, into, Math.min(length, 70_000), at),
      residentBytes: (_file, _at, length) => Math.min(length, 100_000),
    }),
  ],
];
const ways: readonly (readonly [string, () => NativeFile | undefined])[] = [
  ['reads and writes', () => undefined],
  ...(nativeFile === undefined ? [] : nativeWays(nativeFile)),
];

describe.each(ways)('a file sent with %s', (way, make) => {
  beforeEach(() => {
    native = make();
    counted.calls = 0;
    counted.bytes = 0;
  });

  it('arrives whole and in ranges, pipelined and one after the other, on one connection', async () => {
    const socket = await open();
    const ranges = [undefined, [5, 5], [1000, 60_000], [1, content.length - 2], undefined] as const;
    const expected = ranges.map((range) => (range === undefined ? content : content.subarray(range[0], range[1] + 1)));
    socket.write(ranges.map((range) => get(range)).join(''));
    const together = await bodies(socket, ranges.length);
    expect(together.map((body, index) => body.equals(expected[index] ?? content))).toEqual(ranges.map(() => true));
    socket.write(get());
    expect((await bodies(socket, 1))[0]?.equals(content)).toBe(true);
    expect(await Promise.all(ends)).toEqual([...ranges, 0].map(() => true));
    if (way === 'sendfile') expect(counted.bytes).toBeGreaterThan(content.length);
    socket.destroy();
  });

  it.each([
    ['is written to', () => writeFileSync(path, Buffer.alloc(100), { flag: 'r+' })],
    ['shrinks', () => truncateSync(path, 1000)],
    ['is touched', () => utimesSync(path, new Date(), new Date(0))],
  ])('is never ended properly when the source %s while the client does not read', async (_what, change) => {
    const socket = await open();
    socket.pause();
    let [taken, before] = [0, -1];
    changes = {
      sent: (bytes) => {
        taken += bytes;
      },
    };
    socket.write(get());
    // Until all buffers are full.
    await expect
      .poll(
        () => {
          const still = taken === before && taken > 0;
          before = taken;
          return still;
        },
        { interval: 30, timeout: 5000 },
      )
      .toBe(true);
    expect(taken).toBeLessThan(content.length);
    change();
    expect(await bodies(socket, 1)).toEqual([]);
    expect(await Promise.all(ends)).toEqual([false]);
  });

  it('stops when told to, and when the client goes', async () => {
    let stopped = false;
    changes = { stopped: () => stopped };
    const [one, other] = [await open(), await open()];
    one.pause();
    one.write(get());
    other.write(get());
    await new Promise((resolve) => other.once('data', resolve));
    other.destroy();
    await expect.poll(() => ends.length).toBe(2);
    stopped = true;
    expect(await bodies(one, 1)).toEqual([]);
    expect(await Promise.all(ends)).toEqual([false, false]);
  });

  it('keeps to a limit that is set in the middle', async () => {
    let rate = Number.POSITIVE_INFINITY;
    const paced: number[] = [];
    changes = {
      rate: () => rate,
      pace: async (bytes) => {
        if (Number.isFinite(rate)) paced.push(bytes);
        rate = 300_000;
      },
    };
    const socket = await open();
    socket.write(get([0, 9_999_999]));
    expect((await bodies(socket, 1))[0]?.equals(content.subarray(0, 10_000_000))).toBe(true);
    expect(Math.max(...paced)).toBeLessThanOrEqual(300_000);
    expect(paced.reduce((sum, bytes) => sum + bytes, 0)).toBeGreaterThan(8_000_000);
    socket.destroy();
  });
});

describe.runIf(nativeFile !== undefined)('sendfile', () => {
  it('is over only when the peer has everything before the last bytes, and the file is still the same then', async () => {
    const calls = nativeFile as NativeFile;
    let waited = 0;
    // The last bytes wait for acknowledgement; the change comes in just that time.
    native = {
      ...calls,
      missing: (peer, socket) => {
        // The first time it was only asked whether that can be known.
        if (waited++ === 1) utimesSync(path, new Date(), new Date(0));
        return calls.missing(peer, socket);
      },
    };
    const socket = await open();
    socket.write(get());
    expect(await bodies(socket, 1)).toEqual([]);
    expect(await Promise.all(ends)).toEqual([false]);
    expect(waited).toBeGreaterThan(1);
  });

  it('is over only when a peer of this system has read everything: what it has not read are the pages themselves', async () => {
    const calls = nativeFile as NativeFile;
    let asked = 0;
    native = {
      ...counting(calls),
      // Sent, and not read; then the file changes, and then it is read.
      missing: () => {
        if (++asked === 3) utimesSync(path, new Date(), new Date(0));
        return asked === 2 ? 1 : 0;
      },
    };
    const before = counted.bytes;
    const socket = await open();
    socket.write(get());
    expect(await bodies(socket, 1)).toEqual([]);
    expect(await Promise.all(ends)).toEqual([false]);
    expect([asked, counted.bytes > before]).toEqual([3, true]);
  });

  it('is not for peers of this system whose queue cannot be seen', async () => {
    const before = counted.calls;
    native = { ...counting(nativeFile as NativeFile), missing: () => undefined };
    const socket = await open();
    socket.write(get());
    expect((await bodies(socket, 1))[0]?.equals(content)).toBe(true);
    expect(counted.calls).toBe(before);
    socket.destroy();
  });

  it('keeps away from where the system may be reading ahead', async () => {
    const calls = nativeFile as NativeFile;
    const absent = content.length - 2 * 1024 * 1024;
    const reached: number[] = [];
    native = {
      ...calls,
      residentBytes: (_file, from, length) => Math.max(0, Math.min(length, absent - from)),
      send: (socket, file, from, length) => {
        reached.push(from + length);
        return calls.send(socket, file, from, length);
      },
    };
    const socket = await open();
    socket.write(get());
    expect((await bodies(socket, 1))[0]?.equals(content)).toBe(true);
    expect(reached.length).toBeGreaterThan(0);
    expect(Math.max(...reached)).toBeLessThanOrEqual(absent - 16 * 1024 * 1024);
    socket.destroy();
  });
});
