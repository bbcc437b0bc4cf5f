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

/** What Node has no call for; each is 0 where it was done. */
export interface SystemCalls {
  /** syncfs(2). */
  syncFileSystem(directory: number): number;
  /** linkat(2) of an open file to a path where there is nothing. */
  link(file: number, path: string): number;
}

/**
 * The work itself, for the caller's thread or another one. It stands alone, with nothing of this module, so that its text can be a thread's.
 * `fsync` only serves where there is no syncfs. Files without a name leave nothing when all ends before they have one, and cost their directory one
 * change instead of two.
 */
export function createFileWork(
  fs: typeof FileSystem,
  system: SystemCalls | undefined,
  reply: (replies: Reply[]) => void,
): (orders: readonly Order[]) => void {
  type Kept = Extract<Order, { readonly do: 'keep' }>;
  let group: Kept[] = [];
  /** Those under their names that may not be durable. */
  const named: number[] = [];
  let replies: Reply[] = [];

  function fail(id: number, thrown: unknown): void {
    const { code = '', message } = thrown as NodeJS.ErrnoException;
    replies.push({ id, code, message });
  }
  function remove(path: string): void {
    try {
      fs.unlinkSync(path);
    } catch {
      // It was not there, or the disk is gone: what is left then is a temporary file, for the next sweep.
    }
  }
  function sync(directory: number): void {
    if (system?.syncFileSystem(directory) === 0) return;
    // fsync tells which error it was.
    fs.fsyncSync(directory);
    if (system !== undefined) {
      throw Object.assign(new Error('EIO: the file system could not be synced'), { code: 'EIO' });
    }
  }
  function keep(order: Kept): void {
    try {
      try {
        if (order.modified !== undefined) fs.futimesSync(order.fd, Date.now() / 1_000, order.modified / 1_000);
        if (system === undefined) fs.fsyncSync(order.fd);
        if (!order.nameless) fs.closeSync(order.fd);
      } catch (thrown) {
        fs.closeSync(order.fd);
        throw thrown;
      }
      group.push(order);
    } catch (thrown) {
      if (!order.nameless) remove(order.at);
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
  function syncNames(directories: readonly number[]): void {
    for (const directory of directories) sync(directory);
    for (const id of named.splice(0)) replies.push({ id });
  }
  function commit({ devices, directories, joined }: Extract<Order, { readonly do: 'commit' }>): void {
    let nameless = group;
    group = [];
    try {
      // Contents of this group; and names of the one before, if they wait for it.
      if (system !== undefined) syncNames(devices);
      const waiting = nameless;
      nameless = [];
      for (const order of waiting) if (name(order)) named.push(order.id);
      if (joined !== true && named.length > 0) syncNames(system === undefined ? directories : devices);
    } catch (thrown) {
      for (const id of named.splice(0)) fail(id, thrown);
      for (const order of nameless) {
        drop(order);
        fail(order.id, thrown);
      }
    }
    replies.push('committed');
  }
  function isGone(process_: number): boolean {
    try {
      process.kill(process_, 0);
      return false;
    } catch (thrown) {
      return (thrown as NodeJS.ErrnoException).code === 'ESRCH';
    }
  }
  function sweep(directory: string, boot: string, now: number): void {
    let names: string[] = [];
    try {
      names = fs.readdirSync(directory);
    } catch {
      // Whoever may write there but not read leaves them.
    }
    for (const file of names) {
      const [, machine, owner] = /^BIT([0-9A-F]{8})([0-9A-F]{8})[0-9A-F]{8}\.tmp$/.exec(file) ?? [];
      if (machine === undefined || owner === undefined) continue;
      const path = `${directory}/${file}`;
      const age = now - (fs.lstatSync(path, { throwIfNoEntry: false })?.mtimeMs ?? now);
      if ((machine === boot && isGone(Number.parseInt(owner, 16))) || age > 24 * 3_600_000) remove(path);
    }
  }
  function perform(order: Order): void {
    switch (order.do) {
      case 'keep':
        keep(order);
        return;
      case 'commit':
        commit(order);
        return;
      case 'discard':
        for (const kept of group.splice(0)) drop(kept);
        return;
      case 'sweep':
        sweep(order.directory, order.boot, order.now);
        return;
    }
  }
  return (orders) => {
    for (const order of orders) perform(order);
    if (replies.length === 0) return;
    const all = replies;
    replies = [];
    reply(all);
  };
}
