import { CarmineError } from '@carmine/errors';
import { DigestOrder } from '../digest-order.ts';
import type { DiskFile } from '../disk.ts';
import type { RunningDigest } from '../run-types.ts';
import { DigestThread } from './digest-thread.ts';
import { crypto } from './on-demand.ts';

/**
 * SHA-256 of a file. That of a long one is computed on a thread of its own while it is being written: from the memory that it is written from, as long as that
 * comes about in order, else from the file.
 */
export function startDigest(file: DiskFile, length?: number): RunningDigest {
  const order = new DigestOrder(keptBytes);
  let thread: DigestThread | undefined;
  let stopped = false;
  const onThread = (end: number) => {
    if (thread === undefined && file.fd !== undefined && end > shortFile && !stopped)
      thread = new DigestThread(file.fd);
    return thread;
  };
  if (length !== undefined) onThread(length);
  return {
    offer(position, bytes, release, pinned) {
      if (thread === undefined || stopped || !DigestThread.reaches(bytes)) return false;
      order.add({ position, bytes, release, pinned });
      return true;
    },
    follows: (position) => thread !== undefined && position - order.reached < followedBytes,
    advance(end) {
      const there = onThread(end);
      there?.post(order.advance(end, false, there.hasTime()));
    },
    finish(length) {
      const there = onThread(length);
      there?.post(order.advance(length, true));
      return there?.finish() ?? digestHere(file, length, () => stopped);
    },
    async stop() {
      stopped = true;
      order.clear();
      await thread?.stop();
    },
  };
}

/** SHA-256 of each block of a file, Base64. */
export async function blockDigests(file: DiskFile, length: number, blockSize: number): Promise<readonly string[]> {
  const digests: string[] = [];
  const buffer = new Uint8Array(Math.min(chunk, blockSize));
  for (let start = 0; start < length; start += blockSize) {
    const hash = crypto().createHash('sha256');
    for (let at = start, end = Math.min(length, start + blockSize); at < end; ) {
      const count = await file.read(buffer.subarray(0, Math.min(buffer.length, end - at)), at);
      if (count === 0) throw new Error('the file is shorter than it was');
      hash.update(buffer.subarray(0, count));
      at += count;
    }
    digests.push(hash.digest('base64'));
  }
  return digests;
}

async function digestHere(file: DiskFile, length: number, isStopped: () => boolean): Promise<string> {
  const hash = crypto().createHash('sha256');
  const buffer = new Uint8Array(Math.min(chunk, Math.max(1, length)));
  let position = 0;
  while (position < length) {
    const count = await file.read(buffer.subarray(0, Math.min(buffer.length, length - position)), position);
    if (isStopped()) throw new CarmineError('internal/aborted');
    if (count === 0) throw new Error('the file is shorter than it was');
    hash.update(buffer.subarray(0, count));
    position += count;
  }
  return hash.digest('hex');
}

/** Fits in a core's own cache. */
const chunk = 256 * 1024;
const shortFile = 4 * 1024 * 1024;
/** What came early and waits in memory; UNSPECIFIED. With what connections gather for a write it must stay below what makes them all wait. */
const keptBytes = 4 * 1024 * 1024;
/** So far ahead of the digest something may be and yet be there in memory when its turn comes. */
const followedBytes = 16 * 1024 * 1024;
