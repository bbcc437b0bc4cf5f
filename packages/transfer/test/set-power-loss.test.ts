import type * as FileSystem from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFileWork, type Order, type Reply } from '../src/node/small-file-work.ts';

interface Inode {
  readonly id: number;
  durable: boolean;
}

/**
 * A file system of which nothing is durable that was not synced, in whatever order it was done. A sync takes care of what was there when it began; it ends
 * when the test says so, or fails and has done nothing that can be relied on.
 */
class UnreliableFileSystem {
  readonly names = new Map<string, Inode>();
  readonly durableNames = new Map<string, Inode>();
  readonly open = new Map<number, Inode>();
  /** What is under final names and was not durable when it got them: promise 1 broken, should the power be lost then. */
  readonly early: string[] = [];
  readonly #syncing: (() => void)[] = [];
  readonly #fails: (call: number) => boolean;
  #calls = 0;

  constructor(fails: (call: number) => boolean) {
    this.#fails = fails;
  }

  get isSyncing(): boolean {
    return this.#syncing.length > 0;
  }

  endSync(): void {
    this.#syncing.shift()?.();
  }

  #mayFail(what: string): void {
    if (this.#fails(++this.#calls)) throw Object.assign(new Error(`EIO: ${what}`), { code: 'EIO' });
  }

  #put(path: string, inode: Inode): void {
    this.names.set(path, inode);
    if (path.startsWith('n') && !inode.durable) this.early.push(path);
  }

  sync(what: readonly Inode[] | undefined, withNames: boolean): Promise<void> {
    const inodes = what ?? [...this.names.values(), ...this.open.values()];
    const names = new Map(this.names);
    return new Promise((resolve, reject) => {
      this.#syncing.push(() => {
        try {
          this.#mayFail('sync');
          for (const inode of inodes) inode.durable = true;
          if (withNames) {
            this.durableNames.clear();
            for (const [name, inode] of names) this.durableNames.set(name, inode);
          }
          resolve();
        } catch (thrown) {
          reject(thrown);
        }
      });
    });
  }

  link(fd: number, path: string): number {
    const inode = this.open.get(fd);
    if (inode === undefined || this.names.has(path) || this.#fails(++this.#calls)) return -1;
    this.#put(path, inode);
    return 0;
  }

  readonly fs = {
    futimesSync: (fd: number) => {
      this.#mayFail('times');
      (this.open.get(fd) as Inode).durable = false;
    },
    closeSync: (fd: number) => void this.open.delete(fd),
    openSync: () => {
      throw Object.assign(new Error('EEXIST'), { code: 'EEXIST' });
    },
    unlinkSync: (path: string) => {
      if (!this.names.delete(path)) throw Object.assign(new Error('ENOENT'), { code: 'ENOENT' });
    },
    renameSync: (from: string, to: string) => {
      this.#mayFail('rename');
      const inode = this.names.get(from);
      if (inode === undefined) throw Object.assign(new Error('ENOENT'), { code: 'ENOENT' });
      this.names.delete(from);
      this.#put(to, inode);
    },
    lstatSync: () => undefined,
    fsync: (fd: number, done: (error: Error | null) => void) => {
      const inode = this.open.get(fd);
      const synced = inode === undefined ? this.sync([], true) : this.sync([inode], false);
      synced.then(() => done(null), done);
    },
  } as unknown as typeof FileSystem;
}

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('keep' as const), name: fc.nat(5), nameless: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('commit' as const), joined: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('sync' as const) }) },
);

describe.each([
  ['with syncfs', true],
  ['with fsync', false],
])('small files of a set when the power is lost at any moment, %s', (_name, withSyncfs) => {
  it('have a name only when their contents are durable, and are reported only when their name is', async () => {
    let reported = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 5, maxLength: 60, size: 'max' }),
        fc.array(fc.nat(150), { maxLength: 2 }),
        async (steps, failing) => {
          const disk = new UnreliableFileSystem((call) => failing.includes(call));
          const wanted = new Map<number, string>();
          const ended = new Set<number>();
          /** What the durable name has is this file, or one that came later. */
          const check = (replies: readonly Reply[]) => {
            for (const reply of replies) {
              if (reply === 'committed') continue;
              expect(ended.has(reply.id)).toBe(false);
              ended.add(reply.id);
              if ('code' in reply) continue;
              reported++;
              const there = disk.durableNames.get(wanted.get(reply.id) ?? '');
              expect(there?.durable).toBe(true);
              expect(there?.id).toBeGreaterThanOrEqual(reply.id);
            }
          };
          const link = (fd: number, path: string) => disk.link(fd, path);
          const system = { link, syncFileSystems: () => disk.sync(undefined, true) };
          const work = createFileWork(disk.fs, withSyncfs ? system : undefined, check);
          let id = 0;
          const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
          for (const each of steps) {
            if (each.do === 'sync') disk.endSync();
            else if (each.do === 'commit') work.order({ ...each, devices: [3], directories: [3] });
            else work.order(keep(disk, wanted, ++id, each));
            await turn();
          }
          work.order({ do: 'commit', devices: [3], directories: [3] });
          let over = false;
          void work.settled().then(() => {
            over = true;
          });
          for (await turn(); !over || disk.isSyncing; await turn()) disk.endSync();
          expect(disk.early).toEqual([]);
          expect(ended.size).toBe(id);
          expect(disk.open.size).toBe(0);
          expect([...disk.names.keys()].filter((name) => name.startsWith('t'))).toEqual([]);
        },
      ),
      { numRuns: 1_000 },
    );
    expect(reported).toBeGreaterThan(1_000);
  }, 60_000);
});

function keep(
  disk: UnreliableFileSystem,
  wanted: Map<number, string>,
  id: number,
  { name, nameless }: { readonly name: number; readonly nameless: boolean },
): Order {
  const [fd, at] = [100 + id, `t${id}`];
  const inode: Inode = { id, durable: false };
  disk.open.set(fd, inode);
  if (!nameless) disk.names.set(at, inode);
  wanted.set(id, `n${name}`);
  return { do: 'keep', id, fd, nameless, at, name: `n${name}`, modified: 1_000 };
}
