import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfiguration } from '@carmine/agent';
import { openCertificateFiles } from '@carmine/agent/node';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { initialiseServer } from '../src/initialise.ts';
import { createServerService } from '../src/service.ts';

let folder: string;
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'carmine-server-agent-')));
});
afterEach(() => rmSync(folder, { recursive: true }));

function context(section = '') {
  const text = `state_dir = "${folder}"\n[management]\nhttp = "127.0.0.1:0"\n[server]\nroots = ["${folder}"]\n${section}`;
  return {
    configuration: parseConfiguration({ role: 'server', file: 'test.toml', text, environment: {} }),
    accounts: () => undefined,
    kerberos: undefined,
    attempts: { allow: () => true, report: () => {} },
    onAuthentication: () => {},
    certificates: openCertificateFiles(folder),
    hostName: 'TEST',
    log: { info: () => {}, warn: () => {}, error: () => {} },
  };
}

it('init binds a certificate for this machine to port 8443, and the service knows it', async () => {
  const lines = await initialiseServer(context().configuration);
  expect(lines.join('\n')).toMatch(/certificate for .*localhost.* on port 8443/);
  const service = await createServerService(context());
  await service.start();
  const binding = await service.providers.urlGroups?.getSslCertificate(8443);
  expect(binding?.storeName).toBe('MY');
  expect(await openCertificateFiles(folder).findByThumbprint('MY', binding?.hash ?? new Uint8Array())).toBeDefined();
  await service.stop();
});

it.each([
  ['require_tls = true', 'http://127.0.0.1:1/x', 'url-group/http-refused'],
  ['bind = ["192.0.2.1"]', 'http://+:1/x', 'url-group/port-in-use'],
])('passes %s on', async (section, prefix, code) => {
  const service = await createServerService(context(section));
  await service.start();
  await expect(service.providers.urlGroups?.createUrlGroup(prefix)).rejects.toMatchObject({ code });
  await service.stop();
});

it('publishes only below the configured roots, and tells metrics', async () => {
  const service = await createServerService(context('bind = ["127.0.0.1"]'));
  await service.start();
  writeFileSync(join(folder, 'file'), 'x');
  const prefix = 'https://127.0.0.1:4443/x/';
  await service.providers.urlGroups?.createUrlGroup(prefix);
  const publish = (sourceFilePath: string) =>
    service.providers.urlGroups?.createUrl(prefix, { urlSuffix: 'f', sourceFilePath, sddlAuth: '' });
  await expect(publish('/etc/passwd')).rejects.toMatchObject({ code: 'url/outside-roots' });
  expect(await publish(join(folder, 'file'))).toBe(0);
  expect(service.metrics?.collect().get('carmine_url_groups')).toBe(1);
  await service.stop();
});
