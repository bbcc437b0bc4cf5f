import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createNodeJobEngine } from '@carmine/job-engine/node';
import { openSqliteJobStore } from '@carmine/job-store/node';
import { isThere } from '../foreign/peers.ts';
import { median } from '../statistics.ts';
import { makeFile, processCost, type Scenario } from './measure.ts';
import { startNginx } from './transfer-peers.ts';

/** One job of many small files: the engine with its database in this process, beside `curl --parallel` for the same files. Seconds. */
export const smallJobScenario: Scenario = async (rounds, say) => {
  if (!(await isThere('nginx', '-v'))) {
    const reason = 'nginx is not installed';
    return { title: `small-job: not run, ${reason}`, head: [], rows: [], notes: [], report: { notRun: reason } };
  }
  const folder = await mkdtemp(join(tmpdir(), 'carmine-small-job-'));
  await makeFile(join(folder, 'source'), 1);
  const nginx = await startNginx(folder);
  try {
    const base = nginx.http.replace(/source$/, '');
    for (let index = 0; index < files; index++) await makeFile(join(folder, `many-${index}`), fileBytes);
    const curl = await isThere('curl', '--version');
    const times: Record<string, number[]> = { add: [], fetch: [], complete: [], 'curl --parallel': [] };
    for (let round = 0; round <= rounds; round++) {
      const job = await runJob(folder, base, round);
      const other = curl ? { 'curl --parallel': await runCurl(join(folder, `curl-${round}`), base) } : {};
      const figures = Object.entries({ ...job, ...other });
      say(`round ${round}: ${figures.map(([name, seconds]) => `${name} ${seconds.toFixed(2)} s`).join(', ')}`);
      if (round > 0) for (const [name, seconds] of figures) times[name]?.push(seconds);
    }
    return {
      title: `one job of ${files} files of ${fileBytes / 1024} KiB, medians of ${rounds} rounds`,
      head: ['STEP', 'WALL', 'RANGE'],
      rows: Object.entries(times)
        .filter(([, all]) => all.length > 0)
        .map(([name, all]) => [
          name,
          `${median(all).toFixed(2)} s`,
          `${Math.min(...all).toFixed(2)}–${Math.max(...all).toFixed(2)}`,
        ]),
      notes: ['add: one by one, each durable; fetch: from Resume to TRANSFERRED; the first round does not count'],
      report: { files, fileBytes, times },
    };
  } finally {
    await nginx.stop();
    await rm(folder, { recursive: true, force: true });
  }
};

async function runJob(folder: string, base: string, round: number) {
  const inbox = join(folder, `inbox-${round}`);
  await mkdir(inbox);
  const store = openSqliteJobStore({ stateDirectory: join(folder, `state-${round}`) });
  const engine = createNodeJobEngine({ store, roots: [inbox] });
  await engine.start();
  try {
    let at = performance.now();
    const lap = () => {
      const seconds = (performance.now() - at) / 1_000;
      at = performance.now();
      return seconds;
    };
    const file = (index: number) => [`${base}many-${index}`, join(inbox, `${index}`)] as const;
    const [remoteUrl, localFile] = file(0);
    const jobId = await engine.createJob({ displayName: 'bench', remoteUrl, localFile, suspend: true });
    for (let index = 1; index < files; index++) await engine.addFile(jobId, ...file(index));
    await engine.modifyJob(jobId, { priority: 'foreground' });
    const add = lap();
    const transferred = new Promise<void>((resolve, reject) => {
      const look = async () => {
        const { state } = await engine.getJob(jobId);
        if (state !== 'transferred' && state !== 'error' && state !== 'transientError') return;
        stop?.();
        if (state === 'transferred') resolve();
        else reject(new Error(`the job is in ${state}`));
      };
      const stop = engine.watch?.(() => void look().catch(reject));
    });
    await engine.setJobState(jobId, 'resume');
    await transferred;
    const fetch = lap();
    await engine.setJobState(jobId, 'complete');
    return { add, fetch, complete: lap() };
  } finally {
    await engine.stop();
    await store.close();
  }
}

async function runCurl(target: string, base: string): Promise<number> {
  await mkdir(target);
  const urls = `${base}many-[0-${files - 1}]`;
  const { wall } = await processCost('curl', [
    '--silent',
    '--fail',
    '--parallel',
    '--output',
    join(target, '#1'),
    urls,
  ]);
  return wall;
}

const files = 1_000;
const fileBytes = 64 * 1024;
