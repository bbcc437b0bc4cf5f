import type * as FileSystem from 'node:fs';

/** What is to be done with small files, in its order. Paths lead through open directories. */
export type Order =
  /** It is written: it joins the group. `modified` in milliseconds. `nameless`: it is not at `at` yet, where it may be put. */
  | {
      readonly do: 'keep';
      readonly id: number;
      readonly fd: number;
      readonly nameless: boolean;
      readonly at: string;
      readonly name: string;
      readonly modified: number | undefined;
    }
  /**
   * Contents of the group become durable, then its names. `devices`: a directory of each file system; `directories`: all. `joined`: its names do so
   * with the next commit, by the sync that the contents of that one need anyway; nobody is told before.
   */
  | {
      readonly do: 'commit';
      readonly devices: readonly number[];
      readonly directories: readonly number[];
      readonly joined?: boolean;
    }
  /** The group is forgotten. */
  | { readonly do: 'discard' }
  /** Removes what sets left whose process is gone, see `stale`. */
  | { readonly do: 'sweep'; readonly directory: string; readonly boot: string; readonly now: number };

export type Reply =
  | { readonly id: number }
  | { readonly id: number; readonly code: string; readonly message: string }
  | 'committed';

/** What Node has no call for. */
export interface SystemCalls {
  /** syncfs(2), one directory of each file system. */
  syncFileSystems(directories: readonly number[]): Promise<void>;
  /** linkat(2) of an open file to a path where there is nothing; 0: it was done. */
  link(file: number, path: string): number;
}

export interface FileWork {
  order(order: Order): void;
  /** All that was ordered is done. */
  settled(): Promise<void>;
}

/**
 * The work itself, one order after the other; syncing is waited for, and others have their turns meanwhile. `fsync` only serves where there is no
 * syncfs. Files without a name leave nothing when all ends before they have one, and cost their directory one change instead of two. Not `durable`:
 * nothing is synced, and each file gets its name at once.
 */
export function createFileWork(
  fs: typeof FileSystem,
  system: SystemCalls | undefined,
  reply: (replies: readonly Reply[]) => void,
  durable = true,
): FileWork {
  type Kept = Extract<Order, { readonly do: 'keep' }>;
  let group: Kept[] = [];
  /** Those under their names that may not be durable. */
  const named: number[] = [];

  function fail(id: number, thrown: unknown): void {
    const { code = '', message } = thrown as NodeJS.ErrnoException;
    reply([{ id, code, message }]);
  }
  function remove(path: string): void {
    try {
      fs.unlinkSync(path);
    } catch {
      // It was not there, or the disk is gone: what is left then is a temporary file, for the next sweep.
    }
  }
  function fsync(fd: number): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.fsync(fd, (error) => (error === null ? resolve() : reject(error)));
    });
  }
  function keep(order: Kept): Promise<void> | undefined {
    const refuse = (thrown: unknown) => {
      fs.closeSync(order.fd);
      if (!order.nameless) remove(order.at);
      fail(order.id, thrown);
    };
    try {
      if (order.modified !== undefined) fs.futimesSync(order.fd, Date.now() / 1_000, order.modified / 1_000);
    } catch (thrown) {
      refuse(thrown);
      return undefined;
    }
    if (system === undefined && durable) return fsync(order.fd).then(() => join(order), refuse);
    join(order);
    return undefined;
  }
  function join(order: Kept): void {
    try {
      if (!order.nameless) fs.closeSync(order.fd);
      if (durable) group.push(order);
      else if (name(order)) reply([{ id: order.id }]);
    } catch (thrown) {
      remove(order.at);
      fail(order.id, thrown);
    }
  }
  function drop(order: Kept): void {
    if (order.nameless) fs.closeSync(order.fd);
    else remove(order.at);
  }
  /** Puts it where it can be renamed; true: it has its name already. */
  function link({ fd, at, name: path }: Kept): boolean {
    if (system?.link(fd, path) === 0) return true;
    // There is something of that name, or an error that cannot be seen from here.
    if (system?.link(fd, at) === 0) return false;
    fs.closeSync(fs.openSync(at, 'wx'));
    throw Object.assign(new Error('EIO: the file could not be linked'), { code: 'EIO' });
  }
  function name(order: Kept): boolean {
    try {
      if (!(order.nameless && link(order))) fs.renameSync(order.at, order.name);
      if (order.nameless) fs.closeSync(order.fd);
      return true;
    } catch (thrown) {
      // It may be at `at` by now.
      remove(order.at);
      if (order.nameless) drop(order);
      const inTheWay = fs.lstatSync(order.name, { throwIfNoEntry: false })?.isDirectory() === true;
      const message = 'a directory has that name';
      fail(order.id, inTheWay ? Object.assign(new Error(message), { code: 'EISDIR' }) : thrown);
      return false;
    }
  }
  async function syncNames(directories: readonly number[]): Promise<void> {
    if (system === undefined) for (const directory of directories) await fsync(directory);
    else await system.syncFileSystems(directories);
    reply(named.splice(0).map((id) => ({ id })));
  }
  async function commit({ devices, directories, joined }: Extract<Order, { readonly do: 'commit' }>): Promise<void> {
    let nameless = group;
    group = [];
    try {
      // Contents of this group; and names of the one before, if they wait for it.
      if (system !== undefined) await syncNames(devices);
      const waiting = nameless;
      nameless = [];
      for (const order of waiting) if (name(order)) named.push(order.id);
      if (joined !== true && named.length > 0) await syncNames(system === undefined ? directories : devices);
    } catch (thrown) {
      for (const id of named.splice(0)) fail(id, thrown);
      for (const order of nameless) {
        drop(order);
        fail(order.id, thrown);
      }
    }
    reply(['committed']);
  }
  function isGone(process_: number): boolean {
    try {
      process.kill(process_, 0);
      return false;
    } catch (thrown) {
      return (thrown as NodeJS.ErrnoException).code === 'ESRCH';
    }
  }
  async function sweep(directory: string, boot: string, now: number): Promise<void> {
    // Whoever may write there but not read leaves them.
    const names = await new Promise<string[]>((resolve) =>
      fs.readdir(directory, (error, all) => resolve(error === null ? all : [])),
    );
    for (const file of names) {
      const [, machine, owner] = /^BIT([0-9A-F]{8})([0-9A-F]{8})[0-9A-F]{8}\.tmp$/.exec(file) ?? [];
      if (machine === undefined || owner === undefined) continue;
      const path = `${directory}/${file}`;
      const age = now - (fs.lstatSync(path, { throwIfNoEntry: false })?.mtimeMs ?? now);
      if ((machine === boot && isGone(Number.parseInt(owner, 16))) || age > 24 * 3_600_000) remove(path);
    }
  }
  function perform(order: Order): Promise<void> | undefined {
    switch (order.do) {
      case 'keep':
        return keep(order);
      case 'commit':
        return commit(order);
      case 'discard':
        for (const kept of group.splice(0)) drop(kept);
        return undefined;
      case 'sweep':
        return sweep(order.directory, order.boot, order.now);
    }
  }
  const orders: Order[] = [];
  let busy = false;
  let running: Promise<void> | undefined;
  async function run(): Promise<void> {
    busy = true;
    for (let order = orders.shift(); order !== undefined; order = orders.shift()) {
      const performing = perform(order);
      if (performing !== undefined) await performing;
    }
    busy = false;
  }
  return {
    order(order) {
      orders.push(order);
      if (!busy) running = run();
    },
    settled: async () => running,
  };
}
