import type { Socket } from 'node:net';

/** The descriptor of a plain TCP socket that is open, looked at anew before each use: a closed one's number is reused. */
export function descriptorOf(socket: Socket | null): number | undefined {
  if (socket === null || socket.destroyed || 'encrypted' in socket) return undefined;
  return handleDescriptor(socket);
}

/** The descriptor behind a socket or server of Node, whatever it is for. */
export function handleDescriptor(owner: object): number | undefined {
  const fd = (owner as { _handle?: { readonly fd?: unknown } | null })._handle?.fd;
  return typeof fd === 'number' && fd >= 0 ? fd : undefined;
}

/**
 * Hands octets from `from` to `to` to the operating system, past Node's streams, which cost more than the system call: as many as
 * there is room for, without waiting. `more`: others follow at once, and may share a packet with these. Only where nothing is
 * queued in the socket, as it would be overtaken. 0 where there is no room, where it fails, and where this cannot be done: an
 * ordinary write then does it, or meets the error.
 */
export function sendNow(socket: Socket, octets: Uint8Array, from: number, to: number, more = false): number {
  if (send === undefined || socket.writableLength > 0 || socket.writableEnded) return 0;
  const fd = descriptorOf(socket);
  return fd === undefined ? 0 : send(fd, octets, from, to, more ? dontWait | moreFollows : dontWait);
}

type Send = (fd: number, octets: Uint8Array, from: number, to: number, flags: number) => number;

/** Linux with node:ffi (in Node from 26 on, without a flag); undefined elsewhere. */
const send = load();

function load(): Send | undefined {
  if (process.platform !== 'linux') return undefined;
  const ffi = process.getBuiltinModule('node:ffi');
  if (ffi === undefined) return undefined;
  try {
    const { send: call } = ffi.dlopen(null, {
      send: { return: 'i64', arguments: ['i32', 'pointer', 'u64', 'i32'] },
    }).functions;
    return (fd, octets, from, to, flags) => {
      if (from < 0 || to > octets.length) throw new RangeError('not within the buffer');
      return Math.max(0, Number(call(fd, ffi.getRawPointer(octets) + BigInt(from), BigInt(to - from), flags)));
    };
  } catch {
    // A C library without it, or a Node that has been told not to.
    return undefined;
  }
}

/** MSG_DONTWAIT with MSG_NOSIGNAL, and MSG_MORE: <sys/socket.h> */
const [dontWait, moreFollows] = [0x4040, 0x8000];
