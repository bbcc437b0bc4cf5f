import { open } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * An origin with one file whose connections misbehave, as a program of its own. Arguments: address, port, file, how. `slow`: the second
 * connection has 100 kB/s. `resets`: whoever carries every 50th million bytes is reset. `stalls`: whoever carries them says nothing
 * more, without being closed, whatever is asked there.
 */
const [address = '127.0.0.1', port = '0', path = '', how = 'slow'] = process.argv.slice(2);
const file = await open(path);
const { size } = await file.stat();
const numbers = new WeakMap<Socket, number>();
const stalled = new WeakSet<Socket>();
let connections = 0;
let total = 0;

const server = createServer((request, response) => {
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
  const start = first === undefined ? 0 : Number(first);
  const end = last === undefined || last === '' ? size : Math.min(size, Number(last) + 1);
  response.writeHead(first === undefined ? 200 : 206, {
    etag: '"1"',
    'accept-ranges': 'bytes',
    'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT',
    'content-length': end - start,
    ...(first === undefined ? {} : { 'content-range': `bytes ${start}-${end - 1}/${size}` }),
  });
  if (request.method === 'HEAD') response.end();
  else void send(response, start, end);
});
server.keepAliveTimeout = 60_000;
server.on('connection', (socket: Socket) => {
  numbers.set(socket, connections++);
  socket.on('error', () => undefined);
});
server.listen(Number(port), address, () => process.stdout.write('ready\n'));

async function send(response: ServerResponse, start: number, end: number): Promise<void> {
  const socket = response.socket;
  if (socket === null) return;
  const number = numbers.get(socket) ?? 0;
  const buffer = Buffer.allocUnsafe(64 * 1024);
  for (let at = start; at < end && !response.destroyed; ) {
    const slow = how === 'slow' && number === 1;
    if (stalled.has(socket)) return;
    const wanted = Math.min(slow ? 10_000 : buffer.length, end - at);
    const { bytesRead } = await file.read(buffer, 0, wanted, at);
    if (bytesRead === 0) break;
    at += bytesRead;
    const before = Math.floor(total / 50_000_000);
    total += bytesRead;
    if (Math.floor(total / 50_000_000) > before) {
      if (how === 'resets') {
        socket.resetAndDestroy();
        return;
      }
      if (how === 'stalls') stalled.add(socket);
    }
    const room = response.write(Buffer.from(buffer.subarray(0, bytesRead)));
    if (!room) await drained(response);
    if (slow) await new Promise((resolve) => setTimeout(resolve, 100));
  }
  response.end();
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const go = () => {
      response.off('drain', go).off('close', go);
      resolve();
    };
    response.on('drain', go).on('close', go);
  });
}
