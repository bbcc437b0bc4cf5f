import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/**
 * DER of the client certificate of a connection whose listener asked for one, when it chains to the listener's authorities, is
 * valid now and made for clients; undefined otherwise. Meant for listeners that name their authorities: without `ca` Node takes its own.
 */
export function verifiedClientCertificate(socket: Socket): Uint8Array | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const certificate = socket.getPeerX509Certificate();
  return certificate === undefined ? undefined : new Uint8Array(certificate.raw);
}
