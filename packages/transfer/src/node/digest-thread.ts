import type { Worker } from 'node:worker_threads';
import { CarmineError } from '@carmine/errors';
import type { DigestStep } from '../digest-order.ts';
import { threads } from './on-demand.ts';

/**
 * A thread that computes SHA-256 of what it is given, in order: parts of a file, which it reads through our descriptor, as those belong to the
 * process, and shared memory. That is released when the thread has said that it is done with it, or is no more.
 */
export class DigestThread {
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  readonly #result: Promise<string>;
  /** What the thread still has, in order. */
  #lent: (() => void)[] = [];
  /** Lists of steps that it has not done yet. */
  #posted = 0;
  /** It is done with all that it gets before there is more. */
  #ahead = false;
  #stopped = false;
  #over = false;

  constructor(fd: number) {
    const { Worker } = threads();
    this.#worker = new Worker(workerSource, { eval: true, workerData: { fd, chunk }, resourceLimits: smallHeap });
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        this.#over = true;
        this.#giveBack(this.#lent.length);
        resolve();
      });
    });
    this.#result = new Promise((resolve, reject) => {
      this.#worker.on('message', (message: Message) => {
        if ('sha256' in message) resolve(message.sha256);
        else this.#done(message.done);
      });
      this.#worker.once('error', reject);
      this.#worker.once('exit', () => {
        reject(this.#stopped ? new CarmineError('internal/aborted') : new Error('the digest ended early'));
      });
    });
    // Whoever asks for the result hears of it.
    this.#result.catch(() => undefined);
  }

  /** Whether the thread could read it where it is. */
  static reaches({ buffer }: Uint8Array): boolean {
    return buffer instanceof SharedArrayBuffer;
  }

  /** To be asked before each `post`: it had nothing to do lately. Waking it costs who does so as much as some of the work, and what arrives in bursts is not held up if it begins later. */
  hasTime(): boolean {
    if (this.#posted === 0) this.#ahead = true;
    else if (this.#posted > 1) this.#ahead = false;
    return this.#ahead;
  }

  post(steps: readonly DigestStep[]): void {
    if (steps.length === 0) return;
    this.#posted++;
    for (const step of steps) {
      if (step.from !== 'memory') continue;
      if (this.#over) step.release();
      else this.#lent.push(step.release);
    }
    this.#worker.postMessage(steps.map((step) => (step.from === 'memory' ? step.bytes : [step.start, step.end])));
  }

  finish(): Promise<string> {
    this.#worker.postMessage([]);
    return this.#result;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#worker.terminate();
    await this.#exited;
  }

  #done(lent: number): void {
    this.#posted--;
    this.#giveBack(lent);
  }

  #giveBack(count: number): void {
    for (const release of this.#lent.splice(0, count)) release();
  }
}

type Message = { readonly sha256: string } | { readonly done: number };

/** Text and not a file, so that it is there in a bundle too. An empty list of steps ends it. */
const workerSource = `
const { parentPort, workerData } = require('node:worker_threads');
const { createHash } = require('node:crypto');
const { readSync } = require('node:fs');
const { fd, chunk } = workerData;
const hash = createHash('sha256');
let buffer;
function read(position, end) {
  buffer ??= new Uint8Array(chunk);
  while (position < end) {
    const count = readSync(fd, buffer, 0, Math.min(chunk, end - position), position);
    if (count === 0) throw new Error('the file is shorter than it was');
    hash.update(count === chunk ? buffer : buffer.subarray(0, count));
    position += count;
  }
}
parentPort.on('message', (steps) => {
  let done = 0;
  for (const step of steps) {
    if (Array.isArray(step)) read(step[0], step[1]);
    else {
      hash.update(step);
      done++;
    }
  }
  if (steps.length > 0) {
    parentPort.postMessage({ done });
    return;
  }
  parentPort.postMessage({ sha256: hash.digest('hex') });
  parentPort.close();
});
`;

/** Fits in a core's own cache. */
const chunk = 256 * 1024;
/** MiB; it needs next to nothing. */
const smallHeap = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 };
