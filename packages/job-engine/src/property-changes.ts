import type {
  ClientCertificateReference,
  CredentialScheme,
  CredentialTarget,
  JobCredentials,
  ProxySettings,
} from '@carmine/core';
import { CarmineError } from '@carmine/errors';
import type { StoredFile, StoredJob } from '@carmine/job-store';
import { checkCredentialNames, checkCredentials, checkLength, checkProxy, checkSha256, invalid } from './validation.ts';

/** Credentials replace those of the same target and scheme. */
export function withCredentials(job: StoredJob, credentials: JobCredentials): Pick<StoredJob, 'credentials'> {
  checkCredentials(credentials);
  const { target, scheme, userName, password } = credentials;
  return { credentials: [...others(job, target, scheme), { target, scheme, userName, password }] };
}

/** Undefined when there are no such credentials. */
export function withoutCredentials(
  job: StoredJob,
  target: CredentialTarget,
  scheme: CredentialScheme,
): Pick<StoredJob, 'credentials'> | undefined {
  checkCredentialNames(target, scheme);
  const credentials = others(job, target, scheme);
  return credentials.length === job.credentials.length ? undefined : { credentials };
}

function others(job: StoredJob, target: CredentialTarget, scheme: CredentialScheme): readonly JobCredentials[] {
  return job.credentials.filter((entry) => entry.target !== target || entry.scheme !== scheme);
}

export function checkCertificate(certificate: ClientCertificateReference): void {
  checkLength('StoreName', certificate.store, 256);
  if (certificate.by === 'name') checkLength('SubjectName', certificate.subject, 256);
  else if (certificate.hash.length !== 20) throw invalid('CertHash', 'not 20 bytes');
}

/** Lists count only where the settings override others. */
export function withProxy(settings: ProxySettings): Pick<StoredJob, 'proxy'> {
  checkProxy(settings);
  const { usage, proxyList = null, bypassList = null } = settings;
  return { proxy: usage === 'override' ? { usage, proxyList, bypassList } : { usage } };
}

/** What a file is to be compared with; what is not said stays. */
export interface DigestChanges {
  readonly expectedSha256?: string | null | undefined;
  readonly computeSha256?: boolean | undefined;
}

export function withDigest(
  file: StoredFile,
  changes: DigestChanges,
): Pick<StoredFile, 'expectedSha256' | 'computeSha256'> {
  if (file.transferred) {
    throw new CarmineError('job/invalid-state', { context: { action: 'modifyFileDetails', state: 'transferred' } });
  }
  const expected = checkSha256(changes.expectedSha256);
  return {
    expectedSha256: expected === undefined ? file.expectedSha256 : expected,
    computeSha256: changes.computeSha256 ?? file.computeSha256,
  };
}
