import type { CertificateStore, StoredCertificate } from '@carmine/core';
import { CarmineError } from '@carmine/errors';
import { windowsLimits } from '@carmine/job-engine';
import { describe, expect, it } from 'vitest';
import { EngineFixture } from './support/engine-fixture.ts';

describe('arguments', () => {
  it.each([
    ['a name of 257 characters', { displayName: 'x'.repeat(257) }, 0x8020_0021],
    ['a description of 1,025 characters', { description: 'x'.repeat(1_025) }, 0x8020_0021],
    ['a URL of another scheme', { remoteUrl: 'ftp://origin.example/a' }, 0x8007_2ee6],
    ['something that is no URL', { remoteUrl: 'nonsense' }, 0x8007_2ee5],
    ['a URL that is too long', { remoteUrl: `http://h/${'x/'.repeat(1_100)}` }, 0x8007_2ee5],
    ['a path segment that is too long', { remoteUrl: `http://h/${'x'.repeat(261)}` }, 0x8007_2ee5],
    ['credentials in a URL', { remoteUrl: 'http://user:word@origin.example/a' }, 0x8007_2ee5],
    ['an upload', { type: 'upload' as const }, 0x8000_4001],
    ['an account that is not available', { serviceAccount: 'LocalSystem' as const }, 0x8007_0005],
  ])('refuses %s', async (_what, changes, hresult) => {
    const f = await EngineFixture.start();
    await expect(f.create('a', changes)).rejects.toMatchObject({ hresult });
    expect(await f.store.load()).toEqual([]);
  });

  it('refuses a destination that cannot be written, before there is a job', async () => {
    const f = await EngineFixture.start();
    const failure = new CarmineError('file/outside-roots', { context: { path: '/srv/a' } });
    f.transfers.failures.set('check /srv/a', failure);
    await expect(f.create('a')).rejects.toBe(failure);
    const id = await f.create('b');
    await expect(f.engine.addFile(id, 'http://origin.example/a', '/srv/a')).rejects.toBe(failure);
    expect((await f.engine.getJob(id)).filesTotal).toBe(1);
  });

  it('accepts the accounts that map to the own user, with their SIDs as owners', async () => {
    const f = await EngineFixture.start({
      accounts: { NetworkService: 'carmine', LocalSystem: 'root' },
      ownUser: 'carmine',
    });
    expect((await f.engine.getJob(await f.create('a'))).owner).toBe('S-1-5-20');
    await expect(f.create('b', { serviceAccount: 'LocalSystem' })).rejects.toMatchObject({ kind: 'refused' });
    await expect(f.create('b', { serviceAccount: 'LocalService' })).rejects.toMatchObject({ kind: 'refused' });
    const all = await EngineFixture.start({ accounts: { LocalSystem: 'root', LocalService: 'root' }, ownUser: 'root' });
    expect((await all.engine.getJob(await all.create('a', { serviceAccount: 'LocalSystem' }))).owner).toBe('S-1-5-18');
    expect((await all.engine.getJob(await all.create('b', { serviceAccount: 'LocalService' }))).owner).toBe('S-1-5-19');
  });

  it('has no limits unless it is given some', async () => {
    expect(windowsLimits).toEqual({ maxJobsPerMachine: 300, maxJobsPerUser: 60, maxFilesPerJob: 200 });
    const f = await EngineFixture.start({ limits: { maxJobsPerMachine: 3, maxJobsPerUser: 2, maxFilesPerJob: 2 } });
    // All at once: the count must hold even then.
    const outcomes = await Promise.allSettled([f.create('a'), f.create('b'), f.create('c')]);
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
    expect(outcomes[2]).toMatchObject({ reason: { hresult: 0x8020_0049 } });
    const id = outcomes[0]?.status === 'fulfilled' ? outcomes[0].value : '';
    await f.engine.addFile(id, 'http://origin.example/x', '/srv/x');
    await expect(f.engine.addFile(id, 'http://origin.example/y', '/srv/y')).rejects.toMatchObject({
      hresult: 0x8020_0051,
    });
    const one = await EngineFixture.start({ limits: { maxJobsPerMachine: 1, maxJobsPerUser: 2, maxFilesPerJob: 2 } });
    await one.create('a');
    await expect(one.create('b')).rejects.toMatchObject({ hresult: 0x8020_0050 });
  });

  it.each([
    [{ target: 'server', scheme: 'basic', userName: null, password: null }, 'job/invalid-credentials'],
    [{ target: 'server', scheme: 'ntlm', userName: null, password: 'p' }, 'job/invalid-credentials'],
    [{ target: 'server', scheme: 'ntlm', userName: '', password: 'p' }, 'job/invalid-credentials'],
    [{ target: 'server', scheme: 'ntlm', userName: 'u'.repeat(301), password: 'p' }, 'job/user-name-too-long'],
    [{ target: 'server', scheme: 'ntlm', userName: 'u', password: 'p'.repeat(65_537) }, 'job/password-too-long'],
    [{ target: 'server', scheme: 'passport', userName: 'u', password: 'p' }, 'internal/not-implemented'],
    [{ target: 'moon', scheme: 'ntlm', userName: 'u', password: 'p' }, 'job/invalid-auth-target'],
    [{ target: 'server', scheme: 'moon', userName: 'u', password: 'p' }, 'job/invalid-auth-scheme'],
  ])('refuses the credentials %j', async (credentials, code) => {
    const f = await EngineFixture.start();
    const id = await f.create('a', { suspend: true });
    await expect(f.engine.setCredentials(id, credentials as never)).rejects.toMatchObject({ code });
    expect((await f.store.load())[0]?.credentials).toEqual([]);
  });

  it('accepts implicit credentials for NTLM and Negotiate', async () => {
    const f = await EngineFixture.start();
    const id = await f.create('a', { suspend: true });
    const implicit = { target: 'server', scheme: 'negotiate', userName: null, password: null } as const;
    expect(await f.engine.setCredentials(id, implicit)).toBe(0);
  });

  it('accepts no proxy, the preconfigured one and lists, and says that it cannot find one by itself', async () => {
    const f = await EngineFixture.start();
    const id = await f.create('a', { suspend: true });
    expect(await f.engine.setProxySettings(id, { usage: 'noProxy', proxyList: null, bypassList: null })).toBe(0);
    expect(await f.engine.setProxySettings(id, { usage: 'preconfig' })).toBe(0);
    const list = { usage: 'override', proxyList: 'p:8080 http=q', bypassList: '*.example <local>' } as const;
    expect(await f.engine.setProxySettings(id, list)).toBe(0);
    await expect(f.engine.setProxySettings(id, { usage: 'autodetect' })).rejects.toMatchObject({ kind: 'unsupported' });
    for (const wrong of [{ proxyList: 'socks://p' }, { proxyList: '' }, { proxyList: 'p', bypassList: 'a*b' }]) {
      await expect(f.engine.setProxySettings(id, { usage: 'override', ...wrong })).rejects.toMatchObject({
        hresult: 0x8020_003f,
      });
    }
    await expect(f.engine.setProxySettings(id, { usage: 'noProxy', proxyList: 'p:8080' })).rejects.toMatchObject({
      hresult: 0x8007_0057,
    });
  });

  it('refuses numbers that are no unsigned 32-bit integers, digests that are none, files that are not there', async () => {
    const f = await EngineFixture.start();
    const id = await f.create('a', { suspend: true });
    for (const changes of [
      { minimumRetryDelay: -1 },
      { noProgressTimeout: 2 ** 32 },
      { priority: 'urgent' as never },
    ]) {
      await expect(f.engine.modifyJob(id, changes)).rejects.toMatchObject({ hresult: 0x8007_0057 });
    }
    await expect(f.engine.modifyFileDetails(id, 0, { expectedSha256: 'abc' })).rejects.toMatchObject({
      hresult: 0x8007_0057,
    });
    await expect(f.engine.getFileDetails(id, 1)).rejects.toMatchObject({ hresult: 0x8007_0057 });
    await expect(f.engine.setJobState(id, 'explode' as never)).rejects.toMatchObject({ hresult: 0x8007_0057 });
  });

  it('looks a client certificate up when it is set and again when it is used', async () => {
    const certificate: StoredCertificate = {
      certificate: 'PEM',
      privateKey: 'PEM',
      thumbprint: new Uint8Array(20).fill(7),
      sha256: new Uint8Array(32),
      subject: 'CN=client',
    };
    let there = true;
    const certificates: CertificateStore = {
      findByThumbprint: async (store, hash) => (there && store === 'MY' && hash[0] === 7 ? certificate : undefined),
      findBySubject: async (_store, subject) => ('CN=client'.includes(subject) ? certificate : undefined),
    };
    const f = await EngineFixture.start({ certificates });
    const id = await f.create('a', { suspend: true });
    const byHash = (fill: number, length = 20) =>
      ({ by: 'hash', location: 'localMachine', store: 'MY', hash: new Uint8Array(length).fill(fill) }) as const;
    await expect(f.engine.setClientCertificate(id, byHash(8))).rejects.toMatchObject({ hresult: 0x8009_2004 });
    await expect(f.engine.setClientCertificate(id, byHash(7, 19))).rejects.toMatchObject({ hresult: 0x8007_0057 });
    expect(
      await f.engine.setClientCertificate(id, { by: 'name', location: 'users', store: 'MY', subject: 'client' }),
    ).toBe(0);
    expect(await f.engine.setClientCertificate(id, byHash(7))).toBe(0);
    await f.engine.setJobState(id, 'resume');
    await f.settle();
    expect(f.transfers.at('a').request.clientCertificate).toEqual(certificate);
    await f.engine.setJobState(id, 'suspend');
    there = false;
    await f.engine.setJobState(id, 'resume');
    expect(await f.state(id)).toBe('error');
    expect((await f.engine.getError(id, 0)).code).toBe(0x8009_2004);
  });

  it('ends a wait that its caller gave up', async () => {
    const f = await EngineFixture.start();
    const signal = AbortSignal.abort();
    await expect(f.engine.getJob('x', { signal })).rejects.toMatchObject({ code: 'internal/aborted' });
    await expect(
      f.engine.createJob({ displayName: '', remoteUrl: 'http://o/a', localFile: '/srv/a' }, { signal }),
    ).rejects.toMatchObject({ code: 'internal/aborted' });
  });
});
