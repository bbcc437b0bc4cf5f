import type { Server, Socket } from 'node:net';
import { isLocal } from './local-peer.ts';
import { handleDescriptor } from './native-socket.ts';

/** Congestion control of connections that a listening socket gets. */
export interface CongestionControl {
  /** The algorithm's name; undefined: the system does not tell. */
  get(socket: number): string | undefined;
  /** False: the system does not know the algorithm, or not for us. */
  set(socket: number, name: string): boolean;
}

/**
 * Connections within this system are not to be paced. BBR, where it is the system's default, sends each packet at the time it has computed
 * for it, with a timer for every 64 KiB: over a network that is what it is for, but on the way from one process to another it takes longer than all the rest
 * (measured in a virtual machine: sendfile(2) of 1 GiB 0.39 s of processor time, 0.08 s without). So those have Reno, which every Linux has and which never waits.
 *
 * A socket that was ever paced stays so. That is why the listening socket has Reno, from which connections inherit it; what is returned, to be called for
 * each of them before anything is written, gives the others the system's default again, which everybody may use. Undefined where there is nothing to do, or no way.
 */
export function unpaceLocal(
  server: Server,
  control: CongestionControl | undefined = congestionControl(),
): ((socket: Socket) => void) | undefined {
  const listening = handleDescriptor(server);
  const usual = listening === undefined ? undefined : control?.get(listening);
  if (control === undefined || listening === undefined || usual === undefined || !paces.test(usual)) return undefined;
  if (!control.set(listening, unpaced)) return undefined;
  return (socket) => {
    const fd = handleDescriptor(socket);
    if (fd !== undefined && !isLocal(socket)) control.set(fd, usual);
  };
}

/** Linux with node:ffi (in Node from 26 on, without a flag); undefined elsewhere. */
export function congestionControl(): CongestionControl | undefined {
  if (process.platform !== 'linux') return undefined;
  const ffi = process.getBuiltinModule('node:ffi');
  if (ffi === undefined) return undefined;
  try {
    const { getsockopt, setsockopt } = ffi.dlopen(null, {
      getsockopt: { return: 'i32', arguments: ['i32', 'i32', 'i32', 'buffer', 'buffer'] },
      setsockopt: { return: 'i32', arguments: ['i32', 'i32', 'i32', 'buffer', 'u32'] },
    }).functions;
    return {
      get(socket) {
        const [name, length] = [Buffer.alloc(longestName), Uint32Array.of(longestName)];
        if (getsockopt(socket, ipProtoTcp, tcpCongestion, name, length) !== 0) return undefined;
        return name.toString('latin1').replace(/\0.*$/s, '');
      },
      set(socket, name) {
        const octets = Buffer.from(name, 'latin1');
        return setsockopt(socket, ipProtoTcp, tcpCongestion, octets, octets.length) === 0;
      },
    };
  } catch {
    // A C library without them, or a Node that has been told not to.
    return undefined;
  }
}

const paces = /^bbr/;
const unpaced = 'reno';
/** <netinet/tcp.h>, TCP_CA_NAME_MAX */
const [ipProtoTcp, tcpCongestion, longestName] = [6, 13, 16];
