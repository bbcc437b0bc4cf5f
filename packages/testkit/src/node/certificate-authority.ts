import 'reflect-metadata';
import * as x509 from '@peculiar/x509';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const day = 86_400_000;

/** A certificate with its key, PEM. */
export interface Issued {
  readonly cert: string;
  readonly key: string;
  readonly der: Uint8Array;
}

export interface IssueOptions {
  readonly names?: { readonly type: 'dns' | 'upn'; readonly value: string }[];
  /** Days from now. */
  readonly from?: number;
  readonly to?: number;
  readonly usage?: 'client' | 'server';
}

/** An authority, and what it issues. */
export async function createAuthority(name: string) {
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const now = Date.now();
  const authority = await x509.X509CertificateGenerator.createSelfSigned(
    {
      name: [{ CN: [name] }],
      notBefore: new Date(now - 100 * day),
      notAfter: new Date(now + 100 * day),
      signingAlgorithm: algorithm,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      ],
    },
    crypto,
  );
  const issue = async ({ names = [], from = -1, to = 1, usage = 'client' }: IssueOptions = {}): Promise<Issued> => {
    const leafKeys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const leaf = await x509.X509CertificateGenerator.create(
      {
        subject: [{ CN: ['somebody'] }],
        issuer: authority.subject,
        notBefore: new Date(now + from * day),
        notAfter: new Date(now + to * day),
        signingAlgorithm: algorithm,
        publicKey: leafKeys.publicKey,
        signingKey: keys.privateKey,
        extensions: [
          new x509.ExtendedKeyUsageExtension([
            usage === 'client' ? x509.ExtendedKeyUsage.clientAuth : x509.ExtendedKeyUsage.serverAuth,
          ]),
          ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)]),
        ],
      },
      crypto,
    );
    const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', leafKeys.privateKey)).toString('base64');
    return {
      cert: leaf.toString('pem'),
      key: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`,
      der: new Uint8Array(leaf.rawData),
    };
  };
  return { cert: authority.toString('pem'), issue };
}
