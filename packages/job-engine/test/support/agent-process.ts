import { createInterface } from 'node:readline';
import { createJobEngine } from '@carmine/job-engine';
import { createNodeTransfers, system } from '@carmine/job-engine/node';
import { openSqliteJobStore } from '@carmine/job-store/node';

/**
 * A process that a test kills: an engine over SQLite and real files. Reports the bytes of its only job, one JSON line
 * per change; takes `create URL PATH [OFFSET:LENGTH]`, `files URL FOLDER COUNT` and `complete` on its standard input.
 */
const [, , folder = '', checkpointBytes = ''] = process.argv;
const store = openSqliteJobStore({ stateDirectory: `${folder}/state` });
const transfers = createNodeTransfers({
  roots: [`${folder}/inbox`],
  checkpointBytes: Number(checkpointBytes),
  connections: 1,
  checkpointTime: 50,
});
const engine = createJobEngine({ store, transfers, ...system });
await engine.start();

let last = '';
setInterval(() => void report(), 5);

async function report(): Promise<void> {
  for await (const job of engine.listJobs()) {
    const line = JSON.stringify({ jobId: job.jobId, state: job.state, bytes: Number(job.bytesTransferred) });
    if (line !== last) process.stdout.write(`${line}\n`);
    last = line;
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const [verb, ...words] = line.split(' ');
  if (verb === 'create') {
    const [remoteUrl = '', localFile = '', range] = words;
    const [offset = 0, length] = range?.split(':').map(Number) ?? [];
    const ranges = range === undefined ? undefined : [{ offset, length }];
    await engine.createJob({ displayName: 'job', remoteUrl, localFile, ranges });
  } else if (verb === 'files') {
    const [url = '', to = '', count = ''] = words;
    const file = (index: number) => ({ remoteUrl: `${url}?${index}`, localFile: `${to}/${index}` });
    const jobId = await engine.createJob({ displayName: 'job', ...file(0), suspend: true });
    for (let index = 1; index < Number(count); index++) {
      const { remoteUrl, localFile } = file(index);
      await engine.addFile(jobId, remoteUrl, localFile);
    }
    await engine.setJobState(jobId, 'resume');
  } else if (verb === 'complete') {
    for await (const job of engine.listJobs()) await engine.setJobState(job.jobId, 'complete');
    process.stdout.write('{"completed":true}\n');
    process.exit();
  }
}
