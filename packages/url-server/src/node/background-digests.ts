import { createHash } from 'node:crypto';
import { blockSize } from '../block-list.ts';
import type { DigestSource, DigestStore, FileDigests } from '../shells.ts';
import { type FileVersion, sameVersion } from '../validators.ts';
import { pageAligned } from './page-aligned.ts';
import { type SourceFolder, toVersion } from './source-files.ts';

/** Digests that are computed one at a time while nothing else wants the event loop. */
export interface BackgroundDigests extends DigestSource {
  close(): Promise<void>;
}

/** SHA-256 of published files and their blocks, kept with the version that they belong to; asking for unknown ones starts it. */
export function createBackgroundDigests(
  files: SourceFolder,
  store: DigestStore,
  warn: (message: string) => void,
): BackgroundDigests {
  const known = new Map<string, Known>();
  const waiting = new Map<string, FileVersion>();
  let running: Promise<void> | undefined;
  let closed = false;

  const work = async () => {
    for (;;) {
      const next = waiting.entries().next().value;
      if (next === undefined || closed) return;
      const [path] = next;
      try {
        const done = await digestOf(files, path, () => closed);
        if (done === undefined) continue;
        remember(path, done);
        await store.saveDigests(path, done.version, done.digests);
      } catch (error) {
        warn(`a digest could not be computed: ${(error as Error).message}`);
      } finally {
        // Not before: who asks meanwhile would have it computed again.
        waiting.delete(path);
      }
    }
  };
  const remember = (path: string, done: Known) => {
    known.delete(path);
    known.set(path, done);
    // The oldest go first: a digest can always be computed again.
    if (known.size > maximumKnown) known.delete(known.keys().next().value ?? '');
  };
  return {
    get(path, version) {
      const entry = known.get(path);
      if (entry !== undefined && sameVersion(entry.version, version)) return entry.digests;
      if (waiting.has(path)) return undefined;
      const digests = store.loadDigests(path, version);
      if (digests !== undefined) {
        remember(path, { version, digests });
        return digests;
      }
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

interface Known {
  readonly version: FileVersion;
  readonly digests: FileDigests;
}

/** Undefined when the file changed meanwhile or the server stops. */
async function digestOf(files: SourceFolder, path: string, stopped: () => boolean): Promise<Known | undefined> {
  const { file, version } = await files.open(path);
  try {
    const hash = createHash('sha256');
    const blocks: Uint8Array[] = [];
    let block = createHash('sha256');
    const buffer = pageAligned(chunkSize);
    for (let position = 0; ; ) {
      if (stopped()) return undefined;
      const { bytesRead } = await file.read(buffer, 0, chunkSize, position);
      if (bytesRead === 0) break;
      const end = position + bytesRead;
      for (let at = position; at < end; ) {
        const next = Math.min(end, (Math.floor(at / blockSize) + 1) * blockSize);
        block.update(buffer.subarray(at - position, next - position));
        if (next % blockSize === 0) {
          blocks.push(block.digest());
          block = createHash('sha256');
        }
        at = next;
      }
      hash.update(buffer.subarray(0, bytesRead));
      position = end;
      // Requests go first.
      await new Promise((resolve) => setImmediate(resolve));
    }
    const after = toVersion(await file.stat({ bigint: true }));
    if (!sameVersion(after, version)) return undefined;
    if (version.size % blockSize !== 0) blocks.push(block.digest());
    return {
      version,
      digests: { sha256: new Uint8Array(hash.digest()), blocks: new Uint8Array(Buffer.concat(blocks)) },
    };
  } finally {
    await file.close();
  }
}

/** Small enough that hashing one holds up the event loop for little more than a millisecond. */
const chunkSize = 512 * 1024;
const maximumKnown = 100_000;
