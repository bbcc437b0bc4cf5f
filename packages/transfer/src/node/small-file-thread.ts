import * as fs from 'node:fs';
import { loadFfi } from './ffi.ts';
import { threads } from './on-demand.ts';
import { createFileWork, type Order, type Reply, type SystemCalls } from './small-file-work.ts';

/** Who does the file work of a set. */
export interface FileWorker {
  /** It can give names to files that have none. */
  readonly links: boolean;
  post(orders: readonly Order[]): void;
  /** Resolves when all that was posted is done. */
  close(): Promise<void>;
}

/**
 * On a thread of its own: making, syncing and renaming files takes as long as receiving and writing them, and waits for the disk.
 * `onReply` gets answers in the order of the questions, `onError` what ended the thread.
 */
export function startFileThread(onReply: (replies: Reply[]) => void, onError: (error: Error) => void): FileWorker {
  let links = false;
  const { Worker } = threads();
  const worker = new Worker(threadSource, {
    eval: true,
    resourceLimits: smallHeap,
    // What it opens is written to and closed by either side.
    trackUnmanagedFds: false,
  });
  worker.on('message', (replies: Reply[] | 'links') => {
    if (replies === 'links') links = true;
    else onReply(replies);
  });
  worker.on('error', onError);
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  return {
    get links() {
      return links;
    },
    post: (orders) => worker.postMessage(orders),
    close() {
      worker.postMessage(null);
      return exited;
    },
  };
}

/** On the caller's thread: for a few files a thread costs more than it saves. */
export function createLocalFileWorker(onReply: (replies: Reply[]) => void): FileWorker {
  const system = loadSystemCalls(loadFfi());
  const work = createFileWork(fs, system, onReply);
  return { links: system !== undefined, post: (orders) => work(orders), close: () => Promise.resolve() };
}

/**
 * System calls, where there is node:ffi (`loadFfi`); undefined elsewhere. Its text is part of the thread's: it stands alone.
 */
function loadSystemCalls(ffi: ReturnType<typeof loadFfi>): SystemCalls | undefined {
  if (ffi === undefined) return undefined;
  try {
    const { syncfs, linkat } = ffi.dlopen(null, {
      syncfs: { return: 'i32', arguments: ['i32'] },
      linkat: { return: 'i32', arguments: ['i32', 'string', 'i32', 'string', 'i32'] },
    }).functions;
    // Paths are absolute, and the first one is a link that is to be followed (AT_FDCWD, AT_SYMLINK_FOLLOW).
    return { syncFileSystem: syncfs, link: (file, path) => linkat(-100, `/proc/self/fd/${file}`, -100, path, 0x400) };
  } catch {
    return undefined;
  }
}

/** Text and not a file, so that it is there in a bundle too. */
const threadSource = `
const { parentPort } = require('node:worker_threads');
const system = (${loadSystemCalls.toString()})((${loadFfi.toString()})());
if (system !== undefined) parentPort.postMessage('links');
const work = (${createFileWork.toString()})(require('node:fs'), system, (replies) => parentPort.postMessage(replies));
parentPort.on('message', (orders) => (orders === null ? parentPort.close() : work(orders)));
`;

/** MiB; it needs next to nothing. */
const smallHeap = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 };
