import { createHash } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { CarmineError } from '@carmine/errors';
import type { DiskFile } from '../disk.ts';

/** SHA-256 of a file's first `length` bytes; long files are read and hashed on a thread of their own. */
export async function digestFile(file: DiskFile, length: number, signal: AbortSignal): Promise<string> {
  if (signal.aborted) throw new CarmineError('internal/aborted');
  return file.fd === undefined || length <= shortFile
    ? await digestHere(file, length, signal)
    : await digestInWorker(file.fd, length, signal);
}

async function digestHere(file: DiskFile, length: number, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  const buffer = new Uint8Array(Math.min(chunk, Math.max(1, length)));
  let position = 0;
  while (position < length) {
    if (signal.aborted) throw new CarmineError('internal/aborted');
    const count = await file.read(buffer.subarray(0, Math.min(buffer.length, length - position)), position);
    if (count === 0) throw new Error('the file is shorter than it was');
    hash.update(buffer.subarray(0, count));
    position += count;
  }
  return hash.digest('hex');
}

/** File descriptors belong to the process, so the thread reads through ours; it has ended when this settles. */
function digestInWorker(fd: number, length: number, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(workerSource, { eval: true, workerData: { fd, length, chunk } });
    let outcome: () => void = () => reject(new Error('the digest ended early'));
    const stop = () => {
      outcome = () => reject(new CarmineError('internal/aborted'));
      void worker.terminate();
    };
    signal.addEventListener('abort', stop, { once: true });
    worker.once('message', (message: { readonly sha256: string }) => {
      outcome = () => resolve(message.sha256);
    });
    worker.once('error', (error) => {
      outcome = () => reject(error);
    });
    worker.once('exit', () => {
      signal.removeEventListener('abort', stop);
      outcome();
    });
  });
}

/** Text and not a file, so that it is there in a bundle too. */
const workerSource = `
const { parentPort, workerData } = require('node:worker_threads');
const { createHash } = require('node:crypto');
const { readSync } = require('node:fs');
const { fd, length, chunk } = workerData;
const hash = createHash('sha256');
const buffer = new Uint8Array(chunk);
let position = 0;
while (position < length) {
  const count = readSync(fd, buffer, 0, Math.min(chunk, length - position), position);
  if (count === 0) throw new Error('the file is shorter than it was');
  hash.update(count === chunk ? buffer : buffer.subarray(0, count));
  position += count;
}
parentPort.postMessage({ sha256: hash.digest('hex') });
`;

const chunk = 1024 * 1024;
const shortFile = 4 * chunk;
