import type { EndedJob, JobCredentials } from '@carmine/core';
import { CarmineError } from '@carmine/errors';
import type { StoredFile, StoredJob } from './types.ts';

/** A job without its secrets and its files, of which it has the number, as JSON text. */
export function encodeJob(job: StoredJob): string {
  const { credentials: _secret, files, ...rest } = job;
  return JSON.stringify({ ...rest, files: files.length }, writeValue);
}

export function encodeFile(file: StoredFile): string {
  return JSON.stringify(file, writeValue);
}

/** Throws `job/store-damaged` for what encodeJob and encodeFile cannot have written. */
export function decodeJob(text: string, files: readonly string[], credentials: readonly JobCredentials[]): StoredJob {
  const job = checked(decode(text));
  if (job.files !== files.length) throw damaged('files of a job are missing');
  return { ...job, files: files.map((file) => decode(file) as StoredFile), credentials };
}

/** A job as versions 1 and 2 of the database had it: with its files, which in version 1 knew of no ranges. */
export function decodeOldJob(text: string): StoredJob {
  const job = checked(decode(text));
  if (!Array.isArray(job.files)) throw damaged('a job has no files');
  return {
    ...job,
    files: job.files.map((file: StoredFile) => ({ ...file, ranges: file.ranges ?? null })),
    credentials: [],
  };
}

function checked(value: object): Omit<StoredJob, 'files' | 'credentials'> & { readonly files: unknown } {
  const job = value as StoredJob;
  if (typeof job.jobId !== 'string' || typeof job.state !== 'string') throw damaged('a job has no id or state');
  return job;
}

export function encodeEndedJob(job: EndedJob): string {
  return JSON.stringify(job, writeValue);
}

export function decodeEndedJob(text: string): EndedJob {
  return decode(text) as EndedJob;
}

function decode(text: string): object {
  let value: unknown;
  try {
    value = JSON.parse(text, readValue);
  } catch (cause) {
    throw damaged('a record is not JSON', cause);
  }
  if (typeof value !== 'object' || value === null) throw damaged('a record is not an object');
  return value;
}

export function damaged(reason: string, cause?: unknown): CarmineError {
  return new CarmineError('job/store-damaged', { context: { reason }, cause });
}

/** JSON has neither 64-bit integers nor bytes: `{"$u64":"…"}`, `{"$hex":"…"}`. */
function writeValue(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return { $u64: value.toString() };
  if (value instanceof Uint8Array) {
    return { $hex: Array.from(value, (byte) => byte.toString(16).padStart(2, '0')).join('') };
  }
  return value;
}

function readValue(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if ('$u64' in value) return BigInt(String(value.$u64));
  if ('$hex' in value) {
    const digits = String(value.$hex);
    return Uint8Array.from({ length: digits.length / 2 }, (_, i) =>
      Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16),
    );
  }
  return value;
}
