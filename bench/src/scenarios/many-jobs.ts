import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createProxy } from '@carmine/cim';
import type { Sandbox } from '@carmine/testkit/node';
import { createWsmanClient } from '@carmine/wsman/node';

/**
 * Fills the state of a client agent with suspended jobs: one made by the agent, then its record copied while the agent is not
 * running. Made one by one they would be durable one by one, which takes minutes, and be more than BITS lets one user have.
 */
export async function fillWithJobs({ client, user, password, folder, inbox }: Sandbox, count: number): Promise<void> {
  const agent = await client.start();
  const manager = createWsmanClient({ url: `wsman://127.0.0.1:${client.port}`, credentials: { user, password } });
  await createProxy(manager).jobs.createJob({
    displayName: 'bench',
    remoteUrl: 'https://127.0.0.1/images/boot.wim',
    localFile: join(inbox, 'boot.wim'),
    suspend: true,
  });
  await manager.close();
  await agent.kill('SIGTERM');
  const database = new DatabaseSync(join(folder, 'client-state', 'jobs.sqlite'));
  const row = database.prepare('SELECT id, sequence, document FROM job').get();
  const document = String(row?.['document']);
  const id = String(row?.['id']);
  const insert = database.prepare('INSERT INTO job (id, sequence, document) VALUES (?, ?, ?)');
  const file = String(database.prepare('SELECT document FROM file').get()?.['document']);
  const insertFile = database.prepare('INSERT INTO file (job, position, document) VALUES (?, 0, ?)');
  database.exec('BEGIN');
  for (let number = 1; number < count; number++) {
    const sequence = Number(row?.['sequence']) + number;
    const jobId = `{${randomUUID().toUpperCase()}}`;
    insertFile.run(jobId, file);
    insert.run(jobId, sequence, JSON.stringify({ ...JSON.parse(document.replaceAll(id, jobId)), sequence }));
  }
  database.exec('COMMIT');
  database.close();
}
