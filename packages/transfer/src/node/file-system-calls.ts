import * as fs from 'node:fs';
import { loadFfi } from './ffi.ts';
import { threads } from './on-demand.ts';
import type { SystemCalls } from './small-file-work.ts';

/** What small files need of the system, where it has that; `close` ends what was started for it. */
export interface FileSystemCalls extends SystemCalls {
  close(): void;
}

/**
 * Undefined where there is no node:ffi. Where syncing takes a moment it is done here: a thread would take ten times as long to start, and as much
 * processor time as a hundred small files. Where it may take longer, it is done on a thread, and everything else goes on meanwhile.
 */
export function openFileSystemCalls(place: SyncPlace = systemPlace): FileSystemCalls | undefined {
  const link = loadLink();
  if (link === undefined) return undefined;
  const sync = loadSync(loadFfi(), fs);
  let thread: SyncThread | undefined;
  let quick = true;
  return {
    link,
    async syncFileSystems(directories) {
      if (thread === undefined && quick && place.dirty() < mostDirty) {
        const start = place.now();
        sync(directories);
        quick = place.now() - start < longestHere;
        return;
      }
      thread ??= startSyncThread();
      await thread.sync(directories);
    },
    close: () => thread?.close(),
  };
}

/** What tells where to sync: a clock in milliseconds, and the bytes that the system has to write, whoever they are of. */
export interface SyncPlace {
  now(): number;
  dirty(): number;
}

const systemPlace: SyncPlace = {
  now: () => performance.now(),
  dirty() {
    try {
      const lines = fs.readFileSync('/proc/meminfo', 'latin1').matchAll(/^(?:Dirty|Writeback): +(\d+) kB$/gm);
      return [...lines].reduce((sum, [, kilobytes]) => sum + Number(kilobytes) * 1024, 0);
    } catch {
      return Number.POSITIVE_INFINITY;
    }
  },
};

function loadLink(): SystemCalls['link'] | undefined {
  try {
    const library = loadFfi()?.dlopen(null, {
      linkat: { return: 'i32', arguments: ['i32', 'string', 'i32', 'string', 'i32'] },
    });
    if (library === undefined) return undefined;
    const { linkat } = library.functions;
    let byDescriptor = true;
    return (file, path) => {
      // For whoever opened the file, from Linux 6.10 on.
      if (byDescriptor && linkat(file, '', currentDirectory, path, emptyPath) === 0) return 0;
      const failed = linkat(currentDirectory, `/proc/self/fd/${file}`, currentDirectory, path, followLink);
      if (failed === 0) byDescriptor = false;
      return failed;
    };
  } catch {
    return undefined;
  }
}

/** syncfs(2), which throws. Its text is part of the thread's: it stands alone. */
function loadSync(ffi: ReturnType<typeof loadFfi>, { fsyncSync }: Pick<typeof fs, 'fsyncSync'>) {
  const library = ffi?.dlopen(null, { syncfs: { return: 'i32', arguments: ['i32'] } });
  return (directories: readonly number[]): void => {
    for (const directory of directories) {
      if (library?.functions.syncfs(directory) === 0) continue;
      // fsync tells which error it was.
      fsyncSync(directory);
      throw Object.assign(new Error('EIO: the file system could not be synced'), { code: 'EIO' });
    }
  };
}

interface SyncThread {
  sync(directories: readonly number[]): Promise<void>;
  close(): void;
}

function startSyncThread(): SyncThread {
  const { Worker } = threads();
  const worker = new Worker(threadSource, { eval: true, resourceLimits: smallHeap, trackUnmanagedFds: false });
  const waiting: PromiseWithResolvers<void>[] = [];
  let broken: Error | undefined;
  worker.on('message', (failure: { readonly code: string; readonly message: string } | undefined) => {
    const asked = waiting.shift();
    if (failure === undefined) asked?.resolve();
    else asked?.reject(Object.assign(new Error(failure.message), { code: failure.code }));
  });
  worker.once('error', (error: Error) => {
    broken = error;
    for (const asked of waiting.splice(0)) asked.reject(error);
  });
  return {
    sync(directories) {
      const asked = Promise.withResolvers<void>();
      if (broken === undefined) {
        waiting.push(asked);
        worker.postMessage(directories);
      } else asked.reject(broken);
      return asked.promise;
    },
    close: () => worker.postMessage(null),
  };
}

/** Text and not a file, so that it is there in a bundle too. */
const threadSource = `
const { parentPort } = require('node:worker_threads');
const sync = (${loadSync.toString()})((${loadFfi.toString()})(), require('node:fs'));
parentPort.on('message', (directories) => {
  if (directories === null) return parentPort.close();
  try {
    sync(directories);
    parentPort.postMessage(undefined);
  } catch ({ code = 'EIO', message }) {
    parentPort.postMessage({ code, message });
  }
});
`;

/** MiB; it needs next to nothing. */
const smallHeap = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 };
/** AT_FDCWD, which does not matter as paths are absolute; AT_EMPTY_PATH; AT_SYMLINK_FOLLOW. */
const [currentDirectory, emptyPath, followLink] = [-100, 0x1000, 0x400];
/** Bytes, milliseconds. */
const [mostDirty, longestHere] = [16 * 1024 * 1024, 20];
