import { createHash, X509Certificate } from 'node:crypto';
import { type AccountLookup, createToken } from '@carmine/auth';
import type { Token } from '@carmine/security';
import type { PresentedCertificate } from './certificate-acceptor.ts';

/** Client certificates and the accounts that they stand for. */
export interface CertificateMapping {
  /** `der`: a certificate that TLS has verified. */
  present(der: Uint8Array, source: string): PresentedCertificate;
}

export interface CertificateMappingOptions {
  /** `[management.certificates]`: keys as normalised by the configuration, names of accounts. */
  readonly accountOf: ReadonlyMap<string, string>;
  readonly accounts: AccountLookup;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/**
 * UNSPECIFIED: a thumbprint says more than a name, so names count only when no thumbprint is listed. A certificate whose entries
 * name different accounts stands for nobody ([MS-WSMV] 3.1.4.1.35: no unique match is refused).
 */
export async function createCertificateMapping(options: CertificateMappingOptions): Promise<CertificateMapping> {
  const { accountOf, accounts, now } = options;
  // Text forms of alternative names are ambiguous; the library reads the octets. It is loaded only where it is needed.
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');

  const namesOf = (der: Uint8Array): string[] => {
    try {
      const certificate = new x509.X509Certificate(new Uint8Array(der));
      const names = certificate.getExtension(x509.SubjectAlternativeNameExtension)?.names.items ?? [];
      return names
        .filter(({ type }) => type === 'upn' || type === 'dns')
        .map(({ type, value }) => `${type}:${value.toLowerCase()}`);
    } catch {
      // What the library cannot read has no names.
      return [];
    }
  };
  const accountsFor = (keys: readonly string[]): readonly string[] => [
    ...new Map(keys.flatMap((key) => accountOf.get(key) ?? []).map((name) => [name.toLowerCase(), name])).values(),
  ];

  return {
    present(der, source) {
      const leaf = new X509Certificate(der);
      const sha1 = digest('sha1', der);
      const byThumbprint = accountsFor([sha1, digest('sha256', der)]);
      const [account, another] = byThumbprint.length > 0 ? byThumbprint : accountsFor(namesOf(der));
      const token = (): Token | undefined => {
        if (account === undefined || another !== undefined) return undefined;
        // A connection may outlive its certificate.
        if (now() < leaf.validFromDate.getTime() || now() > leaf.validToDate.getTime()) return undefined;
        const found = accounts(account, '');
        return found && createToken(found, { scheme: 'certificate', source, protectedChannel: true });
      };
      return { name: `certificate ${sha1}`, token };
    },
  };
}

function digest(algorithm: 'sha1' | 'sha256', data: Uint8Array): string {
  return createHash(algorithm).update(data).digest('hex');
}
