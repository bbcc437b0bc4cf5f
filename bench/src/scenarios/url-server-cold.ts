import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { Agent, get } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { formatBytes } from '@carmine/cli/output';
import { createSandbox } from '@carmine/testkit/node';
import { isThere } from '../foreign/peers.ts';
import { median } from '../statistics.ts';
import { dataPorts } from './data-ports.ts';
import { benchBytes, makeFile, type Scenario } from './measure.ts';

const run = promisify(execFile);

/**
 * Whether a file that is not in memory holds up everybody else: while curl fetches one, a client on another connection asks for a file of one octet again and
 * again. How long it waits at most is how long the agent's event loop was held up, and what the machine adds; beside it the same with nothing going on, and with a
 * file that is in memory.
 */
export const coldScenario: Scenario = async (rounds, say) => {
  if (process.platform !== 'linux') return notRun('only on Linux a file can be put out of memory');
  if (!(await isThere('curl', '--version'))) return notRun('curl is not installed');
  const sandbox = await createSandbox({ section: { server: 'anonymous = true' } });
  try {
    const { images, server, command } = sandbox;
    const file = join(images, 'source');
    await makeFile(file, benchBytes);
    await writeFile(join(images, 'octet'), '!');
    await server.start();
    const { on, ports } = await dataPorts(sandbox);
    const group = `http://+:${ports.http}/bench/`;
    await command('controller', ['url-group', 'create', group, ...on]);
    for (const name of ['source', 'octet'])
      await command('controller', ['url', 'create', group, name, join(images, name), ...on]);
    for (const scheme of ['negotiate', 'ntlm'])
      await command('controller', ['url-group', 'auth', group, '--scheme', scheme, '--disable', ...on]);
    // The digest of the new file is computed first.
    await new Promise((resolve) => setTimeout(resolve, 3_000 + benchBytes / 300_000));
    const base = `http://127.0.0.1:${ports.http}/bench`;
    const fetchIt = () => run('curl', ['--silent', '--fail', '--output', '/dev/null', `${base}/source`]);
    const lanes: readonly (readonly [string, () => Promise<unknown>])[] = [
      ['nothing else', () => new Promise((resolve) => setTimeout(resolve, 1_000))],
      ['a file in memory', fetchIt],
      ['a file that is not', fetchIt],
    ];
    const measured = lanes.map(([name]) => ({
      name,
      seconds: [] as number[],
      worst: [] as number[],
      usual: [] as number[],
    }));
    for (let round = 0; round <= rounds; round++) {
      for (const [index, [name, work]] of lanes.entries()) {
        if (index === 2) await forget(file);
        const asking = askAgainAndAgain(`${base}/octet`);
        const started = performance.now();
        await work();
        const seconds = (performance.now() - started) / 1_000;
        const waits = (await asking.end()).sort((a, b) => a - b);
        const worst = waits.at(-1) ?? Number.NaN;
        say(
          `${round === 0 ? 'round for warming up' : `round ${round}`}: ${name} ${seconds.toFixed(2)} s, longest wait ${worst.toFixed(1)} ms`,
        );
        // The first round's connections and code are new.
        if (round === 0) continue;
        measured[index]?.seconds.push(seconds);
        measured[index]?.worst.push(worst);
        measured[index]?.usual.push(median(waits));
      }
    }
    return {
      title: `waits of a client for one octet while another fetches ${formatBytes(benchBytes)}, ${rounds} times`,
      head: ['BESIDE', 'TIME', 'USUAL WAIT', 'LONGEST, MEDIAN', 'LONGEST OF ALL', 'ALLOWED'],
      rows: measured.map(({ name, seconds, worst, usual }, index) => [
        name,
        `${median(seconds).toFixed(2)} s`,
        `${median(usual).toFixed(2)} ms`,
        `${median(worst).toFixed(1)} ms`,
        `${Math.max(...worst).toFixed(1)} ms`,
        index === 2 ? '20 ms' : '',
      ]),
      notes: ['A wait is from request to answer on a kept connection, 1 ms between answer and next request.'],
      report: { bytes: benchBytes, measured },
    };
  } finally {
    await sandbox.close();
  }
};

/** Puts a file out of the page cache; it was synced. */
async function forget(file: string): Promise<void> {
  await run('sync', [file]);
  await run('dd', [`of=${file}`, 'oflag=nocache', 'conv=notrunc', 'count=0', 'status=none']);
}

function askAgainAndAgain(url: string): { end(): Promise<number[]> } {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const waits: number[] = [];
  let over = false;
  const asking = (async () => {
    while (!over) {
      const asked = performance.now();
      await ask(url, agent);
      waits.push(performance.now() - asked);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  })();
  return {
    async end() {
      over = true;
      await asking;
      agent.destroy();
      return waits;
    },
  };
}

function ask(url: string, agent: Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    get(url, { agent }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`the agent answered ${response.statusCode}`));
      response.resume().once('end', resolve).once('error', reject);
    }).once('error', reject);
  });
}

function notRun(reason: string) {
  return { title: `url-server-cold: not run, ${reason}`, head: [], rows: [], notes: [], report: { notRun: reason } };
}
