import { type ServiceAccount, toFiletime } from '@carmine/core';
import type { StoredFile, StoredJob } from '@carmine/job-store';
import type { EngineJobParameters } from './options.ts';

/** What a new job has besides what its creator says. */
export interface NewJob {
  /** 16 bytes. */
  readonly random: Uint8Array;
  readonly sequence: number;
  readonly account: ServiceAccount;
  readonly file: StoredFile;
  readonly now: number;
}

/** A job as it is in the beginning. */
export function newJob(parameters: EngineJobParameters, { random, sequence, account, file, now }: NewJob): StoredJob {
  const time = toFiletime(now);
  return {
    jobId: newJobId(random),
    sequence,
    displayName: parameters.displayName,
    description: parameters.description ?? '',
    priority: 'normal',
    minimumRetryDelay: 600,
    noProgressTimeout: 1_209_600,
    serviceAccount: account,
    owner: owners[account],
    // UNSPECIFIED (spec/bits.md 1.5, Suspend): absent means start at once, as documented.
    state: parameters.suspend === true ? 'suspended' : 'queued',
    files: [file],
    creationTime: time,
    modificationTime: time,
    completionTime: 0n,
    transientErrorCount: 0,
    error: null,
    lastError: 0,
    nextAttempt: 0n,
    lastProgress: time,
    lastActivity: time,
    activeSeconds: 0,
    ending: null,
    credentials: [],
    clientCertificate: null,
    proxy: { usage: 'preconfig' },
  };
}

/** A random (version 4) GUID as Windows prints it. */
function newJobId(random: Uint8Array): string {
  const bytes = Uint8Array.from(random.subarray(0, 16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0'))
    .join('')
    .toUpperCase();
  return `{${digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')}}`;
}

/** Well-known SIDs, [MS-DTYP] 2.4.2.4. */
export const owners: Readonly<Record<ServiceAccount, string>> = {
  LocalSystem: 'S-1-5-18',
  LocalService: 'S-1-5-19',
  NetworkService: 'S-1-5-20',
};
