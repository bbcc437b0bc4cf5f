import type { JobFileDetails, JobSnapshot } from '@carmine/core';
import { CarmineError } from '@carmine/errors';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { carmine, startMachine, type TestMachine } from './support.ts';

const id = '{3BA55CB4-5ECC-48A6-895F-C7B35EBF8B12}';
const prefix = 'https://+:8443/carmine/';
const digest = 'ab'.repeat(32);

const job: JobSnapshot = {
  jobId: id,
  displayName: '',
  description: '',
  priority: 'normal',
  minimumRetryDelay: 600,
  noProgressTimeout: 1_209_600,
  files: [],
  jobCreationTime: 1n,
  jobLastModificationTime: 1n,
  jobCompletionTime: 1n,
  bytesTotal: 2048n,
  bytesTransferred: 2048n,
  filesTotal: 1,
  filesTransferred: 1,
  transientErrorCount: 0,
  state: 'transferred',
  owner: 'S-1-5-20',
};
const details: JobFileDetails = {
  jobId: id,
  fileIndex: 0,
  sha256: digest,
  expectedSha256: null,
  computeSha256: true,
  phase: 'done',
  waitReason: '',
  nextAttempt: 0n,
};

let machine: TestMachine;
beforeAll(async () => {
  machine = await startMachine();
});
afterAll(() => machine.close());
beforeEach(() => {
  machine.calls.length = 0;
  machine.results = {
    getUrlGroup: prefix,
    checkUrl: true,
    createJob: id,
    getJob: job,
    getFileDetails: details,
    getUrlGroupDetails: { urlGroup: prefix, state: 'listening', urlCount: 0 },
    getUrlDetails: { urlGroup: prefix, urlSuffix: 's', length: 2048n, sha256: digest },
  };
});

/** One machine is both ends here. */
const copy = (argv: readonly string[] = [], signal?: AbortSignal) =>
  carmine(
    ['copy', `${machine.target}/srv/f`, `${machine.target}/inbox/f`, '--password-file', machine.passwordFile, ...argv],
    signal,
  );

describe('carmine copy', () => {
  it('says what it did', async () => {
    const { exit, stdout, stderr } = await copy();
    expect([exit, stdout]).toEqual([0, '']);
    expect(stderr.trimEnd().split('\n').at(-1)).toMatch(
      /^copied 2\.0 KiB in \d+ s, .*\/s; SHA-256 (ab){32}, the same as the source$/,
    );
    for (const phase of ['queued', 'verifying', 'finishing']) expect(stderr).toMatch(new RegExp(`^${phase} `, 'm'));
    expect(machine.calls.map(([name]) => name)).not.toContain('createUrlGroup');
    // As the source's own user, unless told otherwise.
    expect(machine.calls.find(([name]) => name === 'setCredentials')?.[2]).toMatchObject({
      userName: 'admin',
      password: 'correct horse',
    });
  });

  it('as a document, and as a stream', async () => {
    const { exit, stdout } = await copy(['--json', '--sha256', digest.toUpperCase()]);
    expect(exit).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      schema: 'carmine.copy/1',
      source: expect.stringMatching(/^wsman:\/\/127\.0\.0\.1:\d+\/srv\/f$/),
      jobId: id,
      url: expect.stringMatching(/^https:\/\/127\.0\.0\.1:8443\/carmine\/[0-9a-f]{32}$/),
      bytes: 2048,
      sha256: digest,
      verifiedAgainst: ['argument', 'source'],
      leftovers: [],
    });
    expect(stdout).not.toContain('correct horse');
    const lines = (await copy(['--ndjson'])).stdout.trimEnd().split('\n');
    const schemas = lines.map((line) => (JSON.parse(line) as { schema: string }).schema);
    expect(new Set(schemas.slice(0, -1))).toEqual(new Set(['carmine.progress/1']));
    expect(schemas.at(-1)).toBe('carmine.copy/1');
  });

  it('takes an account of its own for the fetching', async () => {
    const fetcher = ['--fetch-as', 'admin', '--fetch-password-file', '/dev/null', '--priority', 'High'];
    expect((await copy(fetcher)).exit).toBe(0);
    expect(machine.calls.find(([name]) => name === 'setCredentials')?.[2]).toMatchObject({ password: '' });
    expect(machine.calls.find(([name]) => name === 'modifyJob')).toEqual(['modifyJob', id, { priority: 'high' }]);
  });

  it('with another digest is 7, and everything is taken back', async () => {
    const { exit } = await copy(['--sha256', 'cd'.repeat(32)]);
    expect(exit).toBe(7);
    expect(machine.calls.slice(-3).map(([name]) => name)).toContain('deleteUrl');
    expect(machine.calls).toContainEqual(['setJobState', id, 'cancel']);
  });

  it('of a file that is not there is 10', async () => {
    machine.results.createUrl = new CarmineError('file/not-found', { context: { path: '/srv/f' } });
    const { exit, stderr } = await copy();
    expect(exit).toBe(10);
    expect(stderr).toContain('hint: There is no such file on the source machine.');
  });

  it('that takes too long is 9, and says so', async () => {
    machine.results.getJob = { ...job, state: 'transferring' };
    expect((await copy(['--timeout', '0'])).exit).toBe(9);
    expect(machine.calls.map(([name]) => name)).not.toContain('deleteUrl');
  });

  it('that is interrupted is 130, and says what it could not take back', async () => {
    const controller = new AbortController();
    machine.results.getJob = () => {
      controller.abort('SIGINT');
      return { ...job, state: 'transferring' };
    };
    machine.results.setJobState = (_id: unknown, action: unknown) =>
      action === 'cancel' ? new CarmineError('job/invalid-state') : 0;
    const { exit, stderr } = await copy([], controller.signal);
    expect(exit).toBe(130);
    expect(stderr.trimEnd().split('\n').at(-1)).toMatch(
      /^carmine: interrupted; left behind: the job \{3BA55CB4-5ECC-48A6-895F-C7B35EBF8B12\} on wsman:\/\/127/,
    );
    expect(machine.calls.at(-1)?.[0]).toBe('deleteUrl');
  });
});
