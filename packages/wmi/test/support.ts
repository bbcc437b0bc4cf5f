import {
  type Account,
  createNtlmAcceptor,
  createSpnegoAcceptor,
  ntlmAcceptorMechanism,
  ntOwfV1,
  type RpcSecurityContext,
} from '@carmine/auth';
import { type CimDispatcher, createDispatcher } from '@carmine/cim';
import { MemoryJobs, MemoryUrlGroups } from '@carmine/compliance';
import { authTypes, createMemoryDialer } from '@carmine/dcerpc';
import { type Token, wellKnownSids } from '@carmine/security';
import { FakeClock, SeededRandom } from '@carmine/testkit';
import { createDcomClient } from 'node-dcom-lite';
import { createWmiHost, createWmiOperations, createWmiSecurity, type WmiHostOptions } from '../src/index.ts';

const random = new SeededRandom(11);
export const environment = { now: () => Date.UTC(2026, 0, 1), randomBytes: (length: number) => random.bytes(length) };

const groups: Readonly<Record<string, string>> = {
  admin: wellKnownSids.administrators,
  other: wellKnownSids.administrators,
  user: wellKnownSids.users,
};
const accounts = new Map<string, Account>(
  Object.entries(groups).map(([user, group], index) => [
    user,
    {
      name: `HOST\\${user}`,
      userSid: `S-1-5-21-1-2-3-${1000 + index}`,
      groupSids: [group],
      ntHash: ntOwfV1('secret'),
    },
  ]),
);

export function tokenOf(user: string): Token {
  const { name, userSid, groupSids } = accounts.get(user)!;
  return { name, userSid, groupSids, scheme: 'ntlm', source: '127.0.0.1', protectedChannel: true };
}

export function accept(type: number): RpcSecurityContext | undefined {
  const ntlm = {
    accounts: (user: string) => accounts.get(user.toLowerCase()),
    environment,
    hostName: 'HOST',
    requireMic: false,
  };
  if (type === authTypes.ntlm) return createNtlmAcceptor(ntlm);
  if (type === authTypes.negotiate) return createSpnegoAcceptor({ mechanisms: [ntlmAcceptorMechanism(ntlm)] });
  return undefined;
}

/** A managed machine in memory, in virtual time. */
export function testHost(changes: Partial<WmiHostOptions> = {}) {
  const jobs = new MemoryJobs();
  const urlGroups = new MemoryUrlGroups();
  const providers = { jobs, jobExtensions: jobs, urlGroups, urlGroupExtensions: urlGroups };
  const clock = new FakeClock();
  const dispatcher: CimDispatcher = changes.dispatcher ?? createDispatcher({ providers, events: clock });
  const host = createWmiHost({
    dispatcher,
    environment: {
      now: () => clock.now(),
      after: (delay, callback) => clock.after(delay, callback),
      randomBytes: environment.randomBytes,
    },
    machine: 'HOST',
    hosts: () => ['127.0.0.1', 'host.example'],
    resolverPort: () => 135,
    exporterPort: () => 50_000,
    accept,
    ...changes,
  });
  const dial = createMemoryDialer(
    new Map([
      [135, host.resolver],
      [50_000, host.exporter],
    ]),
  );
  return { host, jobs, urlGroups, dispatcher, clock, dial };
}

export type TestHost = ReturnType<typeof testHost>;

/** Timers of a client that wait in virtual time, too. */
export function dcomClientOf({ dial, clock }: Pick<TestHost, 'dial' | 'clock'>, user = 'admin', password = 'secret') {
  const host = '127.0.0.1';
  return createDcomClient({
    dial,
    host,
    security: createWmiSecurity({ logon: { user, password }, host, environment }),
    randomBytes: environment.randomBytes,
    after: (delay, callback) => clock.after(delay, callback),
  });
}

export function clientOf(host: Pick<TestHost, 'dial' | 'clock'>, user?: string, password?: string) {
  return createWmiOperations({ dcom: dcomClientOf(host, user, password), batchSize: 3 });
}
