import type { Socket } from 'node:net';
import { handedOver, littleEndian, received } from './tcp-info.ts';

/** How far peers have got. */
export interface PeerQueue {
  /** What the peer has not acknowledged yet: ioctl(2) with SIOCOUTQ. */
  unacknowledged(socket: number): number;
  /**
   * Of what was sent on a plain connection, with this descriptor here, bytes that the peer does not have. One of this system (in this network namespace) has what it has read, acknowledged
   * or not: an acknowledgement of the last bytes may come 40 ms later. One that is elsewhere has what it has acknowledged: that has left this system. Undefined: it is here, and the
   * system does not tell.
   */
  missing(peer: Socket, socket: number): number | undefined;
}

/** The socket at the other end. */
export interface PeerState {
  /** Received and not read. */
  readonly unread: number;
  /** Received since the connection began, a moment after `unread` was looked at; undefined where the system does not tell. */
  readonly received: number | undefined;
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
  message[18] = 1 << (inetDiagInfo - 1);
  view.setUint32(20, 0xffff_ffff, littleEndian);
  view.setUint16(24, port);
  view.setUint16(26, toPort);
  message.set(address, 28);
  message.set(toAddress, 44);
  // No cookie: whichever socket it is.
  message.fill(0xff, 64, 72);
  return message;
}

/** Which question it is, or is answered. */
function setNumber(message: Uint8Array, number: number): void {
  new DataView(message.buffer, message.byteOffset).setUint32(8, number, littleEndian);
}

function numberOf(message: Uint8Array): number {
  return new DataView(message.buffer, message.byteOffset).getUint32(8, littleEndian);
}

/** What the answer says; undefined for what is none. */
export function diagAnswer(answer: Uint8Array): PeerState | 'elsewhere' | undefined {
  if (answer.length < 20) return undefined;
  const view = new DataView(answer.buffer, answer.byteOffset, answer.length);
  const type = view.getUint16(4, littleEndian);
  if (type === nlmsgError) return view.getInt32(16, littleEndian) === -enoent ? 'elsewhere' : undefined;
  if (type !== sockDiagByFamily || answer.length < attributes) return undefined;
  return { unread: view.getUint32(72, littleEndian), received: received(infoIn(answer, view)) };
}

/** The attribute with the socket's `struct tcp_info`; empty where there is none. */
function infoIn(answer: Uint8Array, view: DataView): Uint8Array {
  for (let at = attributes; at + 4 <= answer.length; ) {
    const length = view.getUint16(at, littleEndian);
    if (length < 4 || at + length > answer.length) break;
    if (view.getUint16(at + 2, littleEndian) === inetDiagInfo) return answer.subarray(at + 4, at + length);
    at += (length + 3) & ~3;
  }
  return answer.subarray(0, 0);
}

export function createPeerQueue(ffi: NonNullable<Ffi>): PeerQueue {
  const { socket, send, recv, ioctl, getsockopt } = ffi.dlopen(null, {
    socket: { return: 'i32', arguments: ['i32', 'i32', 'i32'] },
    send: { return: 'i64', arguments: ['i32', 'buffer', 'u64', 'i32'] },
    recv: { return: 'i64', arguments: ['i32', 'buffer', 'u64', 'i32'] },
    ioctl: { return: 'i32', arguments: ['i32', 'u64', 'buffer'] },
    getsockopt: { return: 'i32', arguments: ['i32', 'i32', 'i32', 'buffer', 'buffer'] },
  }).functions;
  const [answer, info, queued] = [new Uint8Array(1024), new Uint8Array(256), new Int32Array(1)];
  const [requestOctets, answerOctets] = [BigInt(requestLength), BigInt(answer.length)];
  /** One for the process; the system answers while it is asked. */
  let netlink: number | undefined;
  /** How often it was asked: what tells whose answer comes. */
  let asked = 0;
  /** The question for each connection, which is asked often. */
  const requests = new WeakMap<Socket, Uint8Array>();
  /** Of so much that was sent it is known that it has arrived. */
  const arrived = new WeakMap<Socket, number>();

  function requestFor(peer: Socket): Uint8Array | undefined {
    // Others may have its ends then.
    if (peer.destroyed) return undefined;
    const kept = requests.get(peer);
    if (kept !== undefined) return kept;
    const name = peerNameOf(peer);
    if (name === undefined) return undefined;
    const request = diagRequest(name);
    requests.set(peer, request);
    return request;
  }

  function ask(peer: Socket): ReturnType<typeof diagAnswer> {
    const request = requestFor(peer);
    if (request === undefined) return undefined;
    netlink ??= socket(afNetlink, sockRaw | sockCloExec | sockNonBlock, netlinkSockDiag);
    if (netlink < 0) return undefined;
    asked = (asked + 1) >>> 0;
    setNumber(request, asked);
    if (Number(send(netlink, request, requestOctets, 0)) !== request.length) return undefined;
    for (;;) {
      const length = Number(recv(netlink, answer, answerOctets, 0));
      if (length <= 0) return undefined;
      // Else it is of a question that was given up.
      if (numberOf(answer) === asked) return diagAnswer(answer.subarray(0, length));
    }
  }

  function totalOf(fd: number): number | undefined {
    const length = Uint32Array.of(info.length);
    if (getsockopt(fd, ipProtoTcp, tcpInfo, info, length) !== 0) return undefined;
    return handedOver(info.subarray(0, length[0]));
  }

  const unacknowledged = (fd: number) => (ioctl(fd, siocOutQ, queued) === 0 ? (queued[0] ?? 0) : 0);
  return {
    unacknowledged,
    missing(peer, fd) {
      // Before it is looked at what he has read: what is acknowledged then has arrived.
      const waiting = unacknowledged(fd);
      let state = ask(peer);
      if (state === undefined) return undefined;
      if (state === 'elsewhere') return waiting;
      const total = waiting === 0 ? undefined : totalOf(fd);
      if (waiting !== 0 && (total === undefined || arrived.get(peer) !== total)) {
        if (total === undefined || state.received !== total) return Math.max(waiting, state.unread);
        arrived.set(peer, total);
        // What arrived between the two numbers of that answer is in one of them only.
        state = ask(peer);
        if (state === undefined || state === 'elsewhere') return state && waiting;
      }
      return state.unread;
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

const [inet, inet6, afNetlink] = [2, 10, 16];
const [sockRaw, sockNonBlock, sockCloExec] = [3, 0o4000, 0o2000000];
const [netlinkSockDiag, sockDiagByFamily, nlmFRequest, nlmsgError] = [4, 20, 1, 2];
const [ipProtoTcp, tcpInfo, enoent, requestLength] = [6, 11, 2, 72];
/** <linux/inet_diag.h>: behind the heads of netlink and of the answer. */
const [inetDiagInfo, attributes] = [2, 16 + 72];
/** <linux/sockios.h> */
const siocOutQ = 0x5411n;
