import type { Socket } from 'node:net';

/** How far peers of this very system have got. */
export interface PeerQueue {
  /**
   * Bytes that the peer's socket has received and nobody has read yet, when it is a socket of this system (in this network namespace); 0 when it is elsewhere: then
   * what it has acknowledged has left this system. Undefined: it is here, and the system does not tell.
   */
  unread(socket: Socket): number | undefined;
}

/** The ends of a connection as the peer's socket has them: 16 octets for each address, of IPv4 the first 4. */
export interface PeerName {
  readonly family: number;
  readonly address: Uint8Array;
  readonly port: number;
  readonly toAddress: Uint8Array;
  readonly toPort: number;
}

/** Undefined: no addresses of IP, or such as mean something else on each of the system's links (fe80::/10). */
export function peerNameOf({ remoteAddress, remotePort, localAddress, localPort }: Ends): PeerName | undefined {
  const [address, toAddress] = [remoteAddress, localAddress].map((text) => text && addressOf(text)) as Address[];
  if (address === undefined || toAddress === undefined || address.family !== toAddress.family) return undefined;
  if (remotePort === undefined || localPort === undefined) return undefined;
  if (address.family === inet6 && address.octets[0] === 0xfe && ((address.octets[1] ?? 0) & 0xc0) === 0x80)
    return undefined;
  return {
    family: address.family,
    address: address.octets,
    port: remotePort,
    toAddress: toAddress.octets,
    toPort: localPort,
  };
}

/** <linux/netlink.h>, <linux/inet_diag.h>: the question for one TCP socket. */
export function diagRequest({ family, address, port, toAddress, toPort }: PeerName): Uint8Array {
  const message = new Uint8Array(requestLength);
  const view = new DataView(message.buffer);
  view.setUint32(0, requestLength, littleEndian);
  view.setUint16(4, sockDiagByFamily, littleEndian);
  view.setUint16(6, nlmFRequest, littleEndian);
  message[16] = family;
  message[17] = ipProtoTcp;
  view.setUint32(20, 0xffff_ffff, littleEndian);
  view.setUint16(24, port);
  view.setUint16(26, toPort);
  message.set(address, 28);
  message.set(toAddress, 44);
  // No cookie: whichever socket it is.
  message.fill(0xff, 64, 72);
  return message;
}

/** What the answer says: bytes that wait to be read; 0 when there is no such socket; undefined for anything else. */
export function diagUnread(answer: Uint8Array): number | undefined {
  if (answer.length < 20) return undefined;
  const view = new DataView(answer.buffer, answer.byteOffset, answer.length);
  const type = view.getUint16(4, littleEndian);
  if (type === nlmsgError) return view.getInt32(16, littleEndian) === -enoent ? 0 : undefined;
  return type === sockDiagByFamily && answer.length >= 76 ? view.getUint32(72, littleEndian) : undefined;
}

export function createPeerQueue(ffi: NonNullable<Ffi>): PeerQueue {
  const { socket, send, recv } = ffi.dlopen(null, {
    socket: { return: 'i32', arguments: ['i32', 'i32', 'i32'] },
    send: { return: 'i64', arguments: ['i32', 'buffer', 'u64', 'i32'] },
    recv: { return: 'i64', arguments: ['i32', 'buffer', 'u64', 'i32'] },
  }).functions;
  const answer = new Uint8Array(512);
  /** One for the process; the system answers while it is asked. */
  let netlink: number | undefined;
  return {
    unread(peer) {
      const name = peerNameOf(peer);
      if (name === undefined) return undefined;
      netlink ??= socket(afNetlink, sockRaw | sockCloExec | sockNonBlock, netlinkSockDiag);
      if (netlink < 0) return undefined;
      // Nothing is left there of a question whose answer did not come.
      while (Number(recv(netlink, answer, BigInt(answer.length), 0)) > 0);
      const request = diagRequest(name);
      if (Number(send(netlink, request, BigInt(request.length), 0)) !== request.length) return undefined;
      const length = Number(recv(netlink, answer, BigInt(answer.length), 0));
      return length <= 0 ? undefined : diagUnread(answer.subarray(0, length));
    },
  };
}

type Ffi = ReturnType<typeof process.getBuiltinModule<'node:ffi'>>;
type Ends = Pick<Socket, 'remoteAddress' | 'remotePort' | 'localAddress' | 'localPort'>;
type Address = { readonly family: number; readonly octets: Uint8Array } | undefined;

/** A literal as Node gives it, in octets; an IPv4 address in IPv6's clothes is one of IPv4, as the system files it. */
function addressOf(text: string): Address {
  const dotted = /^(?:::ffff:)?(\d+)\.(\d+)\.(\d+)\.(\d+)$/i.exec(text);
  if (dotted !== null) return { family: inet, octets: Uint8Array.from(dotted.slice(1), Number) };
  const halves = text.replace(/%.*$/, '').split('::');
  if (!text.includes(':') || halves.length > 2) return undefined;
  const [before = [], after = []] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const zeros = Array<string>(halves.length === 2 ? 8 - before.length - after.length : 0).fill('0');
  const words = [...before, ...zeros, ...after].map((word) => Number.parseInt(word, 16));
  if (words.length !== 8 || words.some(Number.isNaN)) return undefined;
  return { family: inet6, octets: Uint8Array.from(words.flatMap((word) => [word >> 8, word & 0xff])) };
}

/** Netlink has the processor's order. */
const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
const [inet, inet6, afNetlink] = [2, 10, 16];
const [sockRaw, sockNonBlock, sockCloExec] = [3, 0o4000, 0o2000000];
const [netlinkSockDiag, sockDiagByFamily, nlmFRequest, nlmsgError] = [4, 20, 1, 2];
const [ipProtoTcp, enoent, requestLength] = [6, 2, 72];
