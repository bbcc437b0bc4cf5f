import { userInfo } from 'node:os';
import { type AgentContext, type AgentService, openTickets, readTrust } from '@carmine/agent/node';
import { createJobEngine } from '@carmine/job-engine';
import { createNodeTransfers, system } from '@carmine/job-engine/node';
import { openSqliteJobStore } from '@carmine/job-store/node';

/** The client agent: jobs, managed as BitsClientJob. */
export async function createClientService({ configuration, certificates, log }: AgentContext): Promise<AgentService> {
  const { stateDir, client, kerberos } = configuration;
  // What can fail comes before what would have to be closed.
  const trust = await readTrust(client.trust);
  const tickets = openTickets(kerberos);
  const store = openSqliteJobStore({ stateDirectory: stateDir });
  const engine = createJobEngine({
    ...system,
    store,
    transfers: createNodeTransfers({
      roots: client.roots,
      trust,
      checkpointBytes: client.checkpointBytes,
      connections: client.connections,
      backgroundYields: client.backgroundYields,
      rate: { bytesPerSecond: client.rateBytes, timetable: client.rateTimetable },
      userAgent: 'Carmine/0.1.0',
      tickets,
    }),
    accounts: Object.fromEntries(client.accounts),
    ownUser: userInfo().username,
    certificates,
    onProblem: (problem) => log.error('a job has a problem', problem),
  });
  return {
    providers: { jobs: engine, jobExtensions: engine },
    start: () => engine.start(),
    async stop() {
      await engine.stop();
      await store.close();
    },
  };
}
