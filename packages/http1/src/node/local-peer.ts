/** As a socket has them. */
interface Ends {
  readonly remoteAddress?: string | undefined;
  readonly localAddress?: string | undefined;
}

/** The peer is a process of this system, as far as the addresses tell: to one's own address one comes from there. */
export function isLocal({ remoteAddress, localAddress }: Ends): boolean {
  return remoteAddress !== undefined && (remoteAddress === localAddress || loopback.test(remoteAddress));
}

const loopback = /^(?:::1|(?:::ffff:)?127\.\d+\.\d+\.\d+)$/i;
