import { fsyncSync } from 'node:fs';

/** Makes everything durable that was written to the file systems of these open directories; throws where that failed. */
export type FileSystemSync = (directories: readonly number[]) => void;

let loaded: { readonly sync: FileSystemSync | undefined } | undefined;

/** syncfs(2), on Linux with node:ffi (in Node from 26 on, without a flag); undefined elsewhere. Loaded when it is needed. */
export function fileSystemSync(): FileSystemSync | undefined {
  loaded ??= { sync: load() };
  return loaded.sync;
}

function load(): FileSystemSync | undefined {
  if (process.platform !== 'linux') return undefined;
  const ffi = process.getBuiltinModule('node:ffi');
  if (ffi === undefined) return undefined;
  try {
    const { syncfs } = ffi.dlopen(null, { syncfs: { return: 'i32', arguments: ['i32'] } }).functions;
    return (directories) => {
      for (const directory of directories) {
        if (syncfs(directory) !== 0) {
          // fsync tells which error it was.
          fsyncSync(directory);
          throw Object.assign(new Error('EIO: the file system could not be synced'), { code: 'EIO' });
        }
      }
    };
  } catch {
    return undefined;
  }
}
