import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';
import { openAccountDatabase } from '@carmine/auth/node';
import type { JobProvider } from '@carmine/core';
import { createAuthority, type Issued } from '@carmine/testkit/node';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parseConfiguration } from '../src/index.ts';
import { generateCertificate, startAgent } from '../src/node/index.ts';
import { only, recordingLog, temporaryFolder } from './support.ts';

const hint = 'http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual';
const sha = (name: 'sha1' | 'sha256', { der }: Issued) => createHash(name).update(der).digest('hex');

interface Options {
  readonly certificates?: Record<string, string>;
  readonly auth?: string[];
  readonly toml?: string;
  /** PEM text of the file of authorities. */
  readonly clientCa: string;
}

/** An agent on https with accounts admin, reader (group Helpdesk) and user. */
async function start({ certificates = {}, auth = ['ntlm', 'certificate'], toml = '', clientCa }: Options) {
  const folder = temporaryFolder();
  const stateDir = join(folder, 'state');
  const server = await generateCertificate(['127.0.0.1'], Date.now());
  writeFileSync(join(folder, 'cert.pem'), server.certificate);
  writeFileSync(join(folder, 'key.pem'), server.privateKey);
  writeFileSync(join(folder, 'ca.pem'), clientCa);
  const accounts = openAccountDatabase({ stateDir, hostName: 'HOST' });
  accounts.add('admin', 'correct horse', ['Administrators']);
  accounts.add('reader', 'reader pass', ['Helpdesk']);
  accounts.add('user', 'battery staple', ['Users']);
  const lines = Object.entries(certificates).map(([key, account]) => `"${key}" = "${account}"`);
  const text = `state_dir = "${stateDir}"
[management]
http = "127.0.0.1:0"
https = "127.0.0.1:0"
auth = ${JSON.stringify(auth)}
[management.tls]
cert = "${folder}/cert.pem"
key = "${folder}/key.pem"
client_ca = "${folder}/ca.pem"
[management.certificates]
${lines.join('\n')}
${toml}`;
  const log = recordingLog();
  const agent = await startAgent({
    role: 'client',
    configuration: parseConfiguration({ role: 'client', file: 'agent.toml', text, environment: {} }),
    version: '1.2.3',
    log,
    createService: async () => ({
      providers: {
        jobs: only<JobProvider>({
          async *listJobs() {},
          setJobState: async () => 0,
        }),
      },
      start: async () => {},
      stop: async () => {},
    }),
  });
  onTestFinished(() => agent.stop());
  const url = new URL(`https://${agent.ready.wsman.https}/wsman`);
  const ca = server.certificate;
  return { accounts, agent, log, stateDir, post: (options: Post = {}) => post(url, ca, options) };
}

interface Post {
  readonly client?: Issued | undefined;
  readonly authorization?: string;
  readonly body?: string;
  readonly agent?: Agent;
}

const identify =
  '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:i="http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"><s:Body><i:Identify/></s:Body></s:Envelope>';

/** A request on a connection of its own unless an agent is given. */
function post(
  url: URL,
  ca: string,
  { client, authorization, body = identify, agent }: Post,
): Promise<{
  readonly status: number;
  readonly text: string;
  readonly challenges: string | undefined;
  readonly resumed: boolean;
}> {
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      {
        method: 'POST',
        ca,
        agent: agent ?? false,
        ...(client === undefined ? {} : { cert: client.cert, key: client.key }),
        headers: {
          'content-type': 'application/soap+xml;charset=UTF-8',
          'content-length': Buffer.byteLength(body),
          ...(authorization === undefined ? {} : { authorization }),
        },
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (part: string) => (text += part));
        const resumed = response.socket instanceof TLSSocket && response.socket.isSessionReused();
        const challenges = response.headers['www-authenticate'];
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text, challenges, resumed }));
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

const enumerate = `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:n="http://schemas.xmlsoap.org/ws/2004/09/enumeration"><s:Header><a:To>http://x/wsman</a:To><w:ResourceURI s:mustUnderstand="true">http://schemas.microsoft.com/wbem/wsman/1/wmi/root/microsoft/bits/BitsClientJob</w:ResourceURI><a:ReplyTo><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo><a:Action s:mustUnderstand="true">http://schemas.xmlsoap.org/ws/2004/09/enumeration/Enumerate</a:Action><a:MessageID>uuid:11111111-1111-1111-1111-111111111111</a:MessageID></s:Header><s:Body><n:Enumerate/></s:Body></s:Envelope>`;
const setState = enumerate
  .replace(
    'http://schemas.xmlsoap.org/ws/2004/09/enumeration/Enumerate<',
    'http://schemas.microsoft.com/wbem/wsman/1/wmi/root/microsoft/bits/BitsClientJob/SetJobState<',
  )
  .replace(
    '<n:Enumerate/>',
    '<p:SetJobState_INPUT xmlns:p="http://schemas.microsoft.com/wbem/wsman/1/wmi/root/microsoft/bits/BitsClientJob"><p:JobState>3</p:JobState></p:SetJobState_INPUT>',
  )
  .replace(
    '</s:Header>',
    '<w:SelectorSet><w:Selector Name="JobId">{3BA55CB4-5ECC-48A6-895F-C7B35EBF8B12}</w:Selector></w:SelectorSet></s:Header>',
  );

const audited = (stateDir: string) =>
  readFileSync(join(stateDir, 'audit.ndjson'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { who: string; action: string; outcome: string; scheme: string });

describe('client certificates', () => {
  it('of an administrator manage, without an Authorization header and with the hint', async () => {
    const authority = await createAuthority('managers');
    const client = await authority.issue();
    const { post, stateDir } = await start({
      clientCa: authority.cert,
      certificates: { [sha('sha1', client)]: 'admin' },
    });
    for (const authorization of [undefined, hint, ` ${hint.toUpperCase()} `]) {
      const answer = await post({ client, ...(authorization === undefined ? {} : { authorization }) });
      expect(answer.status).toBe(200);
      expect(answer.text).toContain('IdentifyResponse');
      expect(answer.text).toContain(`${hint}<`);
      expect((await post({ client, body: enumerate })).text).toContain('EnumerateResponse');
    }
    const [first] = audited(stateDir);
    expect(first).toMatchObject({ action: 'Authenticate', outcome: 'allowed', scheme: 'certificate' });
    expect(first?.who).toMatch(/\\admin$/);
  });

  it.each<[string, (client: Issued) => string]>([
    ['SHA-256', (client) => sha('sha256', client).toUpperCase()],
    ['user principal name', () => 'upn:Ann@example.com'],
    ['DNS name', () => 'dns:ann.example.com'],
  ])('are known by %s', async (_what, key) => {
    const authority = await createAuthority('managers');
    const client = await authority.issue({
      names: [
        { type: 'upn', value: 'ann@Example.com' },
        { type: 'dns', value: 'Ann.example.com' },
      ],
    });
    const { post } = await start({ clientCa: authority.cert, certificates: { [key(client)]: 'ADMIN' } });
    expect((await post({ client })).status).toBe(200);
  });

  it('that are self-signed are authorities of their own', async () => {
    const { certificate, privateKey } = await generateCertificate(['admin.example'], Date.now());
    const client = { cert: certificate, key: privateKey, der: new Uint8Array() };
    const { post } = await start({ clientCa: certificate, certificates: { 'dns:admin.example': 'admin' } });
    expect((await post({ client, authorization: hint })).status).toBe(200);
  });

  it('are refused unless verified and listed: 401 with other ways in, 403 with the hint', async () => {
    const authority = await createAuthority('managers');
    const foreign = await createAuthority('managers');
    const names = [{ type: 'dns', value: 'ann.example.com' }] as const;
    const clients: [string, Issued | undefined][] = [
      ['none', undefined],
      ['not listed', await authority.issue({ names: [{ type: 'dns', value: 'bob.example.com' }] })],
      ['without names', await authority.issue()],
      // A name within another kind of name is not that name.
      ['another kind of name', await authority.issue({ names: [{ type: 'upn', value: 'dns:ann.example.com@x' }] })],
      ['of a foreign issuer with the same name', await foreign.issue({ names: [...names] })],
      ['expired', await authority.issue({ names: [...names], from: -10, to: -1 })],
      ['not valid yet', await authority.issue({ names: [...names], from: 1, to: 2 })],
      ['for servers only', await authority.issue({ names: [...names], usage: 'server' })],
      ['of an account that is not there', await authority.issue({ names: [{ type: 'dns', value: 'gone.example' }] })],
      ['of two accounts', await authority.issue({ names: [...names, { type: 'dns', value: 'user.example' }] })],
    ];
    const { post, log, stateDir } = await start({
      clientCa: authority.cert,
      certificates: { 'dns:ann.example.com': 'admin', 'dns:user.example': 'user', 'dns:gone.example': 'gone' },
    });
    expect(log.lines).toContain('warn management.certificates: there is no account "gone" yet');
    expect((await post({ client: await authority.issue({ names: [...names] }) })).status).toBe(200);
    for (const [what, client] of clients) {
      expect(await post({ client }), what).toMatchObject({ status: 401, text: '', challenges: 'Negotiate' });
      expect(await post({ client, authorization: hint }), what).toMatchObject({ status: 403, text: '' });
    }
    const denied = audited(stateDir).filter(({ outcome }) => outcome === 'denied');
    expect(denied).toHaveLength(clients.length);
    expect(denied[0]?.who).toBe('');
    expect(denied[1]?.who).toMatch(/^certificate [0-9a-f]{40}$/);
  });

  it('of accounts with a role do what it allows; of other accounts nothing', async () => {
    const authority = await createAuthority('managers');
    const [reader, user] = [await authority.issue(), await authority.issue()];
    const { post } = await start({
      clientCa: authority.cert,
      certificates: { [sha('sha1', reader)]: 'reader', [sha('sha256', user)]: 'user' },
      toml: '[management.roles]\nHelpdesk = "reader"',
    });
    expect((await post({ client: reader, body: enumerate })).text).toContain('EnumerateResponse');
    const refused = await post({ client: reader, body: setState });
    expect(refused.status).toBe(500);
    expect(refused.text).toContain('AccessDenied');
    expect((await post({ client: user, body: enumerate })).text).toContain('AccessDenied');
  });

  it('count only as long as their account is there, also on a connection that is open', async () => {
    const authority = await createAuthority('managers');
    const client = await authority.issue();
    const { post, accounts } = await start({
      clientCa: authority.cert,
      certificates: { [sha('sha1', client)]: 'admin' },
    });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    onTestFinished(() => agent.destroy());
    expect((await post({ client, agent })).status).toBe(200);
    accounts.remove('admin');
    expect((await post({ client, agent })).status).toBe(401);
  });

  it('of a foreign issuer are not taken after the TLS session was resumed either', async () => {
    const authority = await createAuthority('managers');
    const foreign = await createAuthority('managers');
    const names = [{ type: 'dns', value: 'ann.example.com' }] as const;
    const { post } = await start({ clientCa: authority.cert, certificates: { 'dns:ann.example.com': 'admin' } });
    for (const [issuer, expected] of [
      [authority, 200],
      [foreign, 403],
    ] as const) {
      const client = await issuer.issue({ names: [...names] });
      // Keeps sessions, closes connections.
      const agent = new Agent({ keepAlive: false, maxCachedSessions: 10 });
      onTestFinished(() => agent.destroy());
      const answers = [];
      for (let i = 0; i < 3; i++) answers.push(await post({ client, agent, authorization: hint }));
      expect(answers.map(({ status }) => status)).toEqual([expected, expected, expected]);
      expect(answers[2]?.resumed).toBe(true);
      expect((await post({ agent, authorization: hint })).status).toBe(403);
    }
  });

  it('are not asked for unless "certificate" is listed, and mean nothing over http', async () => {
    const authority = await createAuthority('managers');
    const client = await authority.issue();
    const certificates = { [sha('sha1', client)]: 'admin' };
    const off = await start({ clientCa: authority.cert, certificates, auth: ['ntlm'] });
    expect((await off.post({ client })).status).toBe(401);
    expect((await off.post({ client, authorization: hint })).status).toBe(401);
    const on = await start({ clientCa: authority.cert, certificates });
    const response = await fetch(`http://${on.agent.ready.wsman.http}/wsman`, {
      method: 'POST',
      headers: { authorization: hint, 'content-type': 'application/soap+xml' },
      body: identify,
    });
    expect(response.status).toBe(401);
  });

  it.each([
    ['is empty', ''],
    ['has something else', '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n'],
    ['cannot be read', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'],
  ])('keep the agent from starting when the file of authorities %s', async (_what, clientCa) => {
    await expect(start({ clientCa })).rejects.toMatchObject({ code: 'configuration/no-certificate' });
  });
});
