import { readFileSync } from 'node:fs';
import { crypto } from './on-demand.ts';

/** Which start of the system this is; undefined where it does not say. */
export function bootId(): string | undefined {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return undefined;
  }
}

/** Never the same after the power was lost. Where the system does not say which start it is, that is this process' own. */
export function thisRun(): string {
  run ??= bootId() ?? crypto().randomUUID();
  return run;
}

let run: string | undefined;
