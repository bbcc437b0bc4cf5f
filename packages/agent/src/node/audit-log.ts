import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { AuditEvent } from '@carmine/cim';
import { auditRecord } from '../audit-record.ts';

export interface AuditLog {
  write(event: AuditEvent): void;
  close(): void;
}

/** Appends to `state_dir/audit.ndjson`, mode 0600, one record a line, each in one write. */
export function openAuditLog(stateDir: string): AuditLog {
  const file = openSync(join(stateDir, 'audit.ndjson'), 'a', 0o600);
  return {
    write: (event) => void writeSync(file, `${JSON.stringify(auditRecord(event, new Date().toISOString()))}\n`),
    close: () => closeSync(file),
  };
}
