import type { SeededRandom } from '@carmine/testkit';
import type { Disk, DiskDirectory, DiskFile } from '@carmine/transfer';

type EntryChange =
  | { readonly kind: 'link'; readonly name: string; readonly inode: Inode }
  | { readonly kind: 'unlink'; readonly name: string }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string };

type Change = { readonly position: number; readonly bytes: Uint8Array } | { readonly truncate: number };

/** Contents as programs see them, and as they would be after a power failure. */
class Inode {
  content: Uint8Array = new Uint8Array(0);
  durable: Uint8Array = new Uint8Array(0);
  pending: Change[] = [];
  modified: number | undefined;
  mode = 0o600;

  apply(change: Change): void {
    this.content = applied(this.content, change);
    this.pending.push(change);
  }

  sync(): void {
    this.durable = this.content.slice();
    this.pending = [];
  }
}

export interface SimulatedDiskOptions {
  /** Counted from 1: this operation fails with `errno` and does nothing (a write does half). */
  readonly failAt?: number;
  readonly errno?: string;
  /** This operation and all later ones never return: the process is dead. */
  readonly dieAt?: number;
  /** Waits a while before each operation. */
  readonly delay?: () => Promise<void>;
}

/** One directory in memory that knows what is durable. Every operation that changes or syncs counts. */
export class SimulatedDisk implements Disk {
  operations = 0;
  /** What each operation was, for messages. */
  readonly log: string[] = [];
  #options: SimulatedDiskOptions;
  #entries = new Map<string, Inode>();
  #durable = new Map<string, Inode>();
  #pending: EntryChange[] = [];

  constructor(options: SimulatedDiskOptions = {}) {
    this.#options = options;
  }

  get names(): string[] {
    return [...this.#entries.keys()].sort();
  }

  read(name: string): Uint8Array | undefined {
    return this.#entries.get(name)?.content;
  }

  stat(name: string): { readonly mode: number; readonly modified: number | undefined } | undefined {
    return this.#entries.get(name);
  }

  put(name: string, content: Uint8Array): void {
    const inode = new Inode();
    inode.content = content;
    inode.sync();
    this.#entries.set(name, inode);
    this.#durable.set(name, inode);
  }

  /** The same disk for the next process: nothing was lost but what was in the process. */
  afterKill(options: SimulatedDiskOptions = {}): SimulatedDisk {
    const disk = new SimulatedDisk(options);
    disk.#entries = this.#entries;
    disk.#durable = this.#durable;
    disk.#pending = this.#pending;
    return disk;
  }

  /**
   * The disk after power loss: of what was not synced, any part may be there. File systems keep the order of directory changes, so
   * some first ones are there; `anyOrder`: whichever ones. `sectors`: any sectors of a write, and not only its beginning.
   */
  afterPowerLoss(
    random: SeededRandom,
    options: SimulatedDiskOptions = {},
    loss: { readonly anyOrder?: boolean; readonly sectors?: boolean } = {},
  ): SimulatedDisk {
    const disk = new SimulatedDisk(options);
    const entries = new Map(this.#durable);
    const first = random.below(this.#pending.length + 1);
    const kept =
      loss.anyOrder === true ? this.#pending.filter(() => random.below(2) === 0) : this.#pending.slice(0, first);
    for (const change of kept) changeEntry(entries, change);
    const survivors = new Map<Inode, Inode>();
    for (const [name, inode] of entries) {
      let survivor = survivors.get(inode);
      if (survivor === undefined) {
        survivor = new Inode();
        survivor.content = inode.durable.slice();
        for (const change of inode.pending) {
          if (random.below(2) === 0) continue;
          // A write may be torn.
          for (const part of loss.sectors === true ? anySectors(change, random) : [beginning(change, random)]) {
            survivor.content = applied(survivor.content, part);
          }
        }
        survivor.sync();
        survivors.set(inode, survivor);
      }
      disk.#entries.set(name, survivor);
      disk.#durable.set(name, survivor);
    }
    return disk;
  }

  async openDirectory(): Promise<DiskDirectory> {
    return {
      realPath: '/simulated',
      create: async (name) => {
        await this.#operation(`create ${name}`);
        if (this.#entries.has(name)) throw errnoError('EEXIST');
        const inode = new Inode();
        this.#change({ kind: 'link', name, inode });
        return this.#file(name, inode);
      },
      open: async (name) => {
        const inode = this.#entries.get(name);
        return inode === undefined ? undefined : this.#file(name, inode);
      },
      kind: async (name) => (this.#entries.has(name) ? 'file' : undefined),
      rename: async (from, to) => {
        await this.#operation(`rename ${from} ${to}`);
        if (!this.#entries.has(from)) throw errnoError('ENOENT');
        this.#change({ kind: 'rename', from, to });
      },
      remove: async (name) => {
        if (!this.#entries.has(name)) return false;
        await this.#operation(`remove ${name}`);
        this.#change({ kind: 'unlink', name });
        return true;
      },
      sync: async () => {
        await this.#operation('sync directory');
        this.#durable = new Map(this.#entries);
        this.#pending = [];
      },
      close: async () => undefined,
    };
  }

  #file(name: string, inode: Inode): DiskFile {
    return {
      fd: undefined,
      write: async (chunks, position) => {
        const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
        const bytes = new Uint8Array(length);
        let at = 0;
        for (const chunk of chunks) {
          bytes.set(chunk, at);
          at += chunk.length;
        }
        // A write that fails or is killed may have been half done.
        const half = () => inode.apply({ position, bytes: bytes.slice(0, length >> 1) });
        await this.#operation(`write ${name} ${position}+${length}`, half);
        inode.apply({ position, bytes });
      },
      read: async (buffer, position) => {
        const part = inode.content.subarray(position, position + buffer.length);
        buffer.set(part);
        return part.length;
      },
      size: async () => inode.content.length,
      truncate: async (length) => {
        await this.#operation(`truncate ${name} ${length}`);
        inode.apply({ truncate: length });
      },
      datasync: async () => {
        await this.#operation(`datasync ${name}`);
        inode.sync();
      },
      sync: async () => {
        await this.#operation(`sync ${name}`);
        inode.sync();
      },
      touch: async (mode, modified) => {
        await this.#operation(`touch ${name}`);
        inode.mode = mode;
        inode.modified = modified;
      },
      close: async () => undefined,
    };
  }

  async #operation(what: string, half?: () => void): Promise<void> {
    await this.#options.delay?.();
    this.operations++;
    this.log.push(what);
    const { failAt, dieAt, errno = 'EIO' } = this.#options;
    if (dieAt !== undefined && this.operations >= dieAt) {
      if (this.operations === dieAt) half?.();
      await new Promise<never>(() => undefined);
    }
    if (this.operations === failAt) {
      half?.();
      throw errnoError(errno);
    }
  }

  #change(change: EntryChange): void {
    changeEntry(this.#entries, change);
    this.#pending.push(change);
  }
}

function beginning(change: Change, random: SeededRandom): Change {
  return 'bytes' in change
    ? { ...change, bytes: change.bytes.slice(0, random.below(change.bytes.length + 1)) }
    : change;
}

/** The parts of a write between the borders of sectors, each of them there or not. */
function anySectors(change: Change, random: SeededRandom): Change[] {
  if (!('bytes' in change)) return [change];
  const { position, bytes } = change;
  // Few, some or most of them.
  const chance = random.below(11);
  const parts: Change[] = [];
  for (let at = 0; at < bytes.length; ) {
    const to = Math.min(bytes.length, at + sector - ((position + at) % sector));
    if (random.below(10) < chance) parts.push({ position: position + at, bytes: bytes.slice(at, to) });
    at = to;
  }
  return parts;
}

function changeEntry(entries: Map<string, Inode>, change: EntryChange): void {
  if (change.kind === 'link') entries.set(change.name, change.inode);
  else if (change.kind === 'unlink') entries.delete(change.name);
  else {
    const inode = entries.get(change.from);
    if (inode !== undefined) entries.set(change.to, inode);
    entries.delete(change.from);
  }
}

function applied(content: Uint8Array, change: Change): Uint8Array {
  if ('truncate' in change) {
    const next = new Uint8Array(change.truncate);
    next.set(content.subarray(0, change.truncate));
    return next;
  }
  const end = change.position + change.bytes.length;
  // Growing by copies would make long tests slow: the file usually has its size already.
  const next = end <= content.length ? new Uint8Array(content) : new Uint8Array(end);
  if (end > content.length) next.set(content);
  next.set(change.bytes, change.position);
  return next;
}

function errnoError(code: string): Error {
  return Object.assign(new Error(code), { code });
}

const sector = 512;
