import { open } from 'node:fs/promises';
import { type AccessRecord, accessLine } from '../access-record.ts';

/** A file to which one line is appended for each answer. */
export interface AccessLog {
  write(record: AccessRecord): void;
  /** Writes what waits. */
  close(): Promise<void>;
}

/**
 * Opens the file, mode 0600 when it is new. Nobody waits for it: lines are gathered while a write goes on, and when the
 * disk does not keep up, more than 1 MiB of them are left out, with one warning.
 */
export async function openAccessLog(path: string, warn: (message: string) => void): Promise<AccessLog> {
  const file = await open(path, 'a', 0o600);
  let waiting = '';
  let failing = false;
  let writing: Promise<void> | undefined;
  const flush = async () => {
    while (waiting !== '') {
      const text = waiting;
      waiting = '';
      try {
        await file.appendFile(text);
        failing = false;
      } catch (error) {
        complain(`cannot be written: ${(error as Error).message}`);
      }
    }
    writing = undefined;
  };
  const complain = (what: string) => {
    if (!failing) warn(`access log: it ${what}; lines are missing`);
    failing = true;
  };
  return {
    write(record) {
      if (waiting.length > mostWaiting) return complain('does not keep up');
      waiting += accessLine(record, new Date(record.time).toISOString());
      writing ??= flush();
    },
    async close() {
      await writing;
      await file.close();
    },
  };
}

const mostWaiting = 1024 * 1024;
