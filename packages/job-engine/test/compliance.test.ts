import { jobProviderSuite } from '@carmine/compliance';
import { createJobEngine } from '@carmine/job-engine';
import { createMemoryJobStore } from '@carmine/job-store';
import { FakeClock, SeededRandom } from '@carmine/testkit';
import { FakeTransfers } from './support/fake-transfer.ts';

jobProviderSuite('job engine', async () => {
  const random = new SeededRandom(1);
  const engine = createJobEngine({
    store: createMemoryJobStore(),
    transfers: new FakeTransfers().factory,
    clock: new FakeClock(),
    randomBytes: (length) => random.bytes(length),
  });
  await engine.start();
  return {
    provider: engine,
    remoteUrl: 'http://origin.example/file',
    localFile: (name) => `/srv/inbox/${name}`,
    close: () => engine.stop(),
  };
});
