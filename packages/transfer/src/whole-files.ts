import { CarmineError } from '@carmine/errors';
import { checkLocalPath } from './destination-path.ts';
import type { DiskDirectory } from './disk.ts';
import { diskError } from './disk-errors.ts';
import type { TransferPlatform } from './file-transfer.ts';

/** A file that is whole and durable under its temporary name, as whoever calls knows: there is no journal that says so. */
export interface WholeFile {
  readonly path: string;
  readonly temporaryName: string;
  /** Bytes. */
  readonly length: number;
  /** It may have got its name already, before a crash or a failure; then that is well. */
  readonly repeat?: boolean | undefined;
}

/**
 * Gives whole files their names, many at a time: their modes are durable, then all are renamed, then that is. Resolves with what went wrong with each,
 * in their order; never rejects for a file.
 */
export async function nameWholeFiles(
  platform: Pick<TransferPlatform, 'disk' | 'finalMode'>,
  files: readonly WholeFile[],
  roots?: readonly string[],
): Promise<readonly (CarmineError | undefined)[]> {
  const problems = new Array<CarmineError | undefined>(files.length).fill(undefined);
  const byDirectory = Map.groupBy(files.keys(), (index) => checkLocalPath((files[index] as WholeFile).path).directory);
  for (const [path, indexes] of byDirectory) {
    const each = async (among: readonly number[], work: (file: WholeFile, index: number) => Promise<void>) => {
      await inParallel(among, async (index) => {
        const file = files[index] as WholeFile;
        try {
          await work(file, index);
        } catch (thrown) {
          problems[index] = diskError(thrown, file.path);
        }
      });
    };
    const left = () => indexes.filter((index) => problems[index] === undefined);
    let directory: DiskDirectory | undefined;
    try {
      directory = await platform.disk.openDirectory(path, roots);
      const opened = directory;
      const there = new Set<number>();
      await each(indexes, async (file, index) => {
        if (await prepare(opened, file, platform.finalMode)) there.add(index);
      });
      await each(
        left().filter((index) => there.has(index)),
        (file) => opened.rename(file.temporaryName, checkLocalPath(file.path).name),
      );
      await directory.sync();
    } catch (thrown) {
      for (const index of left()) problems[index] = diskError(thrown, (files[index] as WholeFile).path);
    } finally {
      await directory?.close().catch(() => undefined);
    }
  }
  return problems;
}

/** False: it has its name already. */
async function prepare(
  directory: DiskDirectory,
  { path, temporaryName, length, repeat }: WholeFile,
  mode: number,
): Promise<boolean> {
  const { name } = checkLocalPath(path);
  const existing = await directory.kind(name);
  const file = await directory.open(temporaryName);
  if (file === undefined) {
    if (repeat === true && existing === 'file' && (await sizeOf(directory, name)) === length) return false;
    throw new CarmineError('file/not-found', { context: { path } });
  }
  try {
    // Promise 1, as far as it can be seen: nobody else writes there.
    if ((await file.size()) !== length) {
      throw new CarmineError('transfer/journal', { context: { reason: 'the file is not complete' } });
    }
    // Renaming over a directory must fail before anything is touched.
    if (existing === 'directory') throw new CarmineError('file/not-a-file', { context: { path } });
    await file.touch(mode, undefined);
    await file.sync();
    return true;
  } finally {
    await file.close();
  }
}

async function sizeOf(directory: DiskDirectory, name: string): Promise<number | undefined> {
  const file = await directory.open(name);
  try {
    return await file?.size();
  } finally {
    await file?.close();
  }
}

/** A few at a time: each has a file open. */
async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  await Promise.all(
    Array.from({ length: mostAtOnce }, async () => {
      for (const item of left) await work(item);
    }),
  );
}

const mostAtOnce = 8;
