import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { AccountLookup, HttpAcceptor } from '@carmine/auth';
import { systemEnvironment } from '@carmine/auth/node';
import { CarmineError } from '@carmine/errors';
import type { WsmanAcceptor } from '@carmine/wsman';
import { certificateAcceptor } from './certificate-acceptor.ts';
import { createCertificateMapping } from './certificate-mapping.ts';
import type { Log } from './log.ts';

/** Client certificates as a way to log on to the https ports of one kind. */
export interface CertificateLogon {
  /** PEM, one certificate each. */
  readonly authorities: readonly string[];
  /** Lets the certificate of a connection, DER and verified against the authorities, count. */
  accept(acceptor: HttpAcceptor, clientCertificate: Uint8Array | undefined, source: string): WsmanAcceptor;
}

export interface CertificateLogonOptions {
  /** File of authorities. */
  readonly clientCa: string;
  /** See `readCertificates`. */
  readonly certificates: ReadonlyMap<string, string>;
  /** Name of the table that `certificates` comes from, for messages. */
  readonly table: string;
  readonly accounts: AccountLookup;
  readonly log: Log;
}

/** Throws `configuration/no-certificate` when the authorities cannot be read. */
export async function openCertificateLogon(options: CertificateLogonOptions): Promise<CertificateLogon> {
  const { accounts, certificates, log } = options;
  const authorities = await readAuthorities(options.clientCa);
  for (const account of new Set(certificates.values()))
    if (accounts(account, '') === undefined) log.warn(`${options.table}: there is no account "${account}" yet`);
  const mapping = await createCertificateMapping({
    accountOf: certificates,
    accounts,
    now: () => systemEnvironment.now(),
  });
  return {
    authorities,
    accept: (acceptor, clientCertificate, source) =>
      certificateAcceptor(
        acceptor,
        clientCertificate === undefined ? undefined : mapping.present(clientCertificate, source),
      ),
  };
}

/** The certificates of a PEM file, at least one; each must be readable, lest TLS pass over it. */
async function readAuthorities(file: string): Promise<string[]> {
  try {
    const text = await readFile(file, 'utf8');
    const blocks = text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g);
    if (blocks === null) throw new Error(`${file} has no certificate in PEM form`);
    return blocks.map((block) => new X509Certificate(block).toString());
  } catch (cause) {
    throw new CarmineError('configuration/no-certificate', { context: { reason: (cause as Error).message }, cause });
  }
}
