import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JobProvider, UrlGroupProvider } from '@carmine/core';
import { onTestFinished, vi } from 'vitest';
import type { Log } from '../src/node/index.ts';

/** A folder that is gone when the test is over. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'carmine-agent-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Lines that were logged, `level message`. */
export function recordingLog(): Log & { readonly lines: string[] } {
  const lines: string[] = [];
  return {
    lines,
    info: (message) => void lines.push(`info ${message}`),
    warn: (message) => void lines.push(`warn ${message}`),
    error: (message, cause) => void lines.push(`error ${message}: ${cause instanceof Error ? cause.message : ''}`),
  };
}

/** Catches what the process writes; environment variables are set for as long as the work runs. */
export async function captured<T>(
  work: () => Promise<T>,
  environment: Record<string, string> = {},
): Promise<{ readonly result: T; readonly stdout: string; readonly stderr: string }> {
  const text = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((stream) =>
    vi.spyOn(process[stream], 'write').mockImplementation((chunk) => {
      text[stream] += String(chunk);
      return true;
    }),
  );
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  try {
    return { result: await work(), ...text };
  } finally {
    for (const spy of spies) spy.mockRestore();
    vi.unstubAllEnvs();
  }
}

/** A provider of which only some methods may be called. */
export function only<T extends JobProvider | UrlGroupProvider>(methods: Partial<T>): T {
  return new Proxy(methods as T, {
    get(target, name) {
      return (
        Reflect.get(target, name) ??
        (() => {
          throw new Error(`must not be called: ${String(name)}`);
        })
      );
    },
  });
}
