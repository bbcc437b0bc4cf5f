import * as fs from 'node:fs';
import { Worker } from 'node:worker_threads';
import { loadFfi } from './ffi.ts';
import { createFileWork, type Order, type Reply } from './small-file-work.ts';

/** Who does the file work of a set. */
export interface FileWorker {
  post(orders: readonly Order[]): void;
  /** Resolves when all that was posted is done. */
  close(): Promise<void>;
}

/**
 * On a thread of its own: making, syncing and renaming files takes as long as receiving and writing them, and waits for the disk.
 * `onReply` gets answers in the order of the questions, `onError` what ended the thread.
 */
export function startFileThread(onReply: (replies: Reply[]) => void, onError: (error: Error) => void): FileWorker {
  const worker = new Worker(threadSource, {
    eval: true,
    resourceLimits: smallHeap,
    // What it opens is written to and closed by either side.
    trackUnmanagedFds: false,
  });
  worker.on('message', onReply);
  worker.on('error', onError);
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  return {
    post: (orders) => worker.postMessage(orders),
    close() {
      worker.postMessage(null);
      return exited;
    },
  };
}

/** On the caller's thread: for a few files a thread costs more than it saves. */
export function createLocalFileWorker(onReply: (replies: Reply[]) => void): FileWorker {
  const work = createFileWork(fs, loadFileSystemSync(loadFfi()), onReply);
  return { post: (orders) => work(orders), close: () => Promise.resolve() };
}

/**
 * syncfs(2), where there is node:ffi (`loadFfi`); undefined elsewhere. Its text is part of the thread's: it stands alone.
 */
function loadFileSystemSync(ffi: ReturnType<typeof loadFfi>): ((directory: number) => number) | undefined {
  if (ffi === undefined) return undefined;
  try {
    return ffi.dlopen(null, { syncfs: { return: 'i32', arguments: ['i32'] } }).functions.syncfs;
  } catch {
    return undefined;
  }
}

/** Text and not a file, so that it is there in a bundle too. */
const threadSource = `
const { parentPort } = require('node:worker_threads');
const sync = (${loadFileSystemSync.toString()})((${loadFfi.toString()})());
const work = (${createFileWork.toString()})(require('node:fs'), sync, (replies) => parentPort.postMessage(replies));
parentPort.on('message', (orders) => (orders === null ? parentPort.close() : work(orders)));
`;

/** MiB; it needs next to nothing. */
const smallHeap = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 };
