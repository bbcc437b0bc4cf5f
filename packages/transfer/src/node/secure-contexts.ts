import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import type { HttpReceiverOptions } from './connection.ts';

/** TLS settings of one transfer: `own` ones show the client certificate. */
export type SecureContexts = (own: boolean) => SecureContext;

export function createSecureContexts(options: HttpReceiverOptions): SecureContexts {
  // Parsing the authorities takes milliseconds; connections share the result.
  let plain: SecureContext | undefined;
  let withCertificate: SecureContext | undefined;
  const ca = () => [...getCACertificates('default'), ...(options.trust ?? [])];
  return (own) => {
    const certificate = options.clientCertificate;
    if (own && certificate !== undefined) {
      withCertificate ??= createSecureContext({
        ca: ca(),
        cert: certificate.certificate,
        key: certificate.privateKey,
        minVersion: 'TLSv1.2',
      });
      return withCertificate;
    }
    plain ??= createSecureContext({ ca: ca(), minVersion: 'TLSv1.2' });
    return plain;
  };
}
