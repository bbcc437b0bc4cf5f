import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createFileWork, type Order, type Reply } from '../src/node/small-file-work.ts';
import { nextName, SmallFiles } from '../src/node/small-files.ts';

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'carmine-work-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

/** The calls that matter, in their order; `fails` says which one fails, and how. */
function watched(fails: (call: string) => string | undefined, withSyncfs = true, durable = true) {
  const calls: string[] = [];
  const note = (call: string) => {
    calls.push(call);
    const code = fails(call);
    if (code !== undefined) throw Object.assign(new Error(`${code}: ${call}`), { code });
  };
  const base = (path: fs.PathLike) => String(path).slice(folder.length + 1);
  const faked = {
    ...fs,
    futimesSync: (fd: number, ...times: [number, number]) => {
      note('times');
      fs.futimesSync(fd, ...times);
    },
    fsync: (_fd: number, done: fs.NoParamCallback) => {
      try {
        note('fsync');
        done(null);
      } catch (thrown) {
        done(thrown as NodeJS.ErrnoException);
      }
    },
    renameSync: (from: fs.PathLike, to: fs.PathLike) => {
      note(`rename ${base(from)} ${base(to)}`);
      fs.renameSync(from, to);
    },
    unlinkSync: (path: fs.PathLike) => {
      calls.push(`unlink ${base(path)}`);
      fs.unlinkSync(path);
    },
  };
  const syncFileSystems = async () => {
    calls.push('syncfs');
    const code = fails(`syncfs ${calls.filter((call) => call === 'syncfs').length}`);
    if (code !== undefined) throw Object.assign(new Error(code), { code });
  };
  const link = (fd: number, path: string) => {
    const call = `link ${base(path)}`;
    calls.push(call);
    if (fails(call) !== undefined || fs.existsSync(path)) return -1;
    fs.copyFileSync(`/proc/self/fd/${fd}`, path);
    return 0;
  };
  const system = withSyncfs ? { syncFileSystems, link } : undefined;
  const replies: Reply[] = [];
  const reply = (some: readonly Reply[]) => void replies.push(...some);
  const { order, settled } = createFileWork(faked as unknown as typeof fs, system, reply, durable);
  const work = (orders: readonly Order[]) => {
    for (const each of orders) order(each);
    return settled();
  };
  return { calls, replies, work };
}

function kept(id: number): Order {
  const [at, name] = [join(folder, `t${id}`), join(folder, `n${id}`)];
  return { do: 'keep', id, fd: fs.openSync(at, 'wx'), nameless: false, at, name, modified: 1_000 * id };
}
/** A file that is open and has no name. */
function nameless(id: number): Extract<Order, { do: 'keep' }> {
  const order = kept(id) as Extract<Order, { do: 'keep' }>;
  fs.writeSync(order.fd, `content ${id}`);
  fs.unlinkSync(order.at);
  return { ...order, nameless: true, modified: undefined };
}
function isOpen(fd: number): boolean {
  try {
    return fs.fstatSync(fd).nlink >= 0;
  } catch {
    return false;
  }
}
const commit: Order = { do: 'commit', devices: [3], directories: [3, 4] };

describe('a group of small files', () => {
  it('has its contents on the disk before its names, and those before anybody is told', async () => {
    const { calls, replies, work } = watched(() => undefined);
    await work([kept(1), kept(2)]);
    expect(replies).toEqual([]);
    await work([commit]);
    expect(calls).toEqual(['times', 'times', 'syncfs', 'rename t1 n1', 'rename t2 n2', 'syncfs']);
    expect(replies).toEqual([{ id: 1 }, { id: 2 }, 'committed']);
    expect(fs.readdirSync(folder)).toEqual(['n1', 'n2']);
    expect(fs.statSync(join(folder, 'n2')).mtimeMs).toBe(2_000);
  });

  it('leaves its names to the sync of the next one, and nobody is told before', async () => {
    const { calls, replies, work } = watched(() => undefined);
    const joined: Order = { ...commit, joined: true };
    await work([kept(1), joined, kept(2)]);
    expect(replies.splice(0)).toEqual(['committed']);
    await work([joined]);
    expect(replies.splice(0)).toEqual([{ id: 1 }, 'committed']);
    expect(calls.splice(0)).toEqual(['times', 'syncfs', 'rename t1 n1', 'times', 'syncfs', 'rename t2 n2']);
    await work([commit]);
    expect(calls).toEqual(['syncfs']);
    expect(replies).toEqual([{ id: 2 }, 'committed']);
  });

  it('fails with the next one when a sync for both does, and keeps its name', async () => {
    const { replies, work } = watched((call) => (call === 'syncfs 2' ? 'EIO' : undefined));
    await work([kept(1), { ...commit, joined: true }, kept(2), commit]);
    expect(replies).toMatchObject(['committed', { id: 1, code: 'EIO' }, { id: 2, code: 'EIO' }, 'committed']);
    expect(fs.readdirSync(folder)).toEqual(['n1']);
  });

  it('has its names synced at the latest after those of the next one, where whole file systems are not', async () => {
    const { calls, replies, work } = watched(() => undefined, false);
    await work([kept(1), { ...commit, joined: true }]);
    expect(replies.splice(0)).toEqual(['committed']);
    await work([kept(2), commit]);
    expect(calls.slice(2)).toEqual(['rename t1 n1', 'times', 'fsync', 'rename t2 n2', 'fsync', 'fsync']);
    expect(replies).toEqual([{ id: 1 }, { id: 2 }, 'committed']);
  });

  it('is synced file by file where whole file systems are not', async () => {
    const { calls, replies, work } = watched(() => undefined, false);
    await work([kept(1), kept(2), commit]);
    expect(calls).toEqual(['times', 'fsync', 'times', 'fsync', 'rename t1 n1', 'rename t2 n2', 'fsync', 'fsync']);
    expect(replies).toEqual([{ id: 1 }, { id: 2 }, 'committed']);
  });

  it.each([true, false])(
    'that need not be durable has names at once, and nothing is synced (syncfs: %s)',
    async (syncfs) => {
      const fails = (call: string) => (call === 'rename t2 n2' ? 'EACCES' : undefined);
      const { calls, replies, work } = watched(fails, syncfs, false);
      await work([kept(1), kept(2), kept(3)]);
      expect(calls.filter((call) => call !== 'times')).toEqual([
        'rename t1 n1',
        'rename t2 n2',
        'unlink t2',
        'rename t3 n3',
      ]);
      expect(replies).toMatchObject([{ id: 1 }, { id: 2, code: 'EACCES' }, { id: 3 }]);
      expect(fs.readdirSync(folder)).toEqual(['n1', 'n3']);
      // Without the system's calls no file is nameless.
      if (!syncfs) return;
      const open = nameless(4);
      await work([open]);
      expect(replies.at(-1)).toEqual({ id: 4 });
      expect(isOpen(open.fd)).toBe(false);
      expect(fs.readFileSync(join(folder, 'n4'), 'utf8')).toBe('content 4');
    },
  );

  it('gets no name when contents could not be made durable, and leaves nothing', async () => {
    const { calls, replies, work } = watched((call) => (call === 'syncfs 1' ? 'EIO' : undefined));
    await work([kept(1), kept(2), commit]);
    expect(replies).toMatchObject([{ id: 1, code: 'EIO' }, { id: 2, code: 'EIO' }, 'committed']);
    expect(calls.filter((call) => call.startsWith('rename'))).toEqual([]);
    expect(fs.readdirSync(folder)).toEqual([]);
  });

  it('is not said to be there when its names could not be made durable', async () => {
    const { replies, work } = watched((call) => (call === 'syncfs 2' ? 'EIO' : undefined));
    await work([kept(1), commit]);
    expect(replies).toMatchObject([{ id: 1, code: 'EIO' }, 'committed']);
  });

  it('goes on without the one that cannot get its name or its times', async () => {
    fs.mkdirSync(join(folder, 'n1'));
    const { replies, work } = watched((call) => (call === 'rename t2 n2' ? 'EACCES' : undefined));
    await work([kept(1), kept(2), kept(3), commit]);
    expect(replies).toMatchObject([{ id: 1, code: 'EISDIR' }, { id: 2, code: 'EACCES' }, { id: 3 }, 'committed']);
    expect(fs.readdirSync(folder)).toEqual(['n1', 'n3']);
    const other = watched((call) => (call === 'times' ? 'EPERM' : undefined));
    await other.work([kept(4), commit]);
    expect(other.replies).toMatchObject([{ id: 4, code: 'EPERM' }, 'committed']);
    expect(fs.readdirSync(folder)).toEqual(['n1', 'n3']);
  });

  it.runIf(process.platform === 'linux')('gets its names at once when the files had none', async () => {
    const orders = [nameless(1), nameless(2)];
    const { calls, replies, work } = watched(() => undefined);
    await work(orders);
    expect(fs.readdirSync(folder)).toEqual([]);
    await work([commit]);
    expect(calls).toEqual(['syncfs', 'link n1', 'link n2', 'syncfs']);
    expect(replies).toEqual([{ id: 1 }, { id: 2 }, 'committed']);
    expect(orders.map(({ fd }) => isOpen(fd))).toEqual([false, false]);
    expect(fs.readFileSync(join(folder, 'n2'), 'utf8')).toBe('content 2');
  });

  it.runIf(process.platform === 'linux')('takes the place of what has its name, and of nothing else', async () => {
    fs.writeFileSync(join(folder, 'n1'), 'older');
    fs.mkdirSync(join(folder, 'n2'));
    const orders = [nameless(1), nameless(2), nameless(3), nameless(4)];
    const { calls, replies, work } = watched((call) => (/n3|t3|n4/.test(call) ? 'EIO' : undefined));
    await work([...orders, commit]);
    expect(replies).toMatchObject([
      { id: 2, code: 'EISDIR' },
      { id: 3, code: 'EIO' },
      { id: 4, code: 'EIO' },
      { id: 1 },
      'committed',
    ]);
    expect(calls.slice(0, 4)).toEqual(['syncfs', 'link n1', 'link t1', 'rename t1 n1']);
    expect(fs.readFileSync(join(folder, 'n1'), 'utf8')).toBe('content 1');
    expect(fs.readdirSync(folder)).toEqual(['n1', 'n2']);
    expect(orders.map(({ fd }) => isOpen(fd))).toEqual([false, false, false, false]);
  });

  it.runIf(process.platform === 'linux')(
    'leaves nothing open either when contents could not be made durable',
    async () => {
      const orders = [nameless(1), nameless(2)];
      const { replies, work } = watched((call) => (call === 'syncfs 1' ? 'EIO' : undefined));
      await work([...orders, commit]);
      expect(replies).toMatchObject([{ id: 1, code: 'EIO' }, { id: 2, code: 'EIO' }, 'committed']);
      const forgotten = nameless(3);
      await work([forgotten, { do: 'discard' }]);
      expect([...orders, forgotten].map(({ fd }) => isOpen(fd))).toEqual([false, false, false]);
      expect(fs.readdirSync(folder)).toEqual([]);
    },
  );

  it('can be forgotten', async () => {
    const { replies, work } = watched(() => undefined);
    await work([kept(1), kept(2), { do: 'discard' }, commit]);
    expect(replies).toEqual(['committed']);
    expect(fs.readdirSync(folder)).toEqual([]);
  });
});

describe('what a crash left', () => {
  const hex = (value: number) => value.toString(16).toUpperCase().padStart(8, '0');
  const gone = hex(spawnSync(process.execPath, ['--version']).pid);

  it('goes when its process is gone, and nothing else does', async () => {
    const now = Date.UTC(2026, 0, 2);
    const names = {
      dead: `BIT00C0FFEE${gone}00000001.tmp`,
      mine: `BIT00C0FFEE${hex(process.pid)}00000001.tmp`,
      elsewhere: `BITDEADBEEF${gone}00000001.tmp`,
      longAgo: `BITDEADBEEF${gone}00000002.tmp`,
      oneFile: 'BIT0123456789ABCDEF.tmp',
      journal: `BIT00C0FFEE${gone}00000001.tmp.journal`,
      lower: `BIT00c0ffee${gone.toLowerCase()}00000001.tmp`,
      process0: 'BIT00C0FFEE0000000000000001.tmp',
      process1: 'BIT00C0FFEEFFFFFFFF00000001.tmp',
    };
    for (const [key, name] of Object.entries(names)) {
      fs.writeFileSync(join(folder, name), 'x');
      const age = key === 'longAgo' ? 25 * 3_600 : 3_600;
      fs.utimesSync(join(folder, name), now / 1_000 - age, now / 1_000 - age);
    }
    const { work } = watched(() => undefined);
    await work([{ do: 'sweep', directory: folder, boot: '00C0FFEE', now }]);
    const { dead: _, longAgo: __, lower, ...stay } = names;
    expect(fs.readdirSync(folder).sort()).toEqual([...Object.values(stay), lower].sort());
  });

  it('is looked for once for each directory, by the thread too', async () => {
    for (let round = 0; round < 2; round++) {
      const probe = new SmallFiles(undefined, 0o600);
      const directory = await probe.placeOf(join(folder, 'first')).directory;
      probe.add(directory, 'first', { chunks: [Buffer.from('first')] }, undefined, {
        path: join(folder, 'first'),
        ...silent,
      });
      // Named as the next crashed process of this machine would name it.
      const left = `${nextName().slice(0, 11)}${gone}00000001.tmp`;
      fs.writeFileSync(join(folder, left), 'x');
      await probe.settled();
      await probe.close();
      const next = new SmallFiles(undefined, 0o600);
      await next.placeOf(join(folder, 'second')).directory;
      await next.close();
      expect(fs.readdirSync(folder)).toEqual(['first']);
    }
  });
});

const silent = { done: () => undefined, failed: () => undefined };
