import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createKerberosService, type KerberosService } from '@carmine/auth';
import { type AgentTickets, createAgentTickets, systemEnvironment, writeKeytab } from '@carmine/auth/node';
import type { TestKdc } from '@carmine/auth/testing';
import { listenKdc, systemKdc } from '@carmine/auth/testing/node';
import type { JobCredentials } from '@carmine/core';
import { SeededRandom } from '@carmine/testkit';
import { credentialAuthenticators, type DownloadOptions, download } from '@carmine/transfer/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { authority, server } from './support/certificates.ts';
import { HttpOrigin } from './support/http-origin.ts';
import { TestProxy } from './support/http-proxy.ts';
import { admin, protect } from './support/protect.ts';

const content = new SeededRandom(3).bytes(200_000);
const realm = 'CARMINE.TEST';
const passwords = {
  [`krbtgt/${realm}`]: 'tgs',
  admin: 'Pässw0rd',
  'host/host7.test': 'of the agent',
  'HTTP/localhost': 'http',
};

describe('a job with Kerberos', () => {
  let folder: string;
  let path: string;
  let configuration: string;
  let kdc: TestKdc;
  let kerberos: KerberosService;
  let tickets: AgentTickets;
  const open: { close(): Promise<void> }[] = [];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'carmine-transfer-'));
    path = join(folder, 'file');
    configuration = join(folder, 'krb5.conf');
    kdc = systemKdc({ realm, passwords, etypes: [18] });
    const listening = await listenKdc(kdc);
    open.push(listening);
    knowKdc(listening.address);
    writeKeytab(join(folder, 'keytab'), kdc.keytab('host/host7.test'));
    tickets = createAgentTickets({
      configuration,
      own: { principal: `host/host7.test@${realm}`, keytab: join(folder, 'keytab') },
    });
    kerberos = createKerberosService({
      keytab: kdc.keytab('HTTP/localhost'),
      environment: systemEnvironment,
      accounts: (principal) => ({ ...admin, name: principal }),
    });
  });
  afterEach(async () => {
    for (const one of open.splice(0)) await one.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const knowKdc = (address: string, name = realm) =>
    writeFileSync(configuration, `[realms]\n${name} = {\n kdc = ${address}\n}\n`);
  const start = async (secure = false) => {
    const origin = await HttpOrigin.start(
      content,
      secure ? { cert: server.certificate, key: server.privateKey } : undefined,
    );
    open.push(origin);
    return origin;
  };
  const job = (userName: string | null, password: string | null = null): JobCredentials => ({
    target: 'server',
    scheme: 'negotiate',
    userName,
    password,
  });
  const user = job(`admin@${realm}`, 'Pässw0rd');
  const fetchFrom = (origin: HttpOrigin, list: JobCredentials[], options: DownloadOptions = {}) =>
    download(origin.url.replace('127.0.0.1', 'localhost'), path, {
      roots: [folder],
      trust: [authority],
      probe: true,
      authenticator: credentialAuthenticators(list, tickets),
      ...options,
    });

  it.each([
    ['http, with user and password', false, user, 'admin kerberos'],
    ['https, with user and password', true, user, 'admin kerberos'],
    ["http, with the agent's own principal", false, job(null), 'host/host7.test kerberos'],
    ["https, with the agent's own principal", true, job(null), 'host/host7.test kerberos'],
  ])('over %s: one ticket for several connections', async (_what, secure, credentials, who) => {
    const origin = await start(secure);
    const admitted = protect(origin, ['negotiate'], secure, kerberos);
    await fetchFrom(origin, [credentials], { connections: 2, pieceBytes: 50_000 });
    expect(readFileSync(path).equals(content)).toBe(true);
    expect([...new Set(admitted)]).toEqual([who]);
    expect([2, 3]).toContain(origin.connections);
    expect(kdc.asked.filter((line) => line.startsWith('tgs'))).toEqual(['tgs HTTP/localhost']);
  });

  it.each([false, true])('logs on to a proxy too (TLS %s)', async (secure) => {
    const proxy = await TestProxy.start({ scheme: 'negotiate', kerberos });
    open.push(proxy);
    const origin = await start(secure);
    const list = proxy.address.replace('127.0.0.1', 'localhost');
    const proxyAuthenticator = credentialAuthenticators([{ ...user, target: 'proxy' }], tickets, 'proxy');
    await fetchFrom(origin, [], { proxy: { usage: 'list', list }, proxyAuthenticator });
    expect(readFileSync(path).equals(content)).toBe(true);
    expect([...new Set(proxy.admitted)]).toEqual(['admin kerberos']);
    expect(kdc.asked.filter((line) => line.startsWith('tgs'))).toEqual(['tgs HTTP/localhost']);
  });

  it('is NTLM as ever where no KDC of the realm is known, and where the server has no Kerberos', async () => {
    const origin = await start();
    let admitted = protect(origin, ['negotiate'], false);
    await fetchFrom(origin, [user]);
    expect([...new Set(admitted)]).toEqual(['FILES\\admin ntlm']);
    const before = kdc.asked.length;
    knowKdc('127.0.0.1:9', 'ELSEWHERE.TEST');
    tickets = createAgentTickets({ configuration });
    admitted = protect(origin, ['negotiate'], false, kerberos);
    await fetchFrom(origin, [user]);
    expect([...new Set(admitted)]).toEqual(['FILES\\admin ntlm']);
    expect(kdc.asked).toHaveLength(before);
  });

  it('waits for a KDC that does not answer', async () => {
    const origin = await start();
    protect(origin, ['negotiate'], false, kerberos);
    knowKdc('127.0.0.1:9');
    await expect(fetchFrom(origin, [user])).rejects.toMatchObject({
      code: 'transfer/no-authority',
      kind: 'transient',
      hresult: 0x8009_0311,
    });
    expect(origin.seen.map(({ headers }) => headers.authorization)).toEqual([undefined]);
  });

  it.each([
    ['a wrong password', job(`admin@${realm}`, 'wrong')],
    ['an unknown principal', job(`eve@${realm}`, 'Pässw0rd')],
  ])('ends with %s as with a 401', async (_what, credentials) => {
    const origin = await start();
    protect(origin, ['negotiate'], false, kerberos);
    await expect(fetchFrom(origin, [credentials])).rejects.toMatchObject({
      code: 'transfer/authentication',
      kind: 'fatal',
      hresult: 0x8019_0191,
    });
  });

  it('ends when the agent has no principal of its own, or no key for it', async () => {
    const origin = await start();
    protect(origin, ['negotiate'], false, kerberos);
    for (const own of [undefined, { principal: `host/other@${realm}`, keytab: join(folder, 'keytab') }]) {
      tickets = createAgentTickets({ configuration, own });
      await expect(fetchFrom(origin, [job(null)])).rejects.toMatchObject({ code: 'transfer/authentication' });
    }
  });

  it('takes a new ticket after one that the server refused', async () => {
    const origin = await start();
    const other = systemKdc({ realm, passwords: { ...passwords, 'HTTP/localhost': 'new' }, etypes: [18] });
    protect(origin, ['negotiate'], false, { ...kerberos, keytab: () => other.keytab('HTTP/localhost') });
    await expect(fetchFrom(origin, [job(null)])).rejects.toMatchObject({ code: 'transfer/authentication' });
    protect(origin, ['negotiate'], false, kerberos);
    await fetchFrom(origin, [job(null)]);
    expect(kdc.asked.filter((line) => line.startsWith('tgs'))).toHaveLength(2);
  });

  it.each([
    ['user and password', user],
    ["the agent's own principal", job(null)],
  ])('gets no ticket for where a redirect leads, even when that asks: %s', async (_what, credentials) => {
    const origin = await start();
    const elsewhere = await start();
    protect(elsewhere, ['negotiate'], false, kerberos);
    origin.behaviour = (_request, response) =>
      Boolean(response.writeHead(302, { location: elsewhere.url.replace('127.0.0.1', 'localhost') }).end());
    await expect(fetchFrom(origin, [credentials])).rejects.toMatchObject({ code: 'transfer/authentication' });
    expect(kdc.asked).toEqual([]);
    expect(elsewhere.seen.map(({ headers }) => headers.authorization)).toEqual([undefined]);
  });
});
