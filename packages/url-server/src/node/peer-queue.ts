import type { Socket } from 'node:net';
import { diagAnswer, diagRequest, numberOf, peerNameOf, requestLength, setNumber } from '../diag-message.ts';
import { handedOver } from '../tcp-info.ts';

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

const afNetlink = 16;
const [sockRaw, sockNonBlock, sockCloExec] = [3, 0o4000, 0o2000000];
const [netlinkSockDiag, ipProtoTcp, tcpInfo] = [4, 6, 11];
/** <linux/sockios.h> */
const siocOutQ = 0x5411n;
