import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { formatBytes } from '@carmine/cli/output';
import { createSandbox, type Sandbox } from '@carmine/testkit/node';
import { isThere } from '../foreign/peers.ts';
import { dataPorts } from './data-ports.ts';
import {
  benchBytes,
  type Contender,
  comparisonRows,
  cpuOfProcess,
  interleaved,
  makeFile,
  type ProcessCost,
  processCost,
  type Scenario,
} from './measure.ts';

/** `carmine copy` from its start to its end, beside curl fetching the same file from the same server agent. */
export const copyScenario: Scenario = async (rounds, say) => {
  // curl cannot bind NTLM to the TLS channel.
  const sandbox = await createSandbox({ section: { server: 'channel_binding = "relaxed"' } });
  try {
    const contenders = await prepare(sandbox, say);
    const results = await interleaved(contenders, rounds, say);
    const curl = results.some(({ name }) => name.startsWith('curl'));
    return {
      title: `A copy of ${formatBytes(benchBytes)}, medians of ${rounds} interleaved rounds`,
      head: ['WHAT', 'WALL', 'RANGE', 'RATE', 'OF CURL', 'CPU', 'OF CURL'],
      rows: (['http', 'https'] as const).flatMap((scheme) => {
        const mine = results.filter(({ name }) => name.endsWith(` ${scheme}`));
        return comparisonRows(mine, `curl --ntlm, ${scheme}`, benchBytes);
      }),
      notes: [
        'carmine copy: publishes, creates the job, fetches, syncs to disk, checks SHA-256 at both ends, completes, cleans up.',
        'curl: fetches and writes, and syncs nothing. CPU is of the program and of both agents.',
        ...(curl ? [] : ['curl: not run, it is not installed']),
      ],
      report: { bytes: benchBytes, measured: results },
    };
  } finally {
    await sandbox.close();
  }
};

async function prepare(sandbox: Sandbox, say: (text: string) => void): Promise<readonly Contender[]> {
  const { images, inbox, user, password, certificate, server, client, command, environment } = sandbox;
  say(`making a file of ${formatBytes(benchBytes)}`);
  const source = join(images, 'image');
  await makeFile(source, benchBytes);
  const agents = await Promise.all([server.start(), client.start()]);
  /** The cost of a program and of what the agents did for it meanwhile. */
  const withAgents = async (run: () => Promise<ProcessCost>): Promise<ProcessCost> => {
    const used = () => agents.reduce((sum, { child }) => sum + cpuOfProcess(child.pid ?? 0), 0);
    const before = used();
    const { wall, cpu } = await run();
    return { wall, cpu: cpu + used() - before };
  };
  const { on, ports } = await dataPorts(sandbox);
  const contenders: Contender[] = [];
  const curl = await isThere('curl', '--version');
  for (const scheme of ['http', 'https'] as const) {
    const target = join(inbox, `copy-${scheme}`);
    const group = `${scheme}://+:${ports[scheme]}/bench/`;
    const copy = [
      'copy',
      `wsman://${user}@127.0.0.1:${server.port}${source}`,
      `wsman://${user}@127.0.0.1:${client.port}${target}`,
      '--url-group',
      `${scheme}://+:${ports[scheme]}/copy`,
      '--json',
    ];
    contenders.push({
      name: `carmine copy, ${scheme}`,
      before: () => rm(target, { force: true }),
      run: () =>
        withAgents(() => processCost(process.execPath, [...nodeFlags, controller, ...copy], { ...environment })),
    });
    if (!curl) continue;
    await command('controller', ['url-group', 'create', group, ...on]);
    await command('controller', ['url', 'create', group, 'image', source, ...on]);
    const url = `${scheme}://127.0.0.1:${ports[scheme]}/bench/image`;
    const fetch = ['--silent', '--fail', '--ntlm', '--user', `${user}:${password}`, '--cacert', certificate.file];
    contenders.push({
      name: `curl --ntlm, ${scheme}`,
      before: () => rm(target, { force: true }),
      run: () => withAgents(() => processCost('curl', [...fetch, '--output', target, url])),
    });
  }
  return contenders;
}

const controller = fileURLToPath(new URL('../../../apps/controller/src/main.ts', import.meta.url));
const nodeFlags = ['--conditions=@carmine/source', '--disable-warning=ExperimentalWarning'];
