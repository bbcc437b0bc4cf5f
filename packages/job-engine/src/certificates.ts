import type { ClientCertificateReference, StoredCertificate } from '@carmine/core';
import { CarmineError } from '@carmine/errors';
import type { JobEngineOptions } from './options.ts';

/** The certificate that a job refers to. Throws `job/certificate-not-found`. */
export async function findCertificate(
  { certificates }: Pick<JobEngineOptions, 'certificates'>,
  reference: ClientCertificateReference,
): Promise<StoredCertificate> {
  // UNSPECIFIED: there is one set of stores, whatever the location says.
  const found =
    reference.by === 'hash'
      ? await certificates?.findByThumbprint(reference.store, reference.hash)
      : await certificates?.findBySubject(reference.store, reference.subject);
  if (found === undefined) {
    throw new CarmineError('job/certificate-not-found', { context: { store: reference.store } });
  }
  return found;
}
