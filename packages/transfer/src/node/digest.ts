import { createHash } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { CarmineError } from '@carmine/errors';
import type { DiskFile } from '../disk.ts';
import type { RunningDigest } from '../transfer-run.ts';

/** SHA-256 of a file; long ones are read and hashed on a thread of their own, while they are being written. */
export function startDigest(file: DiskFile): RunningDigest {
  let thread: DigestThread | undefined;
  let stopped = false;
  const onThread = (end: number) => {
    if (thread === undefined && file.fd !== undefined && end > shortFile) thread = new DigestThread(file.fd);
    return thread;
  };
  return {
    advance: (end) => onThread(end)?.post({ end, last: false }),
    finish: (length) => onThread(length)?.finish(length) ?? digestHere(file, length, () => stopped),
    async stop() {
      stopped = true;
      await thread?.stop();
    },
  };
}

/** SHA-256 of each block of a file, Base64. */
export async function blockDigests(file: DiskFile, length: number, blockSize: number): Promise<readonly string[]> {
  const digests: string[] = [];
  const buffer = new Uint8Array(Math.min(chunk, blockSize));
  for (let start = 0; start < length; start += blockSize) {
    const hash = createHash('sha256');
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
  const hash = createHash('sha256');
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

interface Order {
  /** Bytes to be read from the beginning. */
  readonly end: number;
  readonly last: boolean;
}

/** File descriptors belong to the process, so the thread reads through ours. */
class DigestThread {
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  readonly #result: Promise<string>;
  #stopped = false;

  constructor(fd: number) {
    this.#worker = new Worker(workerSource, { eval: true, workerData: { fd, chunk }, resourceLimits: smallHeap });
    this.#exited = new Promise((resolve) => this.#worker.once('exit', () => resolve()));
    this.#result = new Promise((resolve, reject) => {
      this.#worker.once('message', (message: { readonly sha256: string }) => resolve(message.sha256));
      this.#worker.once('error', reject);
      this.#worker.once('exit', () => {
        reject(this.#stopped ? new CarmineError('internal/aborted') : new Error('the digest ended early'));
      });
    });
    // Whoever asks for the result hears of it.
    this.#result.catch(() => undefined);
  }

  post(order: Order): void {
    this.#worker.postMessage(order);
  }

  finish(length: number): Promise<string> {
    this.post({ end: length, last: true });
    return this.#result;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#worker.terminate();
    await this.#exited;
  }
}

/** Text and not a file, so that it is there in a bundle too. */
const workerSource = `
const { parentPort, workerData } = require('node:worker_threads');
const { createHash } = require('node:crypto');
const { readSync } = require('node:fs');
const { fd, chunk } = workerData;
const hash = createHash('sha256');
const buffer = new Uint8Array(chunk);
let position = 0;
parentPort.on('message', ({ end, last }) => {
  while (position < end) {
    const count = readSync(fd, buffer, 0, Math.min(chunk, end - position), position);
    if (count === 0) throw new Error('the file is shorter than it was');
    hash.update(count === chunk ? buffer : buffer.subarray(0, count));
    position += count;
  }
  if (!last) return;
  parentPort.postMessage({ sha256: hash.digest('hex') });
  parentPort.close();
});
`;

/** Fits in a core's own cache. */
const chunk = 256 * 1024;
const shortFile = 4 * 1024 * 1024;
/** MiB; it needs next to nothing. */
const smallHeap = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 };
