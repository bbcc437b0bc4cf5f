import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CertificateStore, StoredCertificate } from '@carmine/core';
import { CarmineError } from '@carmine/errors';
import { makeStateFolder, replaceFile } from './files.ts';

/** One certificate as `certificate list` shows it. */
export interface CertificateListing {
  readonly store: string;
  readonly subject: string;
  /** Upper-case hexadecimal, as Windows prints it. */
  readonly thumbprint: string;
  readonly sha256: string;
  readonly notAfter: string;
  readonly file: string;
}

export interface CertificateFiles extends CertificateStore {
  /** Stores a certificate (chain) with its key; returns it. Throws `configuration/no-certificate` when they do not fit. */
  add(
    storeName: string,
    certificatePem: string,
    keyPem: string,
  ): Promise<StoredCertificate & { readonly file: string }>;
  list(): Promise<CertificateListing[]>;
}

/**
 * Certificate stores of Windows as folders: `state_dir/certificates/STORE/SHA1.pem`, key and chain in one file, mode
 * 0600. Store names compare case-insensitively and are letters, digits and hyphens only.
 */
export function openCertificateFiles(stateDir: string): CertificateFiles {
  const base = join(stateDir, 'certificates');
  const load = async (storeName: string) => {
    const folder = await findFolder(base, storeName);
    if (folder === undefined) return [];
    const names = (await readdir(join(base, folder))).filter((name) => name.endsWith('.pem')).sort();
    return Promise.all(
      names.map(async (name) =>
        parseStored(await readFile(join(base, folder, name), 'utf8'), join(base, folder, name)),
      ),
    );
  };
  return {
    async findByThumbprint(storeName, thumbprint) {
      const wanted = hex(thumbprint);
      return (await load(storeName)).find((certificate) => hex(certificate.thumbprint) === wanted);
    },
    async findBySubject(storeName, subject) {
      const wanted = subject.toLowerCase();
      return (await load(storeName)).find((certificate) => certificate.subject.toLowerCase().includes(wanted));
    },
    async add(storeName, certificatePem, keyPem) {
      checkStoreName(storeName);
      const folder = join(base, (await findFolder(base, storeName)) ?? storeName.toUpperCase());
      await makeStateFolder(folder);
      const text = `${keyPem.trim()}\n${certificatePem.trim()}\n`;
      const { thumbprint } = parseStored(text, 'the certificate');
      const file = join(folder, `${hex(thumbprint)}.pem`);
      await replaceFile(file, text);
      return { ...parseStored(text, file), file };
    },
    async list() {
      const listings: CertificateListing[] = [];
      for (const store of await folders(base)) {
        for (const stored of await load(store)) {
          const leaf = new X509Certificate(stored.certificate);
          listings.push({
            store,
            subject: stored.subject,
            thumbprint: hex(stored.thumbprint),
            sha256: hex(stored.sha256),
            notAfter: leaf.validToDate.toISOString(),
            file: stored.file,
          });
        }
      }
      return listings;
    },
  };
}

/** Splits a PEM text into key and certificates and checks that they belong together. */
function parseStored(text: string, file: string): StoredCertificate & { readonly file: string } {
  const blocks = text.match(/-----BEGIN [A-Z0-9 ]+-----[\s\S]*?-----END [A-Z0-9 ]+-----/g) ?? [];
  const certificates = blocks.filter((block) => block.startsWith('-----BEGIN CERTIFICATE-----'));
  const key = blocks.find((block) => /^-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----/.test(block));
  const [first] = certificates;
  if (first === undefined || key === undefined) {
    throw new CarmineError('configuration/no-certificate', {
      context: { reason: `${file} needs a certificate and its private key in PEM form` },
    });
  }
  try {
    const leaf = new X509Certificate(first);
    if (!leaf.checkPrivateKey(createPrivateKey(key))) {
      throw new CarmineError('configuration/no-certificate', {
        context: { reason: `${file}: the private key is not the certificate's` },
      });
    }
    return {
      certificate: certificates.join('\n'),
      privateKey: key,
      thumbprint: digest('sha1', leaf.raw),
      sha256: digest('sha256', leaf.raw),
      subject: leaf.subject.replaceAll('\n', ', '),
      file,
    };
  } catch (cause) {
    if (cause instanceof CarmineError) throw cause;
    throw new CarmineError('configuration/no-certificate', { context: { reason: `${file} cannot be parsed` }, cause });
  }
}

function checkStoreName(name: string): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9-]{0,255}$/.test(name)) {
    throw new CarmineError('usage/invalid', {
      context: { reason: `"${name}" is not the name of a certificate store` },
    });
  }
}

async function findFolder(base: string, storeName: string): Promise<string | undefined> {
  const wanted = storeName.toLowerCase();
  return (await folders(base)).find((name) => name.toLowerCase() === wanted);
}

async function folders(base: string): Promise<string[]> {
  try {
    const entries = await readdir(base, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name)
      .sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function digest(algorithm: 'sha1' | 'sha256', data: Uint8Array): Uint8Array {
  return new Uint8Array(createHash(algorithm).update(data).digest());
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex').toUpperCase();
}
