import { littleEndian, received } from './tcp-info.ts';

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
export function setNumber(message: Uint8Array, number: number): void {
  new DataView(message.buffer, message.byteOffset).setUint32(8, number, littleEndian);
}

export function numberOf(message: Uint8Array): number {
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

/** The ends of a connection as they are known here. */
interface Ends {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
}
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

/** Octets of a question. */
export const requestLength = 72;
const [inet, inet6, ipProtoTcp, enoent] = [2, 10, 6, 2];
const [sockDiagByFamily, nlmFRequest, nlmsgError] = [20, 1, 2];
/** <linux/inet_diag.h>: behind the heads of netlink and of the answer. */
const [inetDiagInfo, attributes] = [2, 16 + 72];
