import { createNtlmAcceptor, createSpnegoAcceptor, ntlmAcceptorMechanism, ntOwfV1 } from '@carmine/auth';
import { systemEnvironment } from '@carmine/auth/node';
import { createDispatcher, createProxy } from '@carmine/cim';
import {
  jobEventsSuite,
  jobProviderSuite,
  MemoryJobs,
  MemoryUrlGroups,
  urlGroupProviderSuite,
} from '@carmine/compliance';
import { authTypes } from '@carmine/dcerpc';
import { wellKnownSids } from '@carmine/security';
import { FakeClock } from '@carmine/testkit';
import { afterEach, expect, it } from 'vitest';
import { createWmiClient, createWmiTcpServer } from '../src/node/index.ts';

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** With sockets, NTLM in Negotiate, and a clock for events that the test moves. */
async function start(port = 0) {
  const jobs = new MemoryJobs();
  const urlGroups = new MemoryUrlGroups();
  const clock = new FakeClock();
  const ntlm = {
    accounts: (user: string) => {
      const administrator = user.toLowerCase() === 'admin';
      const groupSids = [administrator ? wellKnownSids.administrators : wellKnownSids.users];
      return { name: `HOST\\${user}`, userSid: 'S-1-5-21-1-2-3-1000', groupSids, ntHash: ntOwfV1('Größe 1') };
    },
    environment: systemEnvironment,
    hostName: 'HOST',
    requireMic: false,
  };
  const server = createWmiTcpServer({
    dispatcher: createDispatcher({
      providers: { jobs, jobExtensions: jobs, urlGroups, urlGroupExtensions: urlGroups },
      events: clock,
    }),
    accept: (type) => {
      if (type === authTypes.ntlm) return createNtlmAcceptor(ntlm);
      return createSpnegoAcceptor({ mechanisms: [ntlmAcceptorMechanism(ntlm)] });
    },
  });
  const { resolver } = await server.listen({ host: '127.0.0.1', port }, { host: '127.0.0.1', port: 0 });
  open.push(() => server.close());
  const client = (password = 'Größe 1', user = 'admin') => {
    const made = createWmiClient({ host: '127.0.0.1', port: resolver.port, credentials: { user, password } });
    open.push(() => made.close());
    return made;
  };
  return { server, jobs, clock, client, resolver };
}

const close = async () => {
  for (const each of open.splice(0).reverse()) await each();
};

jobProviderSuite('through DCOM, over sockets', async () => {
  const { client } = await start();
  return {
    provider: createProxy(client()).jobs,
    remoteUrl: 'http://origin.example/file',
    localFile: (name) => `/inbox/${name}`,
    close,
  };
});

jobEventsSuite('through DCOM, over sockets', async () => {
  const { client, clock } = await start();
  const machine = client();
  return {
    provider: createProxy(machine).jobs,
    remoteUrl: 'http://origin.example/file',
    localFile: (name) => `/inbox/${name}`,
    async pass() {
      await clock.advance(2000);
      // What was told is on its way before the answer to this.
      for (let i = 0; i < 3; i++) await machine.ping();
      for await (const _ of machine.enumerateInstances('root\\Microsoft\\BITS', 'BitsClientJob')) break;
    },
    close,
  };
});

urlGroupProviderSuite('through DCOM, over sockets', async () => {
  const { client } = await start();
  return {
    provider: createProxy(client()).urlGroups,
    prefix: 'http://+:8080/images/',
    sources: ['/images/a', '/images/b'],
    certificate: { storeName: 'MY', hash: Uint8Array.from({ length: 20 }, (_, i) => i * 13), port: 8443 },
    close,
  };
});

it('says that nobody is there, that a password is wrong, and that an account may not manage', async () => {
  const { client, server } = await start();
  await expect(client('wrong').ping()).rejects.toMatchObject({ code: 'auth/failed' });
  await expect(client(undefined, 'user').ping()).rejects.toMatchObject({ kind: 'refused' });
  const machine = client();
  await server.close();
  await expect(machine.ping()).rejects.toMatchObject({ code: 'rpc/unreachable', kind: 'transient' });
});

it('logs in anew when the server was started again meanwhile', async () => {
  const first = await start();
  const machine = first.client();
  const { jobs } = createProxy(machine);
  expect((await jobs.listJobs()[Symbol.asyncIterator]().next()).done).toBe(true);
  await first.server.close();
  const second = await start(first.resolver.port);
  const jobId = await second.jobs.createJob({ displayName: 'new', remoteUrl: 'http://o/1', localFile: '/x' });
  expect((await jobs.getJob(jobId)).displayName).toBe('new');
});
