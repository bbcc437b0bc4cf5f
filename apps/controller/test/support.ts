import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfiguration } from '@carmine/agent';
import { startAgent } from '@carmine/agent/node';
import { openAccountDatabase } from '@carmine/auth/node';
import type { JobExtensions, JobProvider, UrlGroupExtensions, UrlGroupProvider } from '@carmine/core';
import { vi } from 'vitest';
import { run } from '../src/run.ts';

type AllProviders = JobProvider & JobExtensions & UrlGroupProvider & UrlGroupExtensions;

/** A managed machine in this process: an agent on loopback whose providers record what they are asked. */
export interface TestMachine {
  /** `wsman://admin@127.0.0.1:…` */
  readonly target: string;
  /** `wsmans://localhost:…`; undefined unless it is configured. */
  readonly secureTarget: string | undefined;
  /** A file with the password of `admin`. */
  readonly passwordFile: string;
  /** Calls since the last look, `[name, …arguments]`, and what they answer: a value, an error, or what a function gives. */
  readonly calls: unknown[][];
  results: Partial<Record<keyof AllProviders, unknown>>;
  close(): Promise<void>;
}

/** `more`: further lines of its configuration. */
export async function startMachine(more = ''): Promise<TestMachine> {
  const folder = mkdtempSync(join(tmpdir(), 'carmine-cli-'));
  const stateDir = join(folder, 'state');
  const calls: unknown[][] = [];
  const provider = new Proxy({} as AllProviders, {
    get:
      (_target, name) =>
      (...args: unknown[]) => {
        const given = machine.results[name as keyof AllProviders];
        calls.push([String(name), ...args.slice(0, -1)]);
        const result: unknown = typeof given === 'function' ? given(...args) : given;
        if (String(name).startsWith('list')) return iterate(result);
        return result instanceof Error ? Promise.reject(result) : Promise.resolve(result ?? 0);
      },
  });
  openAccountDatabase({ stateDir, hostName: 'HOST' }).add('admin', 'correct horse', ['Administrators']);
  const passwordFile = join(folder, 'password');
  writeFileSync(passwordFile, 'correct horse\n', { mode: 0o600 });
  const configuration = parseConfiguration({
    role: 'server',
    file: 'agent.toml',
    text: `state_dir = ${JSON.stringify(stateDir)}\nmanagement.http = "127.0.0.1:0"\n${more}`,
    environment: {},
  });
  const quiet = () => {};
  const agent = await startAgent({
    role: 'server',
    configuration,
    version: '1.2.3',
    log: { info: quiet, warn: quiet, error: quiet },
    createService: async () => ({
      providers: { jobs: provider, jobExtensions: provider, urlGroups: provider, urlGroupExtensions: provider },
      start: async () => {},
      stop: async () => {},
    }),
  });
  const machine: TestMachine = {
    target: `wsman://admin@${agent.ready.wsman.http}`,
    secureTarget: agent.ready.wsman.https?.replace(/^.*:/, 'wsmans://localhost:'),
    passwordFile,
    calls,
    results: {},
    async close() {
      await agent.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return machine;
}

async function* iterate(items: unknown): AsyncIterable<unknown> {
  if (items instanceof Error) throw items;
  for (const item of (items ?? []) as readonly unknown[]) yield item;
}

export interface Ended {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one command line of `carmine` in this process. */
export async function carmine(argv: readonly string[], signal = new AbortController().signal): Promise<Ended> {
  const text = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((stream) =>
    vi.spyOn(process[stream], 'write').mockImplementation((chunk) => {
      text[stream] += String(chunk);
      return true;
    }),
  );
  try {
    return { exit: await run(argv, signal), ...text };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}
