import type { FileHandle } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import type { ByteRange } from '../range.ts';
import { type FileVersion, sameVersion } from '../validators.ts';
import { toVersion } from './source-files.ts';

export interface SendOptions {
  readonly file: FileHandle;
  readonly version: FileVersion;
  readonly range: ByteRange;
  readonly out: Writable;
  /** Bytes per chunk at most, so that a limited group waits often and shortly. */
  readonly chunkLimit: () => number;
  /** Waits until so many bytes may be sent. */
  readonly pace: (bytes: number) => Promise<void>;
  readonly stopped: () => boolean;
}

/**
 * Sends a range of a file with positional reads into one buffer. Returns false, with bytes missing, when the file
 * changed, when it got shorter, or when it was told to stop: the connection must then be cut, never padded.
 */
export async function sendFile({
  file,
  version,
  range,
  out,
  pace,
  chunkLimit,
  stopped,
}: SendOptions): Promise<boolean> {
  const chunkSize = Math.min(maximumChunk, range.last - range.first + 1);
  // Reused for every chunk: a write is over when its callback says that the kernel, or TLS, has the bytes.
  const buffer = Buffer.allocUnsafeSlow(chunkSize);
  for (let position = range.first; position <= range.last; ) {
    const wanted = Math.min(chunkSize, chunkLimit(), range.last - position + 1);
    await pace(wanted);
    const { bytesRead } = await file.read(buffer, 0, wanted, position);
    // Looked at after the read: what was read before the change, or half of it, does not go out.
    if (stopped() || bytesRead === 0 || !sameVersion(toVersion(await file.stat({ bigint: true })), version))
      return false;
    position += bytesRead;
    if (!(await write(out, buffer.subarray(0, bytesRead)))) return false;
  }
  return true;
}

/** Writes and waits for room; false when the peer is gone. */
function write(out: Writable, chunk: Buffer): Promise<boolean> {
  if (out.destroyed) return Promise.resolve(false);
  return new Promise((resolve) => {
    out.once('close', gone);
    out.write(chunk, (error) => {
      out.off('close', gone);
      resolve(error === undefined || error === null);
    });
    function gone() {
      resolve(false);
    }
  });
}

const maximumChunk = 1024 * 1024;
