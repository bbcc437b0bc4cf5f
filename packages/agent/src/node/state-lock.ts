import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { CarmineError } from '@carmine/errors';

/** Held while a process uses a state folder. */
export interface StateLock {
  release(): void;
}

/**
 * Takes the state folder for this process. SQLite's file lock is the operating system's: it ends with the process,
 * however that dies. Throws `configuration/in-use` when another process holds it.
 */
export function lockState(stateDir: string): StateLock {
  const database = new DatabaseSync(join(stateDir, 'agent.lock'));
  try {
    database.exec('PRAGMA busy_timeout = 2000; PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE');
  } catch (cause) {
    database.close();
    throw new CarmineError('configuration/in-use', { context: { what: `the state folder ${stateDir}` }, cause });
  }
  return { release: () => database.close() };
}
