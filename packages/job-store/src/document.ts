import type { EndedJob, JobCredentials } from '@carmine/core';
import { CarmineError } from '@carmine/errors';
import type { StoredJob } from './types.ts';

/** A job without its secrets, as JSON text. */
export function encodeJob(job: StoredJob): string {
  const { credentials: _secret, ...rest } = job;
  return JSON.stringify(rest, writeValue);
}

/** Throws `job/store-damaged` for what encodeJob cannot have written. */
export function decodeJob(text: string, credentials: readonly JobCredentials[]): StoredJob {
  const job = decode(text) as StoredJob;
  if (typeof job.jobId !== 'string' || typeof job.state !== 'string' || !Array.isArray(job.files)) {
    throw damaged('a job has no id, state or files');
  }
  return { ...job, credentials };
}

/** A job as version 1 of the database has it, as version 2 does: files had no ranges. */
export function upgradeJob(text: string): string {
  const { credentials: _none, files, ...job } = decodeJob(text, []);
  return JSON.stringify({ ...job, files: files.map((file) => ({ ...file, ranges: null })) }, writeValue);
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
