/** What a socket has been given to send so far, octets, in a `struct tcp_info` (<linux/tcp.h>); undefined where the kernel is older and does not tell. */
export function handedOver(info: Uint8Array): number | undefined {
  const [sent, again] = [longAt(info, bytesSent), longAt(info, bytesRetrans)];
  if (sent === undefined || again === undefined) return undefined;
  return sent - again + new DataView(info.buffer, info.byteOffset).getUint32(notSentBytes, littleEndian);
}

/** What has come in on a socket so far, read or not, octets. */
export function received(info: Uint8Array): number | undefined {
  return longAt(info, bytesReceived);
}

function longAt(info: Uint8Array, offset: number): number | undefined {
  if (info.length < offset + 8) return undefined;
  return Number(new DataView(info.buffer, info.byteOffset).getBigUint64(offset, littleEndian));
}

/** The processor's order. */
export const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
const [bytesReceived, notSentBytes, bytesSent, bytesRetrans] = [128, 144, 200, 208];
