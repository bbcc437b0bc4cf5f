import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfiguration } from '@carmine/agent';
import { generateCertificate, openCertificateFiles } from '@carmine/agent/node';
import { openAccountDatabase } from '@carmine/auth/node';
import { createAuthority, freePort, type Issued } from '@carmine/testkit/node';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createServerService } from '../src/service.ts';

interface Setup {
  readonly clientCa: string;
  /** Lines of `[server.certificates]`. */
  readonly certificates: string;
  /** Default: only alice may read. */
  readonly sddl?: (sids: { readonly alice: string }) => string;
  readonly schemes?: boolean;
}

/** A server agent's service with one https URL, and who was told to the audit. */
async function serve({ clientCa, certificates, sddl, schemes = true }: Setup) {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'carmine-data-certificate-')));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'ca.pem'), clientCa);
  writeFileSync(join(folder, 'file'), 'contents');
  const accounts = openAccountDatabase({ stateDir: folder, hostName: 'HOST' });
  accounts.add('alice', 'correct horse', ['Users']);
  accounts.add('bob', 'battery staple', ['Users']);
  const store = openCertificateFiles(folder);
  const own = await generateCertificate(['127.0.0.1'], Date.now());
  const { thumbprint } = await store.add('MY', own.certificate, own.privateKey);
  const audit: { readonly name: string; readonly scheme: string; readonly succeeded: boolean }[] = [];
  const text = `state_dir = "${folder}"
[management]
http = "127.0.0.1:0"
[server]
roots = ["${folder}"]
client_ca = "${folder}/ca.pem"
[server.certificates]
${certificates}`;
  const service = await createServerService({
    configuration: parseConfiguration({ role: 'server', file: 'server.toml', text, environment: {} }),
    accounts: accounts.lookup,
    kerberos: undefined,
    attempts: { allow: () => true, report: () => {} },
    onAuthentication: ({ name, scheme }, succeeded) => audit.push({ name, scheme, succeeded }),
    certificates: store,
    hostName: 'HOST',
    log: { info: () => {}, warn: () => {}, error: () => {} },
  });
  await service.start();
  onTestFinished(() => service.stop());
  const { urlGroups } = service.providers;
  if (urlGroups === undefined) throw new Error('a server has URL groups');
  const port = await freePort();
  const prefix = `https://127.0.0.1:${port}/data/`;
  await urlGroups.setSslCertificate(port, { storeName: 'MY', hash: thumbprint });
  await urlGroups.createUrlGroup(prefix);
  const alice = accounts.list().find(({ name }) => name === 'alice')?.sid ?? '';
  const sddlAuth = sddl?.({ alice }) ?? `D:(A;;FR;;;${alice})`;
  await urlGroups.createUrl(prefix, { urlSuffix: 'f', sourceFilePath: join(folder, 'file'), sddlAuth });
  if (!schemes) {
    await urlGroups.setUrlGroupAuthentication(prefix, 'negotiate', false);
    await urlGroups.setUrlGroupAuthentication(prefix, 'ntlm', false);
  }
  const get = (client: Issued | undefined, authorization?: string) =>
    fetchOnce(`${prefix}f`, own.certificate, client, authorization);
  return { get, audit };
}

function fetchOnce(url: string, ca: string, client: Issued | undefined, authorization: string | undefined) {
  return new Promise<{ status: number; body: string; challenged: boolean }>((resolve, reject) => {
    const headers = authorization === undefined ? {} : { authorization };
    const certificate = client === undefined ? {} : { cert: client.cert, key: client.key };
    const sent = request(url, { ca, agent: false, headers, ...certificate }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => (body += part));
      const challenged = response.headers['www-authenticate'] !== undefined;
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body, challenged }));
    });
    sent.on('error', reject);
    sent.end();
  });
}

const got = { status: 200, body: 'contents', challenged: false };
const challenge = { status: 401, body: '', challenged: true };
const refused = { status: 403, body: '', challenged: false };

describe('a client certificate on a data port', () => {
  it('is its account, by alternative name, for the descriptor of the URL, and in the audit', async () => {
    const authority = await createAuthority('fetchers');
    const [alice, bob] = await Promise.all(
      ['alice', 'bob'].map((name) => authority.issue({ names: [{ type: 'upn', value: `${name}@corp.example` }] })),
    );
    const { get, audit } = await serve({
      clientCa: authority.cert,
      certificates: '"upn:alice@corp.example" = "alice"\n"upn:bob@corp.example" = "bob"',
    });
    expect(await get(alice)).toEqual(got);
    expect(await get(bob)).toEqual(refused);
    expect(audit.map(({ name, scheme, succeeded }) => [name, scheme, succeeded])).toEqual([
      ['HOST\\alice', 'certificate', true],
      ['HOST\\bob', 'certificate', true],
    ]);
  });

  it('that is missing, unlisted, expired, for servers or of another authority does not count: the schemes are asked for', async () => {
    const [authority, stranger] = await Promise.all(['fetchers', 'fetchers'].map((name) => createAuthority(name)));
    if (authority === undefined || stranger === undefined) throw new Error('unreachable');
    const names = [{ type: 'upn', value: 'alice@corp.example' }] as const;
    const { get, audit } = await serve({
      clientCa: authority.cert,
      certificates: '"upn:alice@corp.example" = "alice"',
    });
    const issued = await Promise.all([
      authority.issue({ names: [{ type: 'upn', value: 'carol@corp.example' }] }),
      authority.issue({ names: [...names], from: -2, to: -1 }),
      authority.issue({ names: [...names], usage: 'server' }),
      stranger.issue({ names: [...names] }),
    ]);
    for (const client of [undefined, ...issued]) expect(await get(client)).toEqual(challenge);
    expect(audit).toEqual([]);
  });

  it('gives way to credentials that a request has', async () => {
    const authority = await createAuthority('fetchers');
    const alice = await authority.issue({ names: [{ type: 'dns', value: 'host7.example' }] });
    const { get } = await serve({ clientCa: authority.cert, certificates: '"dns:host7.example" = "alice"' });
    expect(await get(alice, 'Negotiate AAAA')).toMatchObject({ status: 401 });
    expect(await get(alice)).toEqual(got);
  });

  it('is all that a group without schemes accepts', async () => {
    const authority = await createAuthority('fetchers');
    const alice = await authority.issue({ names: [{ type: 'dns', value: 'host7.example' }] });
    const certificates = '"dns:host7.example" = "alice"';
    const { get } = await serve({ clientCa: authority.cert, certificates, schemes: false, sddl: () => '' });
    expect(await get(alice)).toEqual(got);
    expect(await get(undefined)).toEqual(refused);
    expect(await get(undefined, 'Negotiate AAAA')).toEqual(refused);
  });
});
