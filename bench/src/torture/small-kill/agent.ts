import { writeSync } from 'node:fs';
import { createNodeJobEngine } from '@carmine/job-engine/node';
import { openSqliteJobStore } from '@carmine/job-store/node';

/**
 * An engine with its database as a process that is killed: makes its only job, or goes on with it, and completes it. Arguments: the folder,
 * the origin, the number of files. Says which files are there whenever that changes, as a line.
 */
const [, , folder = '', origin = '', count = ''] = process.argv;
const store = openSqliteJobStore({ stateDirectory: `${folder}/state` });
const engine = createNodeJobEngine({ store, roots: [`${folder}/inbox`] });
let jobId: string | undefined;
let last = '';
engine.watch?.(() => void look());
await engine.start();
for await (const job of engine.listJobs()) jobId = job.jobId;
for await (const job of engine.listEndedJobs()) process.exit(job.state === 'acknowledged' ? 0 : 3);
const file = (index: number) => [`${origin}/${index}`, `${folder}/inbox/${index}`] as const;
const [remoteUrl, localFile] = file(0);
jobId ??= await engine.createJob({ displayName: 'small', remoteUrl, localFile, suspend: true });
const { filesTotal, state } = await engine.getJob(jobId);
for (let index = filesTotal; index < Number(count); index++) await engine.addFile(jobId, ...file(index));
if (state === 'suspended' || filesTotal < Number(count)) await engine.setJobState(jobId, 'resume');
await look();

async function look(): Promise<void> {
  if (jobId === undefined) return;
  const job = await engine.getJob(jobId).catch(() => undefined);
  if (job === undefined) return;
  const there = job.files.flatMap(({ completed }, index) => (completed ? [index] : []));
  const line = JSON.stringify(there);
  if (line !== last) writeSync(1, `${line}\n`);
  last = line;
  if (job.state === 'error' || job.state === 'transientError') process.exit(4);
  if (job.state !== 'transferred' || job.filesTotal < Number(count)) return;
  const id = jobId;
  jobId = undefined;
  process.exit((await engine.setJobState(id, 'complete')) === 0 ? 0 : 5);
}
