import type { X509Certificate } from 'node:crypto';
import type { SecureContext, SecureContextOptions, TLSSocket } from 'node:tls';
import type { HttpReceiverOptions } from './http-options.ts';
import { crypto, tls } from './on-demand.ts';
import { ignoresAnything, refusedCertificate } from './tls-policy.ts';

/** TLS settings of one transfer. */
export interface SecureContexts {
  /** `own`: shows the client certificate. */
  context(own: boolean): SecureContext;
  /** False: whoever connects looks at the certificate with `refused`. */
  readonly rejectUnauthorized: boolean;
  /** What is wrong with the server's certificate; undefined: nothing. */
  refused(socket: TLSSocket, host: string): Error | undefined;
}

export function createSecureContexts(options: HttpReceiverOptions): SecureContexts {
  // Parsing the authorities takes milliseconds; connections share the result.
  let plain: SecureContext | undefined;
  let withCertificate: SecureContext | undefined;
  let roots: readonly X509Certificate[] | undefined;
  const policy = options.tls ?? {};
  const ca = () => [...tls().getCACertificates('default'), ...(options.trust ?? [])];
  const common = (): SecureContextOptions => ({
    ca: ca(),
    minVersion: 'TLSv1.2',
    ...(policy.checkRevocation === undefined ? {} : { crl: [...policy.checkRevocation.lists] }),
  });
  return {
    context(own) {
      const certificate = options.clientCertificate;
      if (own && certificate !== undefined) {
        withCertificate ??= tls().createSecureContext({
          ...common(),
          cert: certificate.certificate,
          key: certificate.privateKey,
        });
        return withCertificate;
      }
      plain ??= tls().createSecureContext(common());
      return plain;
    },
    rejectUnauthorized: !ignoresAnything(policy),
    refused(socket, host) {
      // OpenSSL looks for revoked certificates only where there is a list.
      if (policy.checkRevocation?.lists.length === 0) {
        return Object.assign(new Error('no list of revoked certificates'), { code: 'UNABLE_TO_GET_CRL' });
      }
      if (!ignoresAnything(policy)) return undefined;
      return refusedCertificate(socket, host, policy, () => {
        roots ??= ca().flatMap((pem) => {
          try {
            return [new (crypto().X509Certificate)(pem)];
          } catch {
            return [];
          }
        });
        return roots;
      });
    },
  };
}
