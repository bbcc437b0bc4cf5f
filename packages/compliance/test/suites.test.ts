import { type CimDispatcher, createDispatcher, createProxy } from '@carmine/cim';
import { type Token, wellKnownSids } from '@carmine/security';
import { FakeClock, settle } from '@carmine/testkit';
import { jobEventsSuite, jobProviderSuite, MemoryJobs, MemoryUrlGroups, urlGroupProviderSuite } from '../src/index.ts';

const admin: Token = {
  name: 'HOST\\admin',
  userSid: 'S-1-5-21-1-2-3-1000',
  groupSids: [wellKnownSids.administrators],
  scheme: 'in-process',
  source: 'test',
  protectedChannel: true,
};
const certificate = { storeName: 'MY', hash: new Uint8Array(20).fill(7), port: 8443 };
const urlGroups = (provider: MemoryUrlGroups, dispatcher?: CimDispatcher) => async () => ({
  provider: dispatcher === undefined ? provider : createProxy(dispatcher.session(admin)).urlGroups,
  prefix: 'http://+:8080/suite/',
  sources: ['/srv/a', '/srv/b'] as const,
  certificate,
  close: async () => {},
});
const jobs = (wrap: (provider: MemoryJobs) => MemoryJobs | ReturnType<typeof createProxy>['jobs']) => async () => ({
  provider: wrap(new MemoryJobs()),
  remoteUrl: 'http://origin.example/file',
  localFile: (name: string) => `/inbox/${name}`,
  close: async () => {},
});

jobProviderSuite(
  'in memory',
  jobs((provider) => provider),
);
jobProviderSuite(
  'in memory behind the dispatcher and the proxy',
  jobs(
    (provider) =>
      createProxy(createDispatcher({ providers: { jobs: provider, jobExtensions: provider } }).session(admin)).jobs,
  ),
);
urlGroupProviderSuite('in memory', () => urlGroups(new MemoryUrlGroups())());
urlGroupProviderSuite('in memory behind the dispatcher and the proxy', () => {
  const provider = new MemoryUrlGroups();
  return urlGroups(provider, createDispatcher({ providers: { urlGroups: provider, urlGroupExtensions: provider } }))();
});

jobEventsSuite('in memory', async () => ({
  provider: new MemoryJobs(),
  remoteUrl: 'http://origin.example/file',
  localFile: (name) => `/inbox/${name}`,
  pass: settle,
  close: async () => {},
}));
jobEventsSuite('in memory behind the dispatcher and the proxy', async () => {
  const clock = new FakeClock();
  const jobs = new MemoryJobs();
  const dispatcher = createDispatcher({ providers: { jobs, jobExtensions: jobs }, events: clock });
  const { jobs: provider } = createProxy(dispatcher.session(admin));
  return {
    provider,
    remoteUrl: 'http://origin.example/file',
    localFile: (name) => `/inbox/${name}`,
    pass: () => clock.advance(2_000),
    close: async () => {},
  };
});
