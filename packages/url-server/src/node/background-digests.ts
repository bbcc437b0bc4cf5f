import { createHash } from 'node:crypto';
import type { DigestSource } from '../shells.ts';
import { type FileVersion, sameVersion } from '../validators.ts';
import { type SourceFolder, toVersion } from './source-files.ts';

/** Digests that are computed one at a time while nothing else wants the event loop. */
export interface BackgroundDigests extends DigestSource {
  close(): Promise<void>;
}

/** SHA-256 of published files, kept with the version that it belongs to; asking for an unknown one starts it. */
export function createBackgroundDigests(files: SourceFolder, warn: (message: string) => void): BackgroundDigests {
  const known = new Map<string, { version: FileVersion; digest: Uint8Array }>();
  const waiting = new Map<string, FileVersion>();
  let running: Promise<void> | undefined;
  let closed = false;

  const work = async () => {
    for (;;) {
      const next = waiting.entries().next().value;
      if (next === undefined || closed) return;
      const [path] = next;
      waiting.delete(path);
      try {
        const done = await digestOf(files, path, () => closed);
        if (done !== undefined) remember(path, done);
      } catch (error) {
        warn(`a digest could not be computed: ${(error as Error).message}`);
      }
    }
  };
  const remember = (path: string, done: { version: FileVersion; digest: Uint8Array }) => {
    known.delete(path);
    known.set(path, done);
    // The oldest go first: a digest can always be computed again.
    if (known.size > maximumKnown) known.delete(known.keys().next().value ?? '');
  };
  return {
    get(path, version) {
      const entry = known.get(path);
      if (entry !== undefined && sameVersion(entry.version, version)) return entry.digest;
      waiting.set(path, version);
      running ??= work().finally(() => {
        running = undefined;
      });
      return undefined;
    },
    async close() {
      closed = true;
      await running;
    },
  };
}

/** Undefined when the file changed meanwhile or the server stops. */
async function digestOf(files: SourceFolder, path: string, stopped: () => boolean) {
  const { file, version } = await files.open(path);
  try {
    const hash = createHash('sha256');
    const buffer = Buffer.allocUnsafe(chunkSize);
    for (let position = 0; ; ) {
      if (stopped()) return undefined;
      const { bytesRead } = await file.read(buffer, 0, chunkSize, position);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
      position += bytesRead;
      // Requests go first.
      await new Promise((resolve) => setImmediate(resolve));
    }
    const after = toVersion(await file.stat({ bigint: true }));
    return sameVersion(after, version) ? { version, digest: new Uint8Array(hash.digest()) } : undefined;
  } finally {
    await file.close();
  }
}

/** Small enough that hashing one holds up the event loop for little more than a millisecond. */
const chunkSize = 512 * 1024;
const maximumKnown = 100_000;
