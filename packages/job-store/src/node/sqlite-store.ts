import { closeSync, constants, existsSync, mkdirSync, openSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { EndedJob, JobCredentials } from '@carmine/core';
import { CarmineError, isCarmineError } from '@carmine/errors';
import {
  damaged,
  decodeEndedJob,
  decodeJob,
  decodeOldJob,
  encodeEndedJob,
  encodeFile,
  encodeJob,
} from '../document.ts';
import type { JobStore, StoredFile, StoredJob } from '../types.ts';
import { createSecretBox, loadOrCreateKey, type SecretBox, syncDirectory } from './secrets.ts';

export interface SqliteJobStoreOptions {
  /** Directory of `jobs.sqlite` and `jobs.key`; made with mode 0700 when it is not there. */
  readonly stateDirectory: string;
  /** Milliseconds since 1970, for the name of a damaged database. */
  readonly now?: (() => number) | undefined;
}

/**
 * Jobs in SQLite (WAL, synchronous=FULL: a commit survives power loss), used by one process at a time. A damaged
 * database is moved aside, never deleted, and `job/store-damaged` says where it is; the next start begins with an empty one.
 */
export function openSqliteJobStore(options: SqliteJobStoreOptions): JobStore {
  const { stateDirectory, now = () => Date.now() } = options;
  mkdirSync(stateDirectory, { recursive: true, mode: 0o700 });
  const path = join(stateDirectory, 'jobs.sqlite');
  // SQLite creates the file with the process' umask; its journal takes over the mode of the database.
  closeSync(openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600));
  syncDirectory(stateDirectory);
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path);
    prepare(database);
    const store = new SqliteJobStore(database, createSecretBox(loadOrCreateKey(join(stateDirectory, 'jobs.key'))));
    // Every record is read once now: damage shows at the start and not in the middle of a job.
    store.check();
    return store;
  } catch (thrown) {
    database?.close();
    if (isBusy(thrown)) {
      throw new CarmineError('configuration/in-use', { context: { what: path }, cause: thrown });
    }
    if (!isDamage(thrown)) throw thrown;
    const aside = moveAside(path, now());
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw damaged(`${reason}; it was moved to ${aside}`, thrown);
  }
}

function prepare(database: DatabaseSync): void {
  // Exclusive first: it is what makes a second process fail instead of sharing.
  database.exec(
    'PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON',
  );
  const [check] = database.prepare('PRAGMA quick_check(1)').all();
  if (check?.['quick_check'] !== 'ok') throw damaged(String(check?.['quick_check']));
  const version = Number(database.prepare('PRAGMA user_version').get()?.['user_version']);
  if (version > schemaVersion) {
    throw new CarmineError('job/store-version', { context: { found: version, known: schemaVersion } });
  }
  if (version === 0) {
    database.exec(`
      BEGIN EXCLUSIVE;
      CREATE TABLE job (id TEXT PRIMARY KEY, sequence INTEGER NOT NULL, document TEXT NOT NULL, secret BLOB) STRICT;
      ${fileTable};
      CREATE TABLE ended (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, document TEXT NOT NULL) STRICT;
      PRAGMA user_version=${schemaVersion};
      COMMIT;
    `);
  } else if (version < schemaVersion) {
    upgrade(database);
  } else {
    // Takes the exclusive lock now rather than with the first job.
    database.exec('BEGIN EXCLUSIVE; COMMIT');
  }
}

/**
 * Versions 1 and 2 had a job's files within its record. All of it or nothing: a process that dies here leaves what there was. The version is what
 * keeps older programs from fetching the whole of a file with ranges.
 */
function upgrade(database: DatabaseSync): void {
  database.exec(`BEGIN EXCLUSIVE; ${fileTable}`);
  const files = new FileTable(database);
  const update = database.prepare('UPDATE job SET document = ? WHERE id = ?');
  for (const { id, document } of database.prepare('SELECT id, document FROM job').all()) {
    const job = decodeOldJob(String(document));
    update.run(encodeJob(job), String(id));
    files.write(job);
  }
  database.exec(`PRAGMA user_version=${schemaVersion}; COMMIT`);
}

/** The files of jobs, each a record of its own: a job of thousands is not written anew because one of them moved. */
class FileTable {
  readonly #write: StatementSync;
  readonly #read: StatementSync;
  readonly #cut: StatementSync;
  /** As they are in the table. Nobody changes a file, so the same object is the same file. */
  readonly #known = new Map<string, readonly StoredFile[]>();

  constructor(database: DatabaseSync) {
    this.#write = database.prepare(
      'INSERT INTO file (job, position, document) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET document = excluded.document',
    );
    this.#read = database.prepare('SELECT document FROM file WHERE job = ? ORDER BY position');
    this.#cut = database.prepare('DELETE FROM file WHERE job = ? AND position >= ?');
  }

  /** Within a transaction; `written` must follow when that is there. */
  write({ jobId, files }: StoredJob): void {
    const known = this.#known.get(jobId) ?? [];
    for (const [position, file] of files.entries()) {
      if (file !== known[position]) this.#write.run(jobId, position, encodeFile(file));
    }
    if (files.length < known.length) this.#cut.run(jobId, files.length);
  }

  written({ jobId, files }: StoredJob): void {
    this.#known.set(jobId, [...files]);
  }

  read(jobId: string): readonly string[] {
    return this.#read.all(jobId).map(({ document }) => String(document));
  }

  /** Within a transaction. */
  remove(jobId: string): void {
    this.#cut.run(jobId, 0);
  }

  forget(jobId: string): void {
    this.#known.delete(jobId);
  }
}

class SqliteJobStore implements JobStore {
  readonly #database: DatabaseSync;
  readonly #secrets: SecretBox;
  readonly #files: FileTable;
  readonly #save: StatementSync;

  constructor(database: DatabaseSync, secrets: SecretBox) {
    this.#database = database;
    this.#secrets = secrets;
    this.#files = new FileTable(database);
    this.#save = database.prepare(
      `INSERT INTO job (id, sequence, document, secret) VALUES (?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET sequence = excluded.sequence, document = excluded.document, secret = excluded.secret`,
    );
  }

  check(): void {
    this.#jobs();
  }

  async load(): Promise<readonly StoredJob[]> {
    return this.#jobs();
  }

  async save(job: StoredJob): Promise<void> {
    const secret = job.credentials.length === 0 ? null : this.#secrets.seal(JSON.stringify(job.credentials), job.jobId);
    this.#atOnce(() => {
      this.#save.run(job.jobId, job.sequence, encodeJob(job), secret);
      this.#files.write(job);
    });
    this.#files.written(job);
  }

  async end(ended: EndedJob): Promise<void> {
    this.#atOnce(() => {
      this.#files.remove(ended.jobId);
      this.#database.prepare('DELETE FROM job WHERE id = ?').run(ended.jobId);
      this.#database.prepare('INSERT INTO ended (id, document) VALUES (?, ?)').run(ended.jobId, encodeEndedJob(ended));
    });
    this.#files.forget(ended.jobId);
  }

  #atOnce(work: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.#database.exec('COMMIT');
    } catch (thrown) {
      // Some failures have ended it already.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw thrown;
    }
  }

  async *listEnded(): AsyncIterable<EndedJob> {
    const page = this.#database.prepare(
      'SELECT number, document FROM ended WHERE number > ? ORDER BY number LIMIT 100',
    );
    let last = 0;
    for (;;) {
      const rows = page.all(last);
      if (rows.length === 0) return;
      for (const row of rows) {
        last = Number(row['number']);
        yield decodeEndedJob(String(row['document']));
      }
    }
  }

  async close(): Promise<void> {
    if (this.#database.isOpen) this.#database.close();
  }

  #jobs(): StoredJob[] {
    const rows = this.#database.prepare('SELECT id, document, secret FROM job ORDER BY sequence').all();
    return rows.map((row) => {
      const secret = row['secret'];
      const credentials =
        secret instanceof Uint8Array
          ? (JSON.parse(this.#secrets.open(secret, String(row['id']))) as readonly JobCredentials[])
          : [];
      const job = decodeJob(String(row['document']), this.#files.read(String(row['id'])), credentials);
      this.#files.written(job);
      return job;
    });
  }
}

/** With its write-ahead log, or the newest commits would be lost to whoever repairs it. */
function moveAside(path: string, now: number): string {
  const aside = `${path}.damaged-${new Date(now).toISOString().replace(/[:.]/g, '-')}`;
  for (const suffix of ['', '-wal', '-shm']) {
    if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix);
  }
  return aside;
}

function isDamage(thrown: unknown): boolean {
  if (isCarmineError(thrown, 'job/store-damaged')) return true;
  const code = sqliteCode(thrown);
  return code === sqlite.corrupt || code === sqlite.notADatabase;
}

function isBusy(thrown: unknown): boolean {
  const code = sqliteCode(thrown);
  return code === sqlite.busy || code === sqlite.locked;
}

/** The primary result code: the low byte of an extended one. */
function sqliteCode(thrown: unknown): number | undefined {
  return thrown instanceof Error && 'errcode' in thrown ? Number(thrown.errcode) & 0xff : undefined;
}

const sqlite = { busy: 5, locked: 6, corrupt: 11, notADatabase: 26 } as const;
const schemaVersion = 3;
const fileTable = `CREATE TABLE file (job TEXT NOT NULL, position INTEGER NOT NULL, document TEXT NOT NULL,
  PRIMARY KEY (job, position)) STRICT, WITHOUT ROWID`;
