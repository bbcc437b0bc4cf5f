import type { DatabaseSync } from 'node:sqlite';

/** Changes that are made durable together: a commit waits for the disk, however much it holds. */
export interface GroupCommit {
  /** Runs `change` in the next transaction; resolves when that is durable, rejects with what went wrong with this one. */
  add(change: () => void): Promise<void>;
  /** Makes everything that waits durable now. */
  flush(): void;
}

/** Changes keep their order. What is added in one turn of the event loop is one transaction. */
export function groupCommit(database: DatabaseSync): GroupCommit {
  interface Waiting {
    readonly change: () => void;
    readonly resolve: () => void;
    readonly reject: (error: unknown) => void;
  }
  let waiting: Waiting[] = [];

  const flush = () => {
    const all = waiting;
    waiting = [];
    if (all.length === 0) return;
    const done: Waiting[] = [];
    try {
      database.exec('BEGIN');
      for (const each of all) {
        // A statement that fails takes back itself alone.
        try {
          each.change();
          done.push(each);
        } catch (error) {
          each.reject(error);
        }
      }
      database.exec('COMMIT');
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK');
      for (const each of done) each.reject(error);
      return;
    }
    for (const each of done) each.resolve();
  };

  return {
    add: (change) =>
      new Promise((resolve, reject) => {
        if (waiting.length === 0) setImmediate(flush);
        waiting.push({ change, resolve, reject });
      }),
    flush,
  };
}
