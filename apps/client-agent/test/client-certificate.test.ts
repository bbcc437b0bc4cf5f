import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfiguration } from '@carmine/agent';
import { generateCertificate, openCertificateFiles } from '@carmine/agent/node';
import { systemEnvironment } from '@carmine/auth/node';
import { freePort } from '@carmine/testkit/node';
import { createUrlServer } from '@carmine/url-server/node';
import { expect, it, onTestFinished, vi } from 'vitest';
import { createClientService } from '../src/service.ts';

/** A server that gives `file` to whoever shows one certificate, and a client agent that has two. */
async function start() {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'carmine-client-certificate-')));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'file'), 'content');
  const stored = openCertificateFiles(folder);
  const make = async () => {
    const { certificate, privateKey } = await generateCertificate(['localhost'], Date.now());
    return await stored.add('MY', certificate, privateKey);
  };
  const [server, allowed, other] = [await make(), await make(), await make()];

  const urls = createUrlServer({
    stateDir: folder,
    bind: ['127.0.0.1'],
    roots: [folder],
    requireTls: true,
    anonymous: true,
    persist: false,
    requireChannelBinding: true,
    accounts: () => undefined,
    certificates: stored,
    environment: systemEnvironment,
    hostName: 'HOST',
    warn: () => {},
  });
  await urls.start();
  onTestFinished(() => urls.stop());
  const port = await freePort();
  const prefix = `https://+:${port}/closed/`;
  await urls.groups.setSslCertificate(port, { storeName: 'MY', hash: server.thumbprint });
  await urls.groups.createUrlGroup(prefix);
  for (const scheme of ['ntlm', 'negotiate'] as const)
    await urls.groups.setUrlGroupAuthentication(prefix, scheme, false);
  await urls.groups.createUrl(prefix, {
    urlSuffix: 'file',
    sourceFilePath: join(folder, 'file'),
    sddlAuth: '',
    certificateHashAccessCheck: allowed.thumbprint,
  });

  const text = `state_dir = "${folder}"\n[management]\nhttp = "127.0.0.1:0"\n[client]\nroots = ["${folder}"]\ntrust = ["${server.file}"]\n`;
  const service = await createClientService({
    configuration: parseConfiguration({ role: 'client', file: 'test.toml', text, environment: {} }),
    accounts: () => undefined,
    kerberos: undefined,
    attempts: { allow: () => true, report: () => {} },
    onAuthentication: () => {},
    certificates: stored,
    hostName: 'TEST',
    log: { info: () => {}, warn: () => {}, error: () => {} },
  });
  await service.start();
  onTestFinished(() => service.stop());
  return { folder, jobs: service.providers.jobs!, url: `https://localhost:${port}/closed/file`, allowed, other };
}

it('a job fetches with the certificate that the URL is limited to, and with no other', async () => {
  const { folder, jobs, url, allowed, other } = await start();
  const run = async (name: string, hash: Uint8Array | undefined) => {
    const localFile = join(folder, name);
    const jobId = await jobs.createJob({ displayName: name, remoteUrl: url, localFile, suspend: true });
    if (hash !== undefined)
      await jobs.setClientCertificate(jobId, { by: 'hash', location: 'localMachine', store: 'MY', hash });
    await jobs.setJobState(jobId, 'resume');
    await vi.waitFor(async () => expect((await jobs.getJob(jobId)).state).toMatch(/^(transferred|error)$/), {
      timeout: 10_000,
      interval: 10,
    });
    return jobId;
  };
  const jobId = await run('fetched', allowed.thumbprint);
  await jobs.setJobState(jobId, 'complete');
  expect(readFileSync(join(folder, 'fetched'), 'utf8')).toBe('content');
  for (const [name, hash] of [
    ['another', other.thumbprint],
    ['none', undefined],
  ] as const)
    expect(await jobs.getError(await run(name, hash), 0x0409), name).toMatchObject({ code: 0x8019_0193 });
});
