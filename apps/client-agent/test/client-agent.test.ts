import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { parseConfiguration } from '@carmine/agent';
import { generateCertificate, openCertificateFiles } from '@carmine/agent/node';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createClientService } from '../src/service.ts';

let folder: string;
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'carmine-client-agent-')));
});
afterEach(() => rmSync(folder, { recursive: true }));

function context(section = '') {
  const text = `state_dir = "${folder}/state"\n[management]\nhttp = "127.0.0.1:0"\n[client]\nroots = ["${folder}"]\n${section}`;
  return {
    configuration: parseConfiguration({ role: 'client', file: 'test.toml', text, environment: {} }),
    accounts: () => undefined,
    kerberos: undefined,
    attempts: { allow: () => true, report: () => {} },
    onAuthentication: () => {},
    certificates: openCertificateFiles(folder),
    hostName: 'TEST',
    log: { info: () => {}, warn: () => {}, error: () => {} },
  };
}

const job = (localFile: string) => ({ displayName: 'j', remoteUrl: 'http://127.0.0.1:9/x', localFile, suspend: true });

it('keeps jobs over a restart and writes only below the configured roots', async () => {
  const first = await createClientService(context());
  await first.start();
  const jobId = await first.providers.jobs?.createJob(job(join(folder, 'x')));
  await expect(first.providers.jobs?.createJob(job('/etc/carmine-test'))).rejects.toMatchObject({
    hresult: 0x8007_0005,
  });
  await first.stop();
  const second = await createClientService(context());
  await second.start();
  expect(await second.providers.jobs?.getJob(jobId ?? '')).toMatchObject({ state: 'suspended', displayName: 'j' });
  await second.stop();
});

it.each([
  ['', 'NetworkService', true],
  ['', 'LocalSystem', false],
  [`[client.accounts]\nLocalSystem = "${userInfo().username}"`, 'LocalSystem', true],
  ['[client.accounts]\nNetworkService = "somebody-else"', 'NetworkService', false],
] as const)('with %j a job of %s is accepted: %s', async (section, serviceAccount, accepted) => {
  const service = await createClientService(context(section));
  await service.start();
  const created = service.providers.jobs?.createJob({ ...job(join(folder, 'x')), serviceAccount });
  if (accepted) await expect(created).resolves.toMatch(/^\{/);
  else await expect(created).rejects.toMatchObject({ code: 'job/account-not-available' });
  await service.stop();
});

it('trusts what is a certificate, and says which file is not', async () => {
  const { certificate, privateKey } = await generateCertificate(['localhost'], Date.now());
  writeFileSync(join(folder, 'both.pem'), `${privateKey}${certificate}`);
  const service = await createClientService(context(`trust = ["${folder}/both.pem"]`));
  await service.stop();
  writeFileSync(join(folder, 'key.pem'), privateKey);
  await expect(createClientService(context(`trust = ["${folder}/key.pem"]`))).rejects.toThrow(
    /key\.pem.*no certificate/,
  );
  await expect(createClientService(context(`trust = ["${folder}/none.pem"]`))).rejects.toThrow(/none\.pem/);
});
