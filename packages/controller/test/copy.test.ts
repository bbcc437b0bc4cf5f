import { toFiletime } from '@carmine/core';
import { CarmineError } from '@carmine/errors';
import { describe, expect, it } from 'vitest';
import { digest, happyLooks, type Look, prefix, World } from './support.ts';

const polls = (world: World) => world.calls.filter((call) => call === 'destination.getJob').length;

describe('a copy that goes well', () => {
  it('looks at the job only where it must when the client tells of changes', async () => {
    const world = new World();
    const base = await world.jobs.createJob({
      displayName: 'x',
      remoteUrl: 'http://o/',
      localFile: '/x',
      suspend: true,
    });
    const job = await world.jobs.getJob(base);
    await world.jobs.setJobState(base, 'cancel');
    const told = [10n, 60n, 100n].map((bytesTransferred) => ({
      ...job,
      state: 'transferring' as const,
      bytesTransferred,
      bytesTotal: 100n,
    }));
    world.jobs.changes = [...told, { ...job, state: 'transferred', bytesTransferred: 100n, bytesTotal: 100n }];
    world.jobs.looks = [
      { state: 'queued' },
      { state: 'connecting' },
      { state: 'transferred', transferred: 100n, total: 100n },
    ];
    await world.copy();
    expect(world.calls.filter((call) => call === 'destination.getJob')).toHaveLength(3);
    expect(world.progress.map(({ bytesTransferred }) => bytesTransferred)).toEqual(
      expect.arrayContaining([10n, 60n, 100n]),
    );
  });

  it('makes the calls of the remote management samples in their order', async () => {
    const world = new World();
    const result = await world.copy({ priority: 'foreground' });
    expect(world.calls).toEqual([
      // Who may fetch, and does the group exist?
      'source.lookUpAccount',
      'source.getUrlGroup',
      // 2, 6, 7: CreateUrlGroup, CreateUrl, CheckUrl
      'source.createUrlGroup',
      // is it served?
      'source.getUrlGroupDetails',
      'source.createUrl',
      'source.checkUrl',
      // 8: CreateJob, suspended; 10: SetCredentials; 11: Put; 12: SetJobState 2
      'destination.createJob',
      'destination.setCredentials',
      'destination.setCredentials',
      'destination.modifyJob',
      'destination.modifyFileDetails',
      'destination.setJobState resume',
      // does the client tell of changes?
      'destination.watchJob',
      // 13: Get, until State = 6
      ...happyLooks.map(() => 'destination.getJob'),
      // digests of both ends
      'destination.getFileDetails',
      'source.getUrlDetails',
      // 14a: SetJobState 1
      'destination.setJobState complete',
      // 15, 16: DeleteUrl, DeleteUrlGroup
      'source.deleteUrl',
      // does another copy use it?
      'source.getUrlGroupDetails',
      'source.deleteUrlGroup',
    ]);
    expect(result).toEqual({
      jobId: '{00000000-0000-4000-8000-000000000001}',
      url: expect.stringMatching(/^https:\/\/files\.example:8443\/carmine\/[0-9a-f]{32}$/),
      bytes: 100n,
      sha256: digest,
      verifiedAgainst: ['source'],
      leftovers: [],
    });
    expect(await world.remains()).toEqual([]);
    expect(world.clock.next).toBeUndefined();
  });

  it.each([
    [
      'a user of a realm',
      { kind: 'password', user: 'alice@R', password: 'p' },
      ['R\\alice'],
      'S-1-5-21-1-2-3-1000',
      'alice@R',
    ],
    ["the client agent's own principal", { kind: 'agent' }, [], 'AU', null],
    ['that principal, named', { kind: 'agent', user: 'host/h@R' }, ['R\\host/h'], 'S-1-5-21-1-2-3-1000', null],
  ] as const)('lets the job log on as %s', async (_what, fetchAs, asked, sid, userName) => {
    const world = new World();
    const [names, sddl, credentials]: [string[], string[], unknown[]] = [[], [], []];
    const create = world.urlGroups.createUrl.bind(world.urlGroups);
    world.urlGroups.createUrl = async (group, parameters) => {
      sddl.push(parameters.sddlAuth);
      return create(group, parameters);
    };
    const set = world.jobs.setCredentials.bind(world.jobs);
    world.jobs.setCredentials = async (jobId, given) => {
      credentials.push([given.scheme, given.userName, given.password]);
      return set(jobId, given);
    };
    const options = world.options();
    const accounts = {
      ...options.source.accounts,
      lookUpAccount: async (name: string) => {
        names.push(name);
        return { domain: 'HOST', name, sid: 'S-1-5-21-1-2-3-1000' };
      },
    };
    await world.copy({ fetchAs, source: { ...options.source, accounts } });
    expect(names).toEqual(asked);
    expect(sddl).toEqual([`D:P(A;;FR;;;${sid})`]);
    const password = userName === null ? null : 'p';
    const schemes = userName === null ? ['negotiate'] : ['negotiate', 'ntlm'];
    expect(credentials).toEqual(schemes.map((scheme) => [scheme, userName, password]));
  });

  it('limits the URL to the account, and gives the job its credentials before it starts', async () => {
    const world = new World();
    const created: unknown[] = [];
    const create = world.urlGroups.createUrl.bind(world.urlGroups);
    world.urlGroups.createUrl = async (group, parameters) => {
      created.push([group, parameters.sourceFilePath, parameters.sddlAuth, parameters.urlSuffix.length]);
      return create(group, parameters);
    };
    const { jobId } = await world.copy();
    expect(created).toEqual([[prefix, '/srv/images/win.vhdx', 'D:P(A;;FR;;;S-1-5-21-1-2-3-1000)', 32]]);
    for (const scheme of ['negotiate', 'ntlm'] as const) {
      expect(world.jobs.settings.get(`${jobId}/credentials/server/${scheme}`)).toEqual({
        target: 'server',
        scheme,
        userName: 'fetcher',
        password: 'secret',
      });
    }
  });

  it('uses a new suffix each time', async () => {
    const world = new World();
    const first = await world.copy();
    world.jobs.looks = [...happyLooks];
    expect((await world.copy()).url).not.toBe(first.url);
  });

  it('tells phases and bytes that never run backwards', async () => {
    const world = new World();
    world.jobs.looks = [
      { state: 'queued' },
      { state: 'connecting', transferred: 0n, total: 100n },
      { state: 'transferring', transferred: 60n, total: 100n },
      // The engine lost what was not durable.
      { state: 'transferring', transferred: 20n, total: 100n },
      { state: 'transientError', transferred: 20n, total: 100n },
      { state: 'transferring', transferred: 100n, total: 100n },
      { state: 'transferred', transferred: 100n, total: 100n },
    ];
    world.jobs.wait = { waitReason: 'cannot connect', nextAttempt: toFiletime(world.clock.now() + 60_000) };
    await world.copy();
    expect(world.progress.map(({ phase, bytesTransferred }) => [phase, Number(bytesTransferred)])).toEqual([
      ['queued', 0],
      ['queued', 0],
      ['connecting', 0],
      ['transferring', 60],
      ['transferring', 60],
      ['waiting', 60],
      // All is there: what remains is the digest.
      ['verifying', 100],
      ['verifying', 100],
      ['finishing', 100],
    ]);
    const waiting = world.progress.find(({ phase }) => phase === 'waiting');
    expect(waiting).toMatchObject({ reason: 'cannot connect', nextAttempt: new World().clock.now() + 60_000 });
    expect(world.progress[0]).toMatchObject({ jobId: undefined, bytesTotal: undefined });
    expect(world.progress.at(-1)).toMatchObject({ jobId: expect.stringContaining('{'), bytesTotal: 100n });
  });

  it('looks at the job in the interval that is given', async () => {
    const world = new World();
    const start = world.clock.now();
    await world.copy({ pollInterval: 7000 });
    expect(world.clock.now() - start).toBe((happyLooks.length - 1) * 7000);
  });

  it('does not delete a group that was there', async () => {
    const world = new World();
    await world.urlGroups.createUrlGroup(prefix);
    await world.copy();
    expect(await world.remains()).toEqual([prefix]);
    expect(world.calls).not.toContain('source.createUrlGroup');
    expect(world.calls).not.toContain('source.deleteUrlGroup');
    expect(world.calls).toContain('source.deleteUrl');
  });

  it('leaves the URL when told to, and nothing else', async () => {
    const world = new World();
    const { url, leftovers } = await world.copy({ keepUrl: true });
    expect(leftovers).toEqual([]);
    expect(await world.remains()).toEqual([prefix]);
    expect(await world.urlGroups.checkUrl(prefix, url.split('/').at(-1)!)).toBe(true);
  });

  it('does not keep the URL of a copy that failed', async () => {
    const world = new World();
    world.jobs.looks = [{ state: 'error' }];
    await expect(world.copy({ keepUrl: true })).rejects.toThrow();
    expect(await world.remains()).toEqual([]);
  });
});

describe('digests', () => {
  it('compares with the argument and with the source', async () => {
    const world = new World();
    const { jobId, verifiedAgainst } = await world.copy({ sha256: digest });
    expect(verifiedAgainst).toEqual(['argument', 'source']);
    expect(jobId).toBeDefined();
  });

  it('waits for the source’s digest', async () => {
    const world = new World();
    world.urlGroups.digests = [null, null, digest];
    expect((await world.copy()).verifiedAgainst).toEqual(['source']);
    expect(world.calls.filter((call) => call === 'source.getUrlDetails')).toHaveLength(3);
  });

  it.each([
    ['the argument', { sha256: 'cd'.repeat(32) }, digest],
    ['the source', {}, 'cd'.repeat(32)],
  ])('a copy that differs from %s is controller/integrity, and is not completed', async (_what, changes, source) => {
    const world = new World();
    world.urlGroups.digests = [source];
    await expect(world.copy(changes)).rejects.toMatchObject({ code: 'controller/integrity', hresult: 0x8020_0053 });
    expect(world.calls).not.toContain('destination.setJobState complete');
    expect(world.calls).toContain('destination.setJobState cancel');
    expect(await world.remains()).toEqual([]);
  });

  it('a client that knows digests and has none is not believed', async () => {
    const world = new World();
    world.jobs.sha256 = null;
    await expect(world.copy()).rejects.toMatchObject({ code: 'controller/integrity' });
    expect(await world.remains()).toEqual([]);
  });

  it('a source’s digest that never comes ends with the time-out, and the job goes on', async () => {
    const world = new World();
    world.urlGroups.digests = [null];
    await expect(world.copy({ timeout: 60 })).rejects.toMatchObject({ code: 'controller/timed-out' });
    expect(await world.remains()).toHaveLength(2);
  });
});

describe('machines without Carmine’s extensions', () => {
  const windows = ['modifyFileDetails', 'getFileDetails', 'getUrlDetails', 'listEndedJobs'];

  it('are copied between without digests', async () => {
    const world = new World();
    world.missing = windows;
    expect(await world.copy()).toMatchObject({ sha256: null, verifiedAgainst: [], leftovers: [] });
    expect(await world.remains()).toEqual([]);
  });

  it('refuse --sha256 before a byte moves', async () => {
    const world = new World();
    world.missing = windows;
    await expect(world.copy({ sha256: digest })).rejects.toMatchObject({ code: 'controller/extension-missing' });
    expect(world.calls).not.toContain('destination.setJobState resume');
    expect(await world.remains()).toEqual([]);
  });

  it('a source alone without them: the client’s digest stands by itself', async () => {
    const world = new World();
    world.missing = ['getUrlDetails'];
    expect(await world.copy()).toMatchObject({ sha256: digest, verifiedAgainst: [] });
  });

  it('waiting has a reason all the same', async () => {
    const world = new World();
    world.missing = windows;
    world.jobs.looks = [{ state: 'transientError' }, ...happyLooks];
    await world.copy();
    expect(world.progress.find(({ phase }) => phase === 'waiting')).toMatchObject({
      reason: 'a failure that may pass',
    });
  });
});

describe('a job that does not go well', () => {
  it('in error: its HRESULT, its text, and nothing left', async () => {
    const world = new World();
    world.jobs.looks = [{ state: 'connecting' }, { state: 'error' }];
    world.jobs.report = {
      context: 'remoteFile',
      code: 0x8019_0194,
      contextDescription: 'the remote file',
      errorDescription: 'not found',
    };
    const failure = { hresult: 0x8019_0194, message: 'the job failed: not found (the remote file) [0x80190194]' };
    await expect(world.copy()).rejects.toMatchObject(failure);
    // Before it was cancelled: afterwards it cannot be asked.
    expect(world.calls.indexOf('destination.getError')).toBeGreaterThan(world.calls.indexOf('destination.getJob'));
    expect(world.calls.indexOf('destination.getError')).toBeLessThan(
      world.calls.indexOf('destination.setJobState cancel'),
    );
    expect(await world.remains()).toEqual([]);
  });

  it('in error without texts: those of the table', async () => {
    const world = new World();
    world.jobs.looks = [{ state: 'error' }];
    world.jobs.report = { context: 'localFile', code: 0x8007_0070, contextDescription: '', errorDescription: '' };
    await expect(world.copy()).rejects.toMatchObject({
      hresult: 0x8007_0070,
      message: expect.stringContaining('localFile'),
    });
  });

  it('in error without details', async () => {
    const world = new World();
    world.jobs.looks = [{ state: 'error' }];
    await expect(world.copy()).rejects.toMatchObject({ code: 'controller/job-failed' });
    expect(await world.remains()).toEqual([]);
  });

  it.each<[string, Look[], string[], object]>([
    [
      'ended by somebody',
      [{ state: 'connecting' }, { state: 'cancelled' }],
      [],
      { code: 'controller/job-failed', message: expect.stringContaining('cancelled by request') },
    ],
    [
      'gone without a history',
      [{ state: 'connecting' }, { state: 'cancelled' }],
      ['listEndedJobs'],
      { code: 'controller/job-vanished' },
    ],
  ])('%s', async (_what, looks, missing, expected) => {
    const world = new World();
    world.jobs.looks = looks;
    world.missing = missing;
    await expect(world.copy()).rejects.toMatchObject(expected);
    expect(await world.remains()).toEqual([]);
  });

  it('that takes longer than the time-out goes on, with its URL', async () => {
    const world = new World();
    world.jobs.looks = [{ state: 'transferring', transferred: 1n, total: 100n }];
    const start = world.clock.now();
    await expect(world.copy({ timeout: 30 })).rejects.toMatchObject({
      code: 'controller/timed-out',
      kind: 'transient',
      context: { seconds: 30 },
    });
    expect(world.clock.now() - start).toBe(30_000);
    const [group, jobId] = await world.remains();
    expect(group).toBe(prefix);
    const url = (await world.jobs.getJob(jobId!)).files[0]!.remoteUrl;
    expect(await world.urlGroups.checkUrl(prefix, url.split('/').at(-1)!)).toBe(true);
    expect(world.calls.some((call) => /cancel|delete/.test(call))).toBe(false);
  });
});

describe('machines that cannot be reached', () => {
  const awayFrom = (world: World, end: 'source' | 'destination', after: string, seconds: number) => {
    let back: number | undefined;
    world.reachable = (which) => {
      if (which !== end) return true;
      if (back === undefined && world.calls.at(-2) === `${end}.${after}`) back = world.clock.now() + seconds * 1000;
      return back === undefined || world.clock.now() >= back;
    };
  };

  it('a client that is away for a while is waited for', async () => {
    const world = new World();
    awayFrom(world, 'destination', 'getJob', 300);
    await expect(world.copy()).resolves.toMatchObject({ sha256: digest });
    expect(polls(world)).toBe(happyLooks.length + 600);
    expect(world.progress).toContainEqual(
      expect.objectContaining({ phase: 'waiting', reason: 'wsman://host7:5985 cannot be reached' }),
    );
  });

  it('a client that is away for too long ends the copy; the job is reported as left behind', async () => {
    const world = new World();
    awayFrom(world, 'destination', 'getJob', 1e9);
    const start = world.clock.now();
    const error = await world.copy({ unreachableTimeout: 60 }).catch((thrown: unknown) => CarmineError.from(thrown));
    expect(error).toMatchObject({ code: 'wsman/unreachable', kind: 'transient' });
    // A minute until it was given up, and five attempts to cancel the job.
    expect(world.clock.now() - start).toBe(500 + 60_000 + 4000);
    const [jobId, ...rest] = await world.remains();
    expect(rest).toEqual([]);
    expect((error as CarmineError).message).toContain(`left behind: the job ${jobId}`);
    expect((error as CarmineError).context).toMatchObject({ leftovers: [expect.stringContaining(jobId!)] });
  });

  it('being away now and then does not add up', async () => {
    const world = new World();
    world.jobs.looks = [...Array.from({ length: 50 }, (): Look => ({ state: 'connecting' })), ...happyLooks];
    let calls = 0;
    world.reachable = (end) => end === 'source' || world.calls.at(-1) !== 'destination.getJob' || ++calls % 5 !== 0;
    await expect(world.copy({ unreachableTimeout: 1 })).resolves.toMatchObject({ sha256: digest });
  });

  it.each([
    ['destination', 'setJobState resume'],
    ['source', 'checkUrl'],
  ] as const)('%s away between %s and the end costs time, not the file', async (end, after) => {
    const world = new World();
    awayFrom(world, end, after, 120);
    await expect(world.copy()).resolves.toMatchObject({ sha256: digest, leftovers: [] });
    expect(await world.remains()).toEqual([]);
  });

  it('a source that is away during the cleaning up is reported, once for all that is there', async () => {
    const world = new World();
    world.reachable = (end) => end === 'destination' || !world.calls.includes('destination.setJobState complete');
    const { leftovers } = await world.copy();
    expect(leftovers).toEqual([
      expect.stringMatching(/^the URL [0-9a-f]{32} in https:\/\/\+:8443\/carmine\/ on wsman:\/\/files:5985$/),
      'the URL group https://+:8443/carmine/ on wsman://files:5985',
    ]);
    // The group is not tried after five attempts on the URL failed.
    expect(world.calls.filter((call) => call === 'source.deleteUrl')).toHaveLength(5);
    expect(world.calls).not.toContain('source.deleteUrlGroup');
  });

  it('a completion whose answer was lost is one all the same', async () => {
    const world = new World();
    world.fault = {
      at: 12 + happyLooks.length + 3,
      when: 'after',
      error: new CarmineError('wsman/timed-out', { context: { milliseconds: 60_000 } }),
    };
    const result = await world.copy();
    expect(world.calls[world.fault.at - 1]).toBe('destination.setJobState complete');
    expect(world.calls.filter((call) => call === 'destination.setJobState complete')).toHaveLength(2);
    expect(result.leftovers).toEqual([]);
    expect(world.calls).not.toContain('destination.setJobState cancel');
  });
});

describe('what cannot be asked for', () => {
  it('a malformed prefix fails before any call', async () => {
    const world = new World();
    await expect(world.copy({ urlGroup: 'http://+:80/a/b' })).rejects.toMatchObject({
      code: 'url-group/invalid-prefix',
    });
    expect(world.calls).toEqual([]);
  });

  it('an account that the source does not know ends the copy before anything is published', async () => {
    const world = new World();
    const options = world.options();
    const source = {
      ...options.source,
      accounts: {
        async *listAccounts() {},
        lookUpAccount: () => Promise.reject(new CarmineError('cim/not-found', { context: { what: 'the account' } })),
      },
    };
    await expect(world.copy({ source })).rejects.toMatchObject({ code: 'cim/not-found' });
    expect(world.calls).toEqual([]);
  });

  it('a job that the client refused is not looked for', async () => {
    const world = new World();
    world.fault = { at: 7, when: 'before', error: new CarmineError('job/account-not-available') };
    await expect(world.copy()).rejects.toMatchObject({ code: 'job/account-not-available' });
    expect(world.calls.slice(6)).toEqual([
      'destination.createJob',
      'source.deleteUrl',
      'source.getUrlGroupDetails',
      'source.deleteUrlGroup',
    ]);
  });

  it('a group that another copy uses by now stays', async () => {
    const world = new World();
    const { deleteUrl } = world.urlGroups;
    world.urlGroups.deleteUrl = async (prefix, suffix) => {
      await world.urlGroups.createUrl(prefix, {
        urlSuffix: 'of another copy',
        sourceFilePath: '/srv/other',
        sddlAuth: '',
      });
      return deleteUrl.call(world.urlGroups, prefix, suffix);
    };
    await world.copy();
    expect(world.calls).not.toContain('source.deleteUrlGroup');
    expect(await world.urlGroups.checkUrl('https://+:8443/carmine', 'of another copy')).toBe(true);
  });

  it.each([
    ['https://+:8443/carmine', 'url-group/no-certificate'],
    ['http://+:8080/carmine', 'url-group/port-in-use'],
  ])('a group that is not served is an error before anything is published: %s', async (urlGroup, code) => {
    const world = new World();
    world.urlGroups.getUrlGroupDetails = async (prefix) => ({ urlGroup: prefix, state: 'offline', urlCount: 0 });
    await expect(world.copy({ urlGroup })).rejects.toMatchObject({ code });
    expect(await world.remains()).toEqual([]);
  });

  it('a URL that is not there after its creation is an error', async () => {
    const world = new World();
    world.urlGroups.checkUrl = async () => false;
    await expect(world.copy()).rejects.toMatchObject({ code: 'url/not-found' });
    expect(await world.remains()).toEqual([]);
  });
});
