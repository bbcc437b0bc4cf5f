import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { groupCommit } from '../src/node/group-commit.ts';

function open() {
  const database = new DatabaseSync(':memory:');
  database.exec('CREATE TABLE t (a INTEGER PRIMARY KEY) STRICT');
  const insert = database.prepare('INSERT INTO t VALUES (?)');
  const rows = () =>
    database
      .prepare('SELECT a FROM t ORDER BY a')
      .all()
      .map((row) => row['a']);
  return { database, commit: groupCommit(database), insert: (value: number) => () => void insert.run(value), rows };
}

describe('group commit', () => {
  it('makes what came in one turn durable together', async () => {
    const { commit, insert, rows } = open();
    const all = [1, 2, 3].map((value) => commit.add(insert(value)));
    expect(rows()).toEqual([]);
    await Promise.all(all);
    expect(rows()).toEqual([1, 2, 3]);
  });

  it('takes back only the change that fails', async () => {
    const { commit, insert, rows } = open();
    const results = await Promise.allSettled([1, 1, 2].map((value) => commit.add(insert(value))));
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(rows()).toEqual([1, 2]);
  });

  it('rejects all of a transaction that cannot be committed, and goes on', async () => {
    const { database, commit, insert, rows } = open();
    const exec = database.exec.bind(database);
    database.exec = (sql: string) => {
      if (sql === 'COMMIT') throw new Error('disk full');
      exec(sql);
    };
    await expect(Promise.all([commit.add(insert(1)), commit.add(insert(2))])).rejects.toThrow('disk full');
    expect(rows()).toEqual([]);
    database.exec = exec;
    await commit.add(insert(3));
    expect(rows()).toEqual([3]);
  });

  it('can be told not to wait', () => {
    const { commit, insert, rows } = open();
    void commit.add(insert(1));
    commit.flush();
    expect(rows()).toEqual([1]);
  });
});
