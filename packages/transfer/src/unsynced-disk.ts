import type { Disk, DiskDirectory, DiskFile } from './disk.ts';

/**
 * The same disk for who can do without durability: nothing is synced, and contents go where the system has them soonest. What is written outlives this
 * process, not the power.
 */
export function unsyncedDisk(disk: Disk): Disk {
  return { openDirectory: async (path, roots) => unsyncedDirectory(await disk.openDirectory(path, roots)) };
}

function unsyncedDirectory(directory: DiskDirectory): DiskDirectory {
  return {
    realPath: directory.realPath,
    create: async (name) => unsyncedFile(await directory.create(name)),
    async open(name) {
      const file = await directory.open(name);
      return file && unsyncedFile(file);
    },
    kind: (name) => directory.kind(name),
    rename: (from, to) => directory.rename(from, to),
    remove: (name) => directory.remove(name),
    sync: nothing,
    close: () => directory.close(),
  };
}

function unsyncedFile(file: DiskFile): DiskFile {
  return {
    fd: file.fd,
    write: (chunks, position, way) => file.write(chunks, position, way === 'past' ? 'soonest' : way),
    read: (buffer, position) => file.read(buffer, position),
    size: () => file.size(),
    truncate: (length) => file.truncate(length),
    reserve: async (length) => file.reserve?.(length),
    datasync: nothing,
    sync: nothing,
    touch: (mode, modified) => file.touch(mode, modified),
    close: () => file.close(),
  };
}

async function nothing(): Promise<void> {}
