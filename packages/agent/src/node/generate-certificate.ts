import { isIP } from 'node:net';
import { CarmineError } from '@carmine/errors';

/** A new key and a certificate for it, PEM. */
export interface GeneratedCertificate {
  readonly certificate: string;
  readonly privateKey: string;
}

/**
 * Makes a self-signed server certificate (ECDSA P-256, SHA-256) for host names and IP addresses. It is its own trust
 * anchor: whoever puts it into `[client] trust` trusts this server and no other.
 *
 * @param now milliseconds since 1970; the certificate is valid from an hour before, for 825 days.
 */
export async function generateCertificate(hosts: readonly string[], now: number): Promise<GeneratedCertificate> {
  const [first] = hosts;
  if (first === undefined)
    throw new CarmineError('usage/invalid', { context: { reason: 'a certificate needs a --name' } });
  for (const host of hosts) {
    const fine = isIP(host) !== 0 || /^(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?$/.test(host);
    if (!fine)
      throw new CarmineError('usage/invalid', {
        context: { reason: `"${host}" is neither a host name nor an IP address` },
      });
  }
  // The X.509 library and the polyfill it needs are loaded only by the command that makes certificates.
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      name: [{ CN: [first] }],
      notBefore: new Date(now - 3_600_000),
      notAfter: new Date(now + 825 * 86_400_000),
      signingAlgorithm: algorithm,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
        new x509.SubjectAlternativeNameExtension(
          hosts.map((host) => ({ type: isIP(host) === 0 ? ('dns' as const) : ('ip' as const), value: host })),
        ),
      ],
    },
    crypto,
  );
  const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey));
  const lines = der.toString('base64').replace(/.{64}/g, '$&\n').trim();
  return {
    certificate: certificate.toString('pem'),
    privateKey: `-----BEGIN PRIVATE KEY-----\n${lines}\n-----END PRIVATE KEY-----\n`,
  };
}
