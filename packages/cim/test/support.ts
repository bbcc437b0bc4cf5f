import type {
  AccountDirectory,
  AccountInfo,
  EndedJob,
  JobExtensions,
  JobFileDetails,
  JobProvider,
  JobSnapshot,
  UrlGroupExtensions,
  UrlGroupProvider,
} from '@carmine/core';
import { anonymousToken, type Token, wellKnownSids } from '@carmine/security';
import { type AuditEvent, createDispatcher, type EventTimers, type Providers } from '../src/index.ts';

export const administrator: Token = {
  name: 'HOST\\admin',
  userSid: 'S-1-5-21-1-2-3-1000',
  groupSids: [wellKnownSids.everyone, wellKnownSids.authenticatedUsers, wellKnownSids.administrators],
  scheme: 'ntlm',
  source: '192.0.2.1',
  protectedChannel: true,
};
export const user: Token = {
  ...administrator,
  name: 'HOST\\user',
  userSid: 'S-1-5-21-1-2-3-1001',
  groupSids: [wellKnownSids.everyone, wellKnownSids.authenticatedUsers, wellKnownSids.users],
};
export const anonymous: Token = anonymousToken('192.0.2.2');

export type AllProviders = JobProvider & JobExtensions & UrlGroupProvider & UrlGroupExtensions & AccountDirectory;

/** Every method that is not given throws. */
export function stub(methods: Partial<AllProviders> = {}): AllProviders {
  return new Proxy(methods as AllProviders, {
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

/** Records calls as `[name, …arguments]`, the call options left out; the results come from `results`. */
export function recorder(results: Partial<Record<keyof AllProviders, unknown>> = {}): {
  readonly provider: AllProviders;
  readonly calls: unknown[][];
} {
  const calls: unknown[][] = [];
  const provider = new Proxy({} as AllProviders, {
    get:
      (_target, name) =>
      (...args: unknown[]) => {
        calls.push([String(name), ...args.slice(0, -1)]);
        const result = results[name as keyof AllProviders];
        if (String(name).startsWith('list')) return iterate(result as readonly unknown[]);
        return result instanceof Error ? Promise.reject(result) : Promise.resolve(result);
      },
  });
  return { provider, calls };
}

export function allOf(provider: AllProviders): Providers {
  return {
    jobs: provider,
    jobExtensions: provider,
    urlGroups: provider,
    urlGroupExtensions: provider,
    accounts: provider,
  };
}

/** An administrator's session on a provider, and what was audited. */
export function open(provider: AllProviders, token: Token = administrator) {
  const events: AuditEvent[] = [];
  const dispatcher = createDispatcher({
    providers: allOf(provider),
    audit: (event) => events.push(event),
    events: standingStill,
  });
  return { cim: dispatcher.session(token), dispatcher, events };
}

/** Time for events where none is to pass. */
const standingStill: EventTimers = { now: () => 0, after: () => () => {} };

export async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of source) all.push(item);
  return all;
}

async function* iterate(items: readonly unknown[] = []): AsyncIterable<unknown> {
  for (const item of items) {
    if (item instanceof Error) throw item;
    yield item;
  }
}

export const jobId = '{3BA55CB4-5ECC-48A6-895F-C7B35EBF8B12}';

export const job: JobSnapshot = {
  jobId,
  displayName: 'a job',
  description: 'about it',
  priority: 'low',
  minimumRetryDelay: 600,
  noProgressTimeout: 1_209_600,
  files: [
    {
      remoteUrl: 'http://h/f',
      localFile: '/inbox/f',
      bytesTotal: 0xffff_ffff_ffff_ffffn,
      bytesTransferred: 7n,
      completed: false,
    },
  ],
  jobCreationTime: 133_000_000_000_000_000n,
  jobLastModificationTime: 133_000_000_000_000_001n,
  jobCompletionTime: 0n,
  bytesTotal: 0xffff_ffff_ffff_ffffn,
  bytesTransferred: 7n,
  filesTotal: 1,
  filesTransferred: 0,
  transientErrorCount: 2,
  state: 'transientError',
  owner: 'S-1-5-20',
};

export const endedJob: EndedJob = {
  jobId,
  displayName: 'a job',
  description: 'about it',
  state: 'cancelled',
  owner: 'S-1-5-20',
  filesTotal: 1,
  filesTransferred: 0,
  bytesTotal: 10n,
  bytesTransferred: 7n,
  jobCreationTime: 133_000_000_000_000_000n,
  endTime: 133_000_000_000_000_002n,
  reason: 'cancelled by request',
  lastError: 0x8020_0010,
};

export const fileDetails: JobFileDetails = {
  jobId,
  fileIndex: 0,
  sha256: null,
  expectedSha256: 'ab'.repeat(32),
  computeSha256: true,
  phase: 'waiting',
  waitReason: 'cannot connect',
  nextAttempt: 133_000_000_000_000_003n,
};

export const account: AccountInfo = { domain: 'HOST', name: 'admin', sid: 'S-1-5-21-1-2-3-1000' };
