import type { EndedJob, JobSnapshot } from '@carmine/core';
import { CarmineError } from '@carmine/errors';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { carmine, startMachine, type TestMachine } from './support.ts';

const id = '{3BA55CB4-5ECC-48A6-895F-C7B35EBF8B12}';
const bare = '3ba55cb4-5ecc-48a6-895f-c7b35ebf8b12';
const hash = new Uint8Array(20).fill(0xab);
const digits = 'AB'.repeat(20);
const prefix = 'https://+:8443/a/';
const none = 0xffff_ffff;

const job: JobSnapshot = {
  jobId: id,
  displayName: 'a job',
  description: 'about it',
  priority: 'normal',
  minimumRetryDelay: 600,
  noProgressTimeout: 1_209_600,
  files: [
    { remoteUrl: 'http://h/f', localFile: '/inbox/f', bytesTotal: 2048n, bytesTransferred: 1024n, completed: false },
  ],
  jobCreationTime: 133_801_632_000_000_000n,
  jobLastModificationTime: 133_801_632_000_000_000n,
  jobCompletionTime: 0n,
  bytesTotal: 0xffff_ffff_ffff_ffffn,
  bytesTransferred: 1024n,
  filesTotal: 1,
  filesTransferred: 0,
  transientErrorCount: 2,
  state: 'transferring',
  owner: 'S-1-5-20',
};
const ended: EndedJob = {
  jobId: id,
  displayName: 'a job',
  description: '',
  state: 'cancelled',
  owner: 'S-1-5-20',
  filesTotal: 1,
  filesTransferred: 0,
  bytesTotal: 10n,
  bytesTransferred: 7n,
  jobCreationTime: 133_801_632_000_000_000n,
  endTime: 133_801_632_000_000_000n,
  reason: 'cancelled by request',
  lastError: 0x8020_0010,
};

let machine: TestMachine;
beforeAll(async () => {
  machine = await startMachine();
});
afterAll(() => machine.close());
beforeEach(() => {
  machine.calls.length = 0;
  machine.results = { getJob: job, getUrlGroup: prefix };
});

const on = (...argv: string[]) => carmine([...argv, '--on', machine.target, '--password-file', machine.passwordFile]);
/** Without the look-ups that come before each method. */
const asked = () => machine.calls.filter(([name]) => name !== 'getJob' && name !== 'getUrlGroup');

describe('what a command asks the machine for, and says', () => {
  it.each<[string, Record<string, unknown>, unknown[][], string]>([
    [
      'job create n http://h/f /inbox/f',
      { createJob: id },
      [
        [
          'createJob',
          { displayName: 'n', remoteUrl: 'http://h/f', localFile: '/inbox/f', type: 'download', suspend: false },
        ],
      ],
      `${id}\n`,
    ],
    [
      'job create n http://h/f /inbox/f --suspended --account localsystem --upload --description d',
      { createJob: id },
      [
        [
          'createJob',
          {
            displayName: 'n',
            remoteUrl: 'http://h/f',
            localFile: '/inbox/f',
            serviceAccount: 'LocalSystem',
            type: 'upload',
            suspend: true,
            description: 'd',
          },
        ],
      ],
      `${id}\n`,
    ],
    [
      // A priority is there before the first byte moves.
      'job create n http://h/f /inbox/f --priority FOREGROUND',
      { createJob: id },
      [
        [
          'createJob',
          { displayName: 'n', remoteUrl: 'http://h/f', localFile: '/inbox/f', type: 'download', suspend: true },
        ],
        ['modifyJob', id, { priority: 'foreground' }],
        ['setJobState', id, 'resume'],
      ],
      `${id}\n`,
    ],
    [
      'job create n http://h/f /inbox/f --priority low --suspended',
      { createJob: id },
      [
        [
          'createJob',
          { displayName: 'n', remoteUrl: 'http://h/f', localFile: '/inbox/f', type: 'download', suspend: true },
        ],
        ['modifyJob', id, { priority: 'low' }],
      ],
      `${id}\n`,
    ],
    [`job add-file ${bare} u /p`, {}, [['addFile', id, 'u', '/p']], ''],
    [`job resume ${bare}`, {}, [['setJobState', id, 'resume']], ''],
    [`job suspend ${id}`, {}, [['setJobState', id, 'suspend']], ''],
    [`job complete ${bare}`, {}, [['setJobState', id, 'complete']], ''],
    [`job cancel ${bare}`, {}, [['setJobState', id, 'cancel']], ''],
    [
      `job set ${bare} --name n --description d --priority high --retry-delay 60 --no-progress-timeout 0 --sha256 ${'AB'.repeat(32)}`,
      {
        getFileDetails: {
          jobId: id,
          fileIndex: 0,
          sha256: null,
          expectedSha256: null,
          computeSha256: false,
          phase: 'queued',
          waitReason: '',
          nextAttempt: 0n,
        },
      },
      [
        [
          'modifyJob',
          id,
          { displayName: 'n', description: 'd', priority: 'high', minimumRetryDelay: 60, noProgressTimeout: 0 },
        ],
        ['modifyFileDetails', id, 0, { expectedSha256: 'ab'.repeat(32) }],
        ['getFileDetails', id, 0],
      ],
      '',
    ],
    [
      `job credentials ${bare} remove --scheme basic --target proxy`,
      {},
      [['removeCredentials', id, 'proxy', 'basic']],
      '',
    ],
    [
      `job credentials ${bare} set --scheme ntlm`,
      {},
      [['setCredentials', id, { target: 'server', scheme: 'ntlm', userName: null, password: null }]],
      '',
    ],
    [
      `job credentials ${bare} set --scheme negotiate --user u --user-password-file PASSWORD`,
      {},
      [['setCredentials', id, { target: 'server', scheme: 'negotiate', userName: 'u', password: 'correct horse' }]],
      '',
    ],
    [
      `job certificate ${bare} set --thumbprint ${digits}`,
      {},
      [['setClientCertificate', id, { by: 'hash', location: 'localMachine', store: 'MY', hash }]],
      '',
    ],
    [
      `job certificate ${bare} set --subject s --store WEB`,
      {},
      [['setClientCertificate', id, { by: 'name', location: 'localMachine', store: 'WEB', subject: 's' }]],
      '',
    ],
    [`job certificate ${bare} remove`, {}, [['removeClientCertificate', id]], ''],
    [
      `job proxy ${bare} none`,
      {},
      [['setProxySettings', id, { usage: 'noProxy', proxyList: null, bypassList: null }]],
      '',
    ],
    [
      `job proxy ${bare} override --list p:80 --bypass local`,
      {},
      [['setProxySettings', id, { usage: 'override', proxyList: 'p:80', bypassList: 'local' }]],
      '',
    ],
    [
      `job error ${bare}`,
      {
        getError: {
          context: 'remoteFile',
          code: 0x8019_0194,
          contextDescription: 'the remote file',
          errorDescription: 'not found',
        },
      },
      [['getError', id, 0x409]],
      '0x80190194  not found\nremoteFile  the remote file\n',
    ],
    ['url-group create https://+:8443/a', {}, [['createUrlGroup', 'https://+:8443/a']], `${prefix}\n`],
    [`url-group delete ${prefix}`, {}, [['deleteUrlGroup', prefix]], ''],
    [
      'url-group list',
      { listUrlGroups: [prefix, 'http://+:80/b/'] },
      [['listUrlGroups']],
      `${prefix}\nhttp://+:80/b/\n`,
    ],
    [
      `url-group show ${prefix}`,
      {
        getUrlGroupAuthentication: true,
        getProperty: none,
        getUrlGroupDetails: { urlGroup: prefix, state: 'draining', urlCount: 12 },
      },
      [
        ['getUrlGroupAuthentication', prefix, 'negotiate'],
        ['getUrlGroupAuthentication', prefix, 'ntlm'],
        ['getProperty', prefix, 'ConnectionLimit'],
        ['getProperty', prefix, 'BandwidthLimit'],
        ['getUrlGroupDetails', prefix],
      ],
      `prefix           ${prefix}\nstate            draining\nURLs             12\nnegotiate        on\nntlm             on\nConnectionLimit  none\nBandwidthLimit   none\n`,
    ],
    ['url-group transfers', { listTransfers: [] }, [['listTransfers']], 'nothing is being sent\n'],
    [
      'url-group transfers',
      {
        listTransfers: [
          {
            transferId: 7,
            urlGroup: prefix,
            urlSuffix: 's',
            identity: 'HOST\\reader',
            source: '192.0.2.7',
            range: 'bytes=0-',
            length: 2048n,
            bytesSent: 1024n,
            startTime: 133_000_000_000_000_000n,
          },
        ],
      },
      [['listTransfers']],
      `ID  URL${' '.repeat(prefix.length + 1 - 3)}  PEER       ACCOUNT      RANGE     SENT\n7   ${prefix}s  192.0.2.7  HOST\\reader  bytes=0-  1.0 KiB of 2.0 KiB\n`,
    ],
    [
      `url-group auth ${prefix} --scheme ntlm --disable`,
      { getUrlGroupAuthentication: false },
      [
        ['setUrlGroupAuthentication', prefix, 'ntlm', false],
        ['getUrlGroupAuthentication', prefix, 'ntlm'],
      ],
      'off\n',
    ],
    [
      `url-group auth ${prefix} --scheme negotiate`,
      { getUrlGroupAuthentication: true },
      [['getUrlGroupAuthentication', prefix, 'negotiate']],
      'on\n',
    ],
    [
      `url-group property ${prefix} connectionlimit 5`,
      { getProperty: 5 },
      [
        ['setProperty', prefix, 'ConnectionLimit', 5],
        ['getProperty', prefix, 'ConnectionLimit'],
      ],
      '5\n',
    ],
    [
      `url-group property ${prefix} BandwidthLimit none`,
      { getProperty: none },
      [
        ['setProperty', prefix, 'BandwidthLimit', none],
        ['getProperty', prefix, 'BandwidthLimit'],
      ],
      'none\n',
    ],
    [
      `url create ${prefix} s /srv/f --sddl D:P(A;;FR;;;BA) --certificate ${digits}`,
      {},
      [
        [
          'createUrl',
          prefix,
          { urlSuffix: 's', sourceFilePath: '/srv/f', sddlAuth: 'D:P(A;;FR;;;BA)', certificateHashAccessCheck: hash },
        ],
      ],
      '',
    ],
    [
      `url create ${prefix} s /srv/f`,
      {},
      [
        [
          'createUrl',
          prefix,
          { urlSuffix: 's', sourceFilePath: '/srv/f', sddlAuth: '', certificateHashAccessCheck: null },
        ],
      ],
      '',
    ],
    [`url check ${prefix} s`, { checkUrl: true }, [['checkUrl', prefix, 's']], 'yes\n'],
    [`url delete ${prefix} s`, {}, [['deleteUrl', prefix, 's']], ''],
    [`certificate set 8443 --thumbprint ${digits}`, {}, [['setSslCertificate', 8443, { storeName: 'MY', hash }]], ''],
    [
      'certificate get 8443',
      { getSslCertificate: { storeName: 'MY', hash } },
      [['getSslCertificate', 8443]],
      `MY ${digits}\n`,
    ],
    ['certificate remove 8443', {}, [['removeSslCertificate', 8443]], ''],
  ])('%s', async (line, results, calls, stdout) => {
    Object.assign(machine.results, results);
    const argv = line.split(' ').map((word) => (word === 'PASSWORD' ? machine.passwordFile : word));
    expect(await on(...argv)).toEqual({ exit: 0, stdout, stderr: '' });
    expect(asked()).toEqual(calls);
    // The same as a document: one line, with the name of its form.
    const { exit, stdout: json } = await on(...argv, '--json');
    expect(exit).toBe(0);
    expect(json.trimEnd().split('\n')).toHaveLength(1);
    expect((JSON.parse(json) as { schema: string }).schema).toMatch(/^carmine\.[a-z-]+\/1$/);
  });
});

describe('documents', () => {
  it('of a job', async () => {
    expect(JSON.parse((await on('job', 'show', bare, '--json')).stdout)).toEqual({
      schema: 'carmine.job/1',
      id,
      name: 'a job',
      description: 'about it',
      state: 'transferring',
      priority: 'normal',
      bytesTotal: null,
      bytesTransferred: 1024,
      filesTotal: 1,
      filesTransferred: 0,
      files: [{ url: 'http://h/f', path: '/inbox/f', bytesTotal: 2048, bytesTransferred: 1024, completed: false }],
      minimumRetryDelay: 600,
      noProgressTimeout: 1_209_600,
      errors: 2,
      created: '2025-01-01T00:00:00.000Z',
      modified: '2025-01-01T00:00:00.000Z',
      completed: null,
      owner: 'S-1-5-20',
    });
  });

  it('of jobs: a table, one document, or a stream', async () => {
    machine.results.listJobs = [job, { ...job, jobId: '{00000000-0000-0000-0000-000000000002}', state: 'error' }];
    const text = await on('job', 'list');
    expect(text.stdout.split('\n')[0]).toMatch(/^ID +STATE +PRIORITY +FILES +BYTES +NAME$/);
    expect(text.stdout).toContain('1.0 KiB of unknown');
    const document = JSON.parse((await on('job', 'list', '--json')).stdout) as { jobs: { state: string }[] };
    expect(document.jobs.map(({ state }) => state)).toEqual(['transferring', 'error']);
    const lines = (await on('job', 'list', '--ndjson')).stdout.trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { schema: string }).schema)).toEqual([
      'carmine.job/1',
      'carmine.job/1',
    ]);
    machine.results.listJobs = [];
    expect((await on('job', 'list')).stdout).toBe('no jobs\n');
    expect((await on('job', 'list', '--ndjson')).stdout).toBe('');
  });

  it('of ended jobs', async () => {
    machine.results.listEndedJobs = [ended];
    expect((await on('job', 'list', '--ended')).stdout).toContain('cancelled by request');
    expect(JSON.parse((await on('job', 'list', '--ended', '--json')).stdout)).toMatchObject({
      schema: 'carmine.ended-job-list/1',
      jobs: [{ schema: 'carmine.ended-job/1', lastError: '0x80200010', ended: '2025-01-01T00:00:00.000Z' }],
    });
  });

  it('of a machine that answers', async () => {
    const target = machine.target;
    const { exit, stdout } = await carmine(['ping', target, '--password-file', machine.passwordFile, '--json']);
    expect(exit).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ schema: 'carmine.ping/1', vendor: 'Carmine', version: '1.2.3' });
    expect(stdout).not.toContain('admin');
  });
});

describe('exit codes', () => {
  it('of url check: 3 when it is not published', async () => {
    machine.results.checkUrl = false;
    expect(await on('url', 'check', prefix, 's')).toEqual({ exit: 3, stdout: 'no\n', stderr: '' });
  });

  it('of a partial completion: 0, with a word about it', async () => {
    machine.results.setJobState = 0x0020_0017;
    const { exit, stdout, stderr } = await on('job', 'complete', bare);
    expect([exit, stdout]).toEqual([0, '']);
    expect(stderr).toContain('[0x00200017]');
  });

  it.each([
    ['job/not-found', { getJob: new CarmineError('job/not-found') }, 3, '0x80200001'],
    ['job/invalid-state', { setJobState: new CarmineError('job/invalid-state') }, 6, '0x80200002'],
    ['file/access-denied', { setJobState: new CarmineError('file/outside-roots') }, 4, '0x80070005'],
    ['a bug of the machine', { setJobState: new TypeError('secret') }, 6, '0x80041001'],
  ])('of %s: %o', async (_what, results, exit, hresult) => {
    Object.assign(machine.results, results);
    const ended_ = await on('job', 'resume', bare, '--json');
    expect(ended_.exit).toBe(exit);
    expect(JSON.parse(ended_.stdout)).toMatchObject({ schema: 'carmine.error/1', hresult, exitCode: exit });
    expect(ended_.stderr + ended_.stdout).not.toContain('secret');
  });

  it('of a wrong password: 4', async () => {
    const { exit } = await carmine(['job', 'list', '--on', machine.target, '--password-file', '/dev/null']);
    expect(exit).toBe(4);
  });

  it.each([
    [{ state: 'transferred' }, 0, 'transferred\n'],
    [{ state: 'error' }, 6, 'error\n'],
  ] as const)('of job watch: %o', async (changes, exit, stdout) => {
    machine.results.getJob = { ...job, ...changes };
    expect(await on('job', 'watch', bare)).toMatchObject({ exit, stdout });
  });

  it.each([
    ['acknowledged', 'completed', 0],
    ['cancelled', 'cancelled by request', 6],
  ] as const)('of job watch when it ended: %s', async (state, reason, exit) => {
    machine.results.getJob = new CarmineError('job/not-found');
    machine.results.listEndedJobs = [{ ...ended, state, reason }];
    expect(await on('job', 'watch', bare)).toMatchObject({ exit, stdout: `${state}: ${reason}\n` });
  });

  it('of job watch when it takes too long: 9', async () => {
    expect(await on('job', 'watch', bare, '--timeout', '0')).toMatchObject({ exit: 9, stdout: '' });
  });

  it.each([
    [['transferred', 'suspended'], 0],
    [['transferred', 'error'], 8],
  ] as const)('of job watch of all: %j', async (states, exit) => {
    machine.results.listJobs = states.map((state) => ({ ...job, state }));
    const watched = await on('job', 'watch', '--json');
    expect(watched.exit).toBe(exit);
    expect(JSON.parse(watched.stdout)).toMatchObject({ schema: 'carmine.job-list/1' });
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('of an interruption by %s: %i', async (reason, exit) => {
    const controller = new AbortController();
    controller.abort(reason);
    const argv = ['job', 'watch', bare, '--on', machine.target, '--password-file', machine.passwordFile];
    expect(await carmine(argv, controller.signal)).toMatchObject({
      exit,
      stdout: '',
      stderr: 'carmine: interrupted\n',
    });
  });
});

describe('refused before the machine is asked', () => {
  it.each([
    [['job', 'credentials', bare, 'set'], '--scheme is missing'],
    [['job', 'credentials', bare, 'change', '--scheme', 'ntlm'], 'ACTION is one of set, remove'],
    [['job', 'credentials', bare, 'set', '--scheme', 'magic'], '--scheme is one of'],
    [['job', 'certificate', bare, 'set'], 'give --thumbprint SHA1 or --subject TEXT'],
    [
      ['job', 'certificate', bare, 'set', '--thumbprint', digits, '--subject', 's'],
      'give --thumbprint SHA1 or --subject TEXT',
    ],
    [['job', 'certificate', bare, 'set', '--thumbprint', 'abc'], 'a SHA-1 thumbprint has 40 hexadecimal digits'],
    [['job', 'proxy', bare, 'sometimes'], 'USAGE is one of'],
    [['job', 'set', bare, '--sha256', 'x'], '--sha256 has 64 hexadecimal digits'],
    [['job', 'set', bare, '--retry-delay', '-1'], '--retry-delay'],
    [['job', 'create', 'n', 'u', '/p', '--account', 'root'], '--account is one of'],
    [['job', 'watch', bare, '--interval', '0'], '--interval is a whole number from 1 to 3600'],
    [['url-group', 'auth', prefix], '--scheme is missing'],
    [
      ['url-group', 'auth', prefix, '--scheme', 'ntlm', '--enable', '--disable'],
      '--enable and --disable exclude each other',
    ],
    [['url-group', 'property', prefix, 'Speed'], 'PROPERTY is one of'],
    [['url-group', 'property', prefix, 'ConnectionLimit', 'many'], 'VALUE is a whole number'],
    [['certificate', 'set', '8443'], '--thumbprint SHA1 is missing'],
    [['certificate', 'get', '0'], 'PORT is a whole number from 1 to 65535'],
    [['certificate', 'get', '65536'], 'PORT is a whole number from 1 to 65535'],
  ])('%j', async (argv, message) => {
    const { exit, stdout, stderr } = await on(...argv);
    expect([exit, stdout]).toEqual([2, '']);
    expect(stderr).toContain(message);
    expect(machine.calls).toEqual([]);
  });
});
