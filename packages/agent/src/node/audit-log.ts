import { hash } from 'node:crypto';
import { closeSync, createReadStream, fsyncSync, openSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { AuditEvent } from '@carmine/cim';
import { type ChainHead, type ChainReport, chainLine, emptyChain, follow, verifyChain } from '../audit-chain.ts';
import { auditRecord } from '../audit-record.ts';

export interface AuditLog {
  write(event: AuditEvent): void;
  close(): void;
}

/**
 * Appends to `state_dir/audit.ndjson`, mode 0600: one record a line, each naming the hash of the line before it. It is on the
 * disk at the latest when the log is closed. A crash of the process loses nothing of who logged on, was refused or changed
 * something: that is written at once. What was only read is written before the event loop turns: there may be thousands a second.
 */
export async function openAuditLog(stateDir: string): Promise<AuditLog> {
  const path = auditPath(stateDir);
  const file = openSync(path, 'a', 0o600);
  let head = await headOf(path);
  // A line that a crash cut off becomes a line of its own.
  if (head.torn) writeSync(file, '\n');
  let waiting = '';
  const flush = () => {
    if (waiting === '') return;
    const lines = waiting;
    waiting = '';
    writeSync(file, lines);
  };
  return {
    write(event) {
      const next = chainLine(head, auditRecord(event, isoTime(Date.now())), sha256);
      head = { ...next.head, torn: false };
      if (waiting === '') setImmediate(flush);
      waiting += `${next.line}\n`;
      if (event.outcome !== 'allowed' || !readingActions.has(event.action) || waiting.length > mostWaiting) flush();
    },
    close() {
      flush();
      fsyncSync(file);
      closeSync(file);
    },
  };
}

const readingActions: ReadonlySet<string> = new Set(['GetInstance', 'EnumerateInstances', 'ExecuteQuery']);
/** Characters. */
const mostWaiting = 65_536;

/** Checks the chain of an agent's audit file; an agent that runs may go on writing meanwhile. */
export function verifyAuditLog(stateDir: string): Promise<ChainReport> {
  return verifyChain(linesOf(auditPath(stateDir)), sha256);
}

function auditPath(stateDir: string): string {
  return join(stateDir, 'audit.ndjson');
}

async function headOf(path: string): Promise<ChainHead & { torn: boolean }> {
  let head = emptyChain(sha256);
  for await (const line of linesOf(path)) head = follow(head, line, sha256);
  return { ...head, torn: !(await endsWithLineEnd(path)) };
}

async function* linesOf(path: string): AsyncIterable<string> {
  yield* createInterface({ input: createReadStream(path, 'utf8'), crlfDelay: Number.POSITIVE_INFINITY });
}

async function endsWithLineEnd(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    if (size === 0) return true;
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
    return buffer[0] === 0x0a;
  } finally {
    await file.close();
  }
}

/** Several records fall into one millisecond when it matters. */
function isoTime(milliseconds: number): string {
  if (milliseconds !== written.milliseconds) written = { milliseconds, text: new Date(milliseconds).toISOString() };
  return written.text;
}

let written = { milliseconds: Number.NaN, text: '' };

function sha256(text: string): string {
  return hash('sha256', text, 'hex');
}
