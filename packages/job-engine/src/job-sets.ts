import { sizeUnknown } from '@carmine/core';
import type { StoredFile, StoredJob } from '@carmine/job-store';
import { type SmallSetOutcome, smallFile } from '@carmine/transfer';
import type { JobSet } from './job.ts';

/**
 * The files that are next and may all be small, by their positions; none when there is only one, because what a set saves is shared. They are
 * tried in their order, and what is known to be large is waited for.
 */
export function nextSet({ files }: StoredJob): readonly number[] {
  const indexes: number[] = [];
  for (const [index, file] of files.entries()) {
    if (file.transferred) continue;
    if (!mayBeSmall(file) || indexes.length === largestSet) break;
    indexes.push(index);
  }
  return indexes.length > 1 ? indexes : [];
}

/** The job's files with what a set brought; what callers want to know of a file may have changed meanwhile, then it is not taken. */
export function withSet(job: StoredJob, set: JobSet, { results }: SmallSetOutcome): readonly StoredFile[] {
  const files = [...job.files];
  for (const [position, index] of set.indexes.entries()) {
    const [file, asked, result] = [files[index], set.files[position], results[position]];
    if (file === undefined || result === undefined || file.expectedSha256 !== asked?.expectedSha256) continue;
    if (file.computeSha256 && result.sha256 === undefined) continue;
    const bytes = BigInt(result.length);
    const sha256 = result.sha256 ?? null;
    files[index] = { ...file, transferred: true, whole: true, bytesTotal: bytes, bytesTransferred: bytes, sha256 };
  }
  return files;
}

export function withFlag(
  files: readonly StoredFile[],
  indexes: readonly number[],
  flag: 'naming' | 'renamed',
): readonly StoredFile[] {
  const chosen = new Set(indexes);
  return files.map((file, index) => (chosen.has(index) ? { ...file, [flag]: true } : file));
}

/** What has bytes already has a journal that goes on. */
function mayBeSmall({ ranges, bytesTotal, bytesTransferred }: StoredFile): boolean {
  return ranges === null && bytesTransferred === 0n && (bytesTotal === sizeUnknown || bytesTotal <= BigInt(smallFile));
}

const largestSet = 64;
