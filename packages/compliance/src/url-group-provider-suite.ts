import type { UrlGroupExtensions, UrlGroupProvider } from '@carmine/core';
import { isCarmineError } from '@carmine/errors';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

export interface UrlGroupProviderFixture {
  readonly provider: UrlGroupProvider & UrlGroupExtensions;
  /** A prefix in normal form that the provider can serve, http, one level. */
  readonly prefix: string;
  /** Paths of two files that exist and may be published. */
  readonly sources: readonly [string, string];
  /** A certificate that the provider's store has, and a port for it. */
  readonly certificate: { readonly storeName: string; readonly hash: Uint8Array; readonly port: number };
  close(): Promise<void>;
}

/** What every UrlGroupProvider does, whatever is between it and the caller. */
export function urlGroupProviderSuite(name: string, open: () => Promise<UrlGroupProviderFixture>): void {
  describe(`UrlGroupProvider: ${name}`, () => {
    let fixture: UrlGroupProviderFixture;
    let groups: UrlGroupProvider & UrlGroupExtensions;
    let prefix: string;
    beforeEach(async () => {
      fixture = await open();
      ({ provider: groups, prefix } = fixture);
    });
    afterEach(() => fixture.close());

    const publish = (urlSuffix: string, sourceFilePath: string) =>
      groups.createUrl(prefix, { urlSuffix, sourceFilePath, sddlAuth: '' });

    it('creates a group once, whatever the spelling, and lists it in normal form', async () => {
      expect(await groups.createUrlGroup(prefix.slice(0, -1))).toBe(0);
      expect(await groups.createUrlGroup(prefix)).toBe(0);
      expect(await list(groups)).toEqual([prefix]);
      expect(await groups.getUrlGroup(prefix.slice(0, -1))).toBe(prefix);
    });

    it('deletes a group with its URLs, and does nothing for one that is not there', async () => {
      await groups.createUrlGroup(prefix);
      await publish('a', fixture.sources[0]);
      expect(await groups.deleteUrlGroup(prefix)).toBe(0);
      expect(await list(groups)).toEqual([]);
      expect(await groups.deleteUrlGroup(prefix)).toBe(0);
      await groups.createUrlGroup(prefix);
      expect(await groups.checkUrl(prefix, 'a')).toBe(false);
    });

    it('publishes, checks and removes URLs; suffixes compare case-insensitively', async () => {
      await groups.createUrlGroup(prefix);
      expect(await groups.checkUrl(prefix, 'Dir/File.bin')).toBe(false);
      expect(await publish('Dir/File.bin', fixture.sources[0])).toBe(0);
      expect(await groups.checkUrl(prefix, 'dir/file.BIN')).toBe(true);
      expect((await groups.getUrlDetails(prefix, 'dir/file.bin')).urlSuffix).toBe('Dir/File.bin');
      expect(await groups.getUrlGroupDetails(prefix)).toEqual({ urlGroup: prefix, state: 'listening', urlCount: 1 });
      expect(await groups.deleteUrl(prefix, 'DIR/file.bin')).toBe(0);
      expect((await groups.getUrlGroupDetails(prefix)).urlCount).toBe(0);
      // Nobody fetches anything here.
      for await (const transfer of groups.listTransfers()) expect.fail(`unexpected: ${transfer.urlSuffix}`);
      expect(await groups.checkUrl(prefix, 'Dir/File.bin')).toBe(false);
    });

    it('accepts the same URL with the same source again and refuses another source', async () => {
      await groups.createUrlGroup(prefix);
      await publish('a', fixture.sources[0]);
      expect(await publish('A', fixture.sources[0])).toBe(0);
      await expect(publish('a', fixture.sources[1])).rejects.toMatchObject({ hresult: 0x8007_00b7 });
    });

    it('starts with Negotiate and NTLM on and switches each alone', async () => {
      await groups.createUrlGroup(prefix);
      expect(await groups.getUrlGroupAuthentication(prefix, 'negotiate')).toBe(true);
      expect(await groups.getUrlGroupAuthentication(prefix, 'ntlm')).toBe(true);
      expect(await groups.setUrlGroupAuthentication(prefix, 'ntlm', false)).toBe(0);
      expect(await groups.getUrlGroupAuthentication(prefix, 'ntlm')).toBe(false);
      expect(await groups.getUrlGroupAuthentication(prefix, 'negotiate')).toBe(true);
    });

    it('keeps limits; the minimum of BandwidthLimit is 1024', async () => {
      await groups.createUrlGroup(prefix);
      expect(await groups.getProperty(prefix, 'BandwidthLimit')).toBe(0xffff_ffff);
      expect(await groups.setProperty(prefix, 'BandwidthLimit', 1024)).toBe(0);
      expect(await groups.setProperty(prefix, 'ConnectionLimit', 3)).toBe(0);
      expect(await groups.getProperty(prefix, 'BandwidthLimit')).toBe(1024);
      expect(await groups.getProperty(prefix, 'ConnectionLimit')).toBe(3);
      await expect(groups.setProperty(prefix, 'BandwidthLimit', 1023)).rejects.toMatchObject({ hresult: 0x8007_0057 });
    });

    it('binds certificates to ports', async () => {
      const { port, storeName, hash } = fixture.certificate;
      await expect(groups.getSslCertificate(port)).rejects.toMatchObject({ hresult: 0x8007_0490 });
      expect(await groups.setSslCertificate(port, { storeName, hash })).toBe(0);
      expect(await groups.getSslCertificate(port)).toEqual({ storeName, hash });
      expect(await groups.removeSslCertificate(port)).toBe(0);
      await expect(groups.getSslCertificate(port)).rejects.toMatchObject({ hresult: 0x8007_0490 });
    });

    it.each([
      ['ftp://+:80/a', 'scheme'],
      ['http://+:0/a', 'port zero'],
      ['http://+/a', 'no port'],
      ['http://+:8080/a/b', 'two levels'],
      ['http://+:8080/../', 'dot segment'],
      ['http://:8080/a', 'no host'],
      ['nonsense', 'no URL'],
    ])('refuses the prefix %s (%s)', async (bad) => {
      await expect(groups.createUrlGroup(bad)).rejects.toMatchObject({ hresult: 0x8007_0057 });
      expect(await list(groups)).toEqual([]);
    });

    it('answers url-group/not-found for every call on an unknown group', async () => {
      const calls: Promise<unknown>[] = [
        groups.getUrlGroup(prefix),
        publish('a', fixture.sources[0]),
        groups.checkUrl(prefix, 'a'),
        groups.deleteUrl(prefix, 'a'),
        groups.setUrlGroupAuthentication(prefix, 'ntlm', true),
        groups.getUrlGroupAuthentication(prefix, 'ntlm'),
        groups.setProperty(prefix, 'ConnectionLimit', 1),
        groups.getProperty(prefix, 'ConnectionLimit'),
        groups.getUrlGroupDetails(prefix),
      ];
      for (const outcome of await Promise.allSettled(calls)) {
        expect(outcome.status === 'rejected' && isCarmineError(outcome.reason, 'url-group/not-found')).toBe(true);
      }
    });

    it('answers ERROR_NOT_FOUND for a URL that is not there', async () => {
      await groups.createUrlGroup(prefix);
      await expect(groups.deleteUrl(prefix, 'none')).rejects.toMatchObject({ hresult: 0x8007_0490 });
    });
  });
}

async function list(groups: UrlGroupProvider): Promise<string[]> {
  const all: string[] = [];
  for await (const group of groups.listUrlGroups()) all.push(group);
  return all;
}
