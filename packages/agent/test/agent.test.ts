import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { openAccountDatabase } from '@carmine/auth/node';
import { createProxy, type MachineProxy } from '@carmine/cim';
import type { JobProvider, JobSnapshot } from '@carmine/core';
import { CarmineError } from '@carmine/errors';
import { createWsmanClient } from '@carmine/wsman/node';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parseConfiguration } from '../src/index.ts';
import { type AgentService, generateCertificate, lockState, type RunningAgent, startAgent } from '../src/node/index.ts';
import { only, recordingLog, temporaryFolder } from './support.ts';

const job: JobSnapshot = {
  jobId: '{3BA55CB4-5ECC-48A6-895F-C7B35EBF8B12}',
  displayName: 'a job',
  description: '',
  priority: 'normal',
  minimumRetryDelay: 600,
  noProgressTimeout: 1_209_600,
  files: [],
  jobCreationTime: 1n,
  jobLastModificationTime: 1n,
  jobCompletionTime: 0n,
  bytesTotal: 5n,
  bytesTransferred: 0n,
  filesTotal: 0,
  filesTransferred: 0,
  transientErrorCount: 0,
  state: 'suspended',
  owner: 'S-1-5-20',
};

/** A service whose one job can be listed; records when it starts and stops. */
function fakeService(changes: Partial<AgentService> = {}) {
  const events: string[] = [];
  const jobs = only<JobProvider>({
    async *listJobs() {
      yield job;
    },
  });
  const service: AgentService = {
    providers: { jobs },
    start: async () => void events.push('start'),
    stop: async () => void events.push('stop'),
    ...changes,
  };
  return { service, events };
}

interface Extra {
  readonly toml?: string;
  readonly service?: AgentService;
  readonly stateDir?: string;
}

async function start({
  toml = '',
  service = fakeService().service,
  stateDir = join(temporaryFolder(), 'state'),
}: Extra = {}) {
  const configuration = parseConfiguration({
    role: 'client',
    file: 'agent.toml',
    text: `state_dir = ${JSON.stringify(stateDir)}\nmanagement.http = "127.0.0.1:0"\nmanagement.auth = ["ntlm", "basic"]\n${toml}`,
    environment: {},
  });
  const log = recordingLog();
  const agent = await startAgent({
    role: 'client',
    configuration,
    version: '1.2.3',
    log,
    createService: async () => service,
  });
  let stopped: Promise<void> | undefined;
  const stop = () => (stopped ??= agent.stop());
  onTestFinished(() => stop().catch(() => {}));
  return { agent: { ...agent, stop } satisfies RunningAgent, log, stateDir };
}

/** The accounts that every test has. */
function addAccounts(stateDir: string): void {
  const accounts = openAccountDatabase({ stateDir, hostName: 'HOST' });
  accounts.add('admin', 'correct horse', ['Administrators']);
  accounts.add('user', 'battery staple', ['Users']);
}

function client(
  url: string,
  user: string,
  password: string,
  trust?: string,
): MachineProxy & { identify(): Promise<unknown> } {
  const wsman = createWsmanClient({
    url,
    credentials: { user, password },
    ...(trust === undefined ? {} : { trust: [trust] }),
  });
  onTestFinished(() => wsman.close());
  return { ...createProxy(wsman), identify: () => wsman.identify() };
}

async function listJobs({ jobs }: MachineProxy): Promise<string[]> {
  const names: string[] = [];
  for await (const { displayName } of jobs.listJobs()) names.push(displayName);
  return names;
}

const isOpen = (address: string) =>
  new Promise<boolean>((resolve) => {
    const [host = '', port = ''] = address.split(':');
    const socket = connect(Number(port), host, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });

const audited = (stateDir: string) =>
  readFileSync(join(stateDir, 'audit.ndjson'), 'utf8')
    .trimEnd()
    .split('\n')
    .map(
      (line) =>
        JSON.parse(line) as {
          who: string;
          action: string;
          object: string;
          outcome: string;
          from: string;
          scheme: string;
        },
    );

describe('startAgent', () => {
  it('lets administrators in, nobody else, and writes down both', async () => {
    const { agent, stateDir } = await start();
    addAccounts(stateDir);
    const url = `wsman://${agent.ready.wsman.http}`;
    const admin = client(url, 'admin', 'correct horse');
    expect(await listJobs(admin)).toEqual(['a job']);
    expect(await admin.identify()).toMatchObject({ vendor: 'Carmine', version: '1.2.3' });
    expect((await admin.accounts.lookUpAccount('user')).sid).toMatch(/^S-1-5-21-/);
    await expect(listJobs(client(url, 'user', 'battery staple'))).rejects.toMatchObject({ kind: 'refused' });
    await expect(listJobs(client(url, 'admin', 'wrong'))).rejects.toMatchObject({ kind: 'refused' });
    await expect(listJobs(client(url, 'nobody', 'x'))).rejects.toMatchObject({ kind: 'refused' });
    // Logons are recorded too; here it is about what was asked for.
    const records = audited(stateDir).filter(({ action }) => action !== 'Authenticate');
    expect(records[0]).toMatchObject({ action: 'EnumerateInstances', outcome: 'allowed', scheme: 'ntlm' });
    expect(records[0]?.who).toMatch(/\\admin$/);
    expect(records[0]?.from).toContain('127.0.0.1');
    const denied = records.filter(({ outcome }) => outcome === 'denied');
    expect(denied).toMatchObject([{ who: expect.stringMatching(/\\user$/) }]);
  });

  it.each([
    ['', 'management'],
    ['management.channel_binding = "relaxed"', 'management, channel_binding=relaxed'],
  ])('tells in the audit of a logon what its listener insists on (%s)', async (toml, object) => {
    const { agent, stateDir } = await start({ toml });
    addAccounts(stateDir);
    await listJobs(client(`wsman://${agent.ready.wsman.http}`, 'admin', 'correct horse'));
    expect(audited(stateDir).filter(({ action }) => action === 'Authenticate')).toMatchObject([{ object }]);
  });

  it('lets the members of a group do what their role allows, and writes down both', async () => {
    const suspended: string[] = [];
    const jobs = only<JobProvider>({
      async *listJobs() {
        yield job;
      },
      getJob: async () => job,
      setJobState: async (_id, action) => {
        suspended.push(action);
        return 0;
      },
    });
    const { agent, log, stateDir } = await start({
      toml: 'management.roles = { Helpdesk = "reader", Operators = "operator", admin = "operator" }',
      service: fakeService({ providers: { jobs } }).service,
    });
    expect(log.lines).toContain('warn management.roles: there is no group "Helpdesk" yet: nobody has its role');
    const url = `wsman://${agent.ready.wsman.http}`;
    addAccounts(stateDir);
    const accounts = openAccountDatabase({ stateDir, hostName: 'HOST' });
    // Made while the agent runs, roles count at once.
    accounts.add('reader', 'reader pass', ['helpdesk']);
    accounts.add('ops', 'ops pass', ['Operators']);
    const reader = client(url, 'reader', 'reader pass');
    const ops = client(url, 'ops', 'ops pass');
    const refused = { code: 'auth/access-denied' };
    expect(await listJobs(reader)).toEqual(['a job']);
    await expect(reader.jobs.setJobState(job.jobId, 'suspend')).rejects.toMatchObject(refused);
    await expect(reader.accounts.lookUpAccount('user')).rejects.toMatchObject(refused);
    expect(await ops.jobs.setJobState(job.jobId, 'suspend')).toBe(0);
    const credentials = { target: 'server', scheme: 'basic', userName: 'u', password: 'p' } as const;
    await expect(ops.jobs.setCredentials(job.jobId, credentials)).rejects.toMatchObject(refused);
    expect(suspended).toEqual(['suspend']);
    // Who is in no such group is as far as before.
    await expect(listJobs(client(url, 'user', 'battery staple'))).rejects.toMatchObject(refused);
    const denied = audited(stateDir).filter(({ outcome }) => outcome === 'denied');
    expect(denied.map(({ who, action }) => [who.split('\\')[1], action])).toEqual([
      ['reader', 'SetJobState'],
      ['reader', 'ExecuteQuery'],
      ['ops', 'SetCredentials'],
      ['user', 'Any'],
    ]);
  });

  it('says where it listens, starts the service first and stops it last', async () => {
    const { service, events } = fakeService();
    const { agent, log, stateDir } = await start({ service, toml: 'metrics.http = "127.0.0.1:0"' });
    expect(events).toEqual(['start']);
    expect(agent.ready).toMatchObject({
      ready: true,
      role: 'client',
      wsman: { https: null },
      dcom: { resolver: null, exporter: null },
    });
    const addresses = [agent.ready.wsman.http!, agent.ready.metrics!];
    for (const address of addresses) expect(await isOpen(address)).toBe(true);
    expect(() => lockState(stateDir)).toThrow(expect.objectContaining({ code: 'configuration/in-use' }));
    expect(log.lines).toContain('warn there are no accounts: nobody can log on; see "account add"');
    await agent.stop();
    for (const address of addresses) expect(await isOpen(address)).toBe(false);
    expect(events).toEqual(['start', 'stop']);
    lockState(stateDir).release();
  });

  it('tells of changes, and does not wait for who waits for them when it stops', async () => {
    const listeners = new Set<(soon: boolean) => void>();
    let description = '';
    const jobs = only<JobProvider>({
      async *listJobs() {
        yield { ...job, description };
      },
      watch(changed) {
        listeners.add(changed);
        return () => void listeners.delete(changed);
      },
    });
    const { agent, stateDir } = await start({ service: fakeService({ providers: { jobs } }).service });
    addAccounts(stateDir);
    const machine = client(`wsman://${agent.ready.wsman.http}`, 'admin', 'correct horse');
    const changes = (await machine.jobs.watchJob(job.jobId))[Symbol.asyncIterator]();
    const first = changes.next();
    description = 'changed';
    for (const changed of listeners) changed(false);
    expect(await first).toMatchObject({ done: false, value: { jobId: job.jobId, description: 'changed' } });
    const waiting = changes.next();
    const began = performance.now();
    await Promise.all([expect(waiting).rejects.toThrow(), agent.stop()]);
    // Running calls have ten seconds to end; this one is told to.
    expect(performance.now() - began).toBeLessThan(5_000);
    expect(listeners.size).toBe(0);
    expect(audited(stateDir).map(({ action, outcome }) => [action, outcome])).toContainEqual(['Subscribe', 'allowed']);
  });

  it('counts calls', async () => {
    const source = { collect: () => new Map([['carmine_jobs', 1]]) };
    const { agent, stateDir } = await start({
      service: fakeService({ metrics: source }).service,
      toml: 'metrics.http = "127.0.0.1:0"',
    });
    addAccounts(stateDir);
    await listJobs(client(`wsman://${agent.ready.wsman.http}`, 'admin', 'correct horse'));
    const text = await (await fetch(`http://${agent.ready.metrics}/metrics`)).text();
    expect(text).toContain('carmine_calls_total{action="EnumerateInstances",outcome="allowed"} 1\n');
    expect(text).toContain('carmine_jobs 1\n');
  });

  it.each([
    ['', 401],
    ['management.anonymous_identify = true', 200],
  ])('answers Identify of nobody only when that is configured (%s)', async (toml, status) => {
    const { agent } = await start({ toml });
    const answer = await fetch(`http://${agent.ready.wsman.http}/wsman`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/soap+xml;charset=UTF-8', WSMANIDENTIFY: 'unauthenticated' },
      body: '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:i="http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"><s:Body><i:Identify/></s:Body></s:Envelope>',
    });
    expect(answer.status).toBe(status);
    const text = await answer.text();
    expect(text.includes('IdentifyResponse')).toBe(status === 200);
    expect(text).not.toContain('1.2.3');
  });

  it('serves https, to clients that trust its certificate', async () => {
    const folder = temporaryFolder();
    const { certificate, privateKey } = await generateCertificate(['127.0.0.1'], Date.now());
    writeFileSync(join(folder, 'cert.pem'), certificate);
    writeFileSync(join(folder, 'key.pem'), privateKey);
    const tls = `management.tls = { cert = ${JSON.stringify(join(folder, 'cert.pem'))}, key = ${JSON.stringify(join(folder, 'key.pem'))} }`;
    const { agent, stateDir } = await start({ toml: `management.https = "127.0.0.1:0"\n${tls}` });
    addAccounts(stateDir);
    const url = `wsmans://${agent.ready.wsman.https}`;
    expect(await listJobs(client(url, 'admin', 'correct horse', certificate))).toEqual(['a job']);
    await expect(listJobs(client(url, 'admin', 'correct horse'))).rejects.toMatchObject({ code: 'wsman/untrusted' });
  });

  it('does not offer Basic over http, whatever is configured', async () => {
    const { agent } = await start();
    const response = await fetch(`http://${agent.ready.wsman.http}/wsman`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa('admin:correct horse')}`, 'content-type': 'application/soap+xml' },
      body: '<x/>',
    });
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).not.toMatch(/basic/i);
  });
});

describe('an agent that cannot start leaves nothing behind', () => {
  it('because its state is in use', async () => {
    const { stateDir } = await start();
    const { service, events } = fakeService();
    await expect(start({ service, stateDir })).rejects.toMatchObject({ code: 'configuration/in-use' });
    expect(events).toEqual([]);
  });

  it.each([
    [
      'its certificate is missing',
      async () => `management.https = "127.0.0.1:0"\nmanagement.tls = { cert = "/none", key = "/none" }`,
      'configuration/no-certificate',
    ],
    ['its metrics’ address is in use', async (taken: string) => `metrics.http = "${taken}"`, 'configuration/in-use'],
  ])('because %s', async (_why, toml, code) => {
    const other = await start();
    const stateDir = join(temporaryFolder(), 'state');
    const { service, events } = fakeService();
    const text = await toml(other.agent.ready.wsman.http ?? '');
    await expect(start({ service, stateDir, toml: text })).rejects.toMatchObject({ code });
    expect(events).toEqual(['start', 'stop']);
    lockState(stateDir).release();
  });

  it('because its address is in use', async () => {
    const other = await start();
    const { service, events } = fakeService();
    const configuration = parseConfiguration({
      role: 'client',
      file: 'agent.toml',
      text: `state_dir = ${JSON.stringify(temporaryFolder())}\nmanagement.http = "${other.agent.ready.wsman.http}"`,
      environment: {},
    });
    const options = { role: 'client', configuration, version: '0', log: recordingLog() } as const;
    await expect(startAgent({ ...options, createService: async () => service })).rejects.toMatchObject({
      code: 'configuration/in-use',
      message: `the address ${other.agent.ready.wsman.http} is in use by another process`,
    });
    expect(events).toEqual(['start', 'stop']);
  });

  it('because its service does not start', async () => {
    const stateDir = join(temporaryFolder(), 'state');
    const { service } = fakeService({ start: () => Promise.reject(new CarmineError('job/store-damaged')) });
    await expect(start({ service, stateDir })).rejects.toMatchObject({ code: 'job/store-damaged' });
    lockState(stateDir).release();
  });
});

it('an agent whose service does not stop in order comes down all the same, and says so', async () => {
  const { service } = fakeService({ stop: () => Promise.reject(new Error('stuck')) });
  const { agent, log, stateDir } = await start({ service });
  await expect(agent.stop()).rejects.toThrow('stuck');
  expect(log.lines).toContain('error stopping did not go well: stuck');
  expect(await isOpen(agent.ready.wsman.http!)).toBe(false);
  lockState(stateDir).release();
});
