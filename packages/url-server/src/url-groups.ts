import {
  type CertificateStore,
  type CreateUrlParameters,
  parseUrlPrefix,
  type SslCertificateBinding,
  type StoredCertificate,
  type UrlDetails,
  type UrlGroupDetails,
  type UrlGroupEvent,
  type UrlGroupExtensions,
  type UrlGroupProperty,
  type UrlGroupProvider,
  type UrlGroupScheme,
  type UrlTransfer,
  urlGroupTransition,
} from '@carmine/core';
import { CarmineError, isCarmineError } from '@carmine/errors';
import { parseSddl } from '@carmine/security';
import { minimumBandwidth, newGroup, type PublishedUrl, type UrlGroup } from './group.ts';
import type { DigestSource, GroupStore, Ports, SourceFiles } from './shells.ts';
import { suffixKey } from './suffix.ts';

export interface UrlGroupsOptions {
  readonly store: GroupStore;
  readonly ports: Ports;
  readonly files: SourceFiles;
  readonly digests: DigestSource;
  readonly certificates: CertificateStore;
  /** Refuse http groups. */
  readonly requireTls: boolean;
  readonly warn: (message: string) => void;
}

/** The URL groups of this machine: what BitsCompactServerUrlGroup manages and the listeners serve. */
export interface UrlGroups extends UrlGroupProvider, UrlGroupExtensions {
  /** Every group, for routing. */
  readonly groups: ReadonlyMap<string, UrlGroup>;
  /** Calls after every change, until the returned function is called. */
  watch(changed: () => void): () => void;
  /** Loads what is kept and serves it; a port that cannot be served leaves its groups offline with a warning. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

export function createUrlGroups(options: UrlGroupsOptions): UrlGroups {
  return new Groups(options);
}

class Groups implements UrlGroups {
  readonly groups = new Map<string, UrlGroup>();
  readonly #o: UrlGroupsOptions;
  readonly #bindings = new Map<number, SslCertificateBinding>();
  readonly #watchers = new Set<{ readonly changed: () => void }>();
  /** Changes run one after the other: opening a port and keeping a group are one step to everybody else. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: UrlGroupsOptions) {
    this.#o = options;
  }

  start(): Promise<void> {
    return this.#exclusive(async () => {
      const { groups, bindings } = this.#o.store.load();
      for (const [port, binding] of bindings) this.#bindings.set(port, binding);
      for (const group of groups) {
        group.state = 'offline';
        this.groups.set(group.prefix.text, group);
      }
      for (const port of new Set(groups.map((group) => group.prefix.port))) await this.#servePort(port, 'warn');
    });
  }

  stop(): Promise<void> {
    return this.#exclusive(async () => {
      const groups = [...this.groups.values()];
      await Promise.all(
        groups.map(async (group) => {
          if (this.#transition(group, 'shutDown').effects.includes('endTransfers'))
            await this.#o.ports.endTransfers(group);
        }),
      );
      for (const port of new Set(groups.map((group) => group.prefix.port))) await this.#o.ports.close(port);
    });
  }

  async *listUrlGroups(): AsyncIterable<string> {
    for (const { prefix, state } of this.groups.values()) if (state !== 'draining') yield prefix.text;
  }

  async getUrlGroup(prefix: string): Promise<string> {
    return this.#find(prefix).prefix.text;
  }

  async createUrlGroup(text: string): Promise<number> {
    const prefix = parseUrlPrefix(text);
    if (prefix.scheme === 'http' && this.#o.requireTls) throw new CarmineError('url-group/http-refused');
    return this.#exclusive(async () => {
      const existing = this.groups.get(prefix.text);
      const group = existing ?? newGroup(prefix);
      const { effects } = this.#transition(group, 'create');
      if (!effects.includes('persist')) return 0;
      this.groups.set(prefix.text, group);
      try {
        if (effects.includes('listen')) await this.#servePort(prefix.port, 'fail');
        await this.#o.store.saveGroup(group);
      } catch (error) {
        this.groups.delete(prefix.text);
        await this.#closeIfUnused(prefix.port);
        throw error;
      }
      return 0;
    });
  }

  async deleteUrlGroup(text: string): Promise<number> {
    const prefix = parseUrlPrefix(text);
    return this.#exclusive(async () => {
      const group = this.groups.get(prefix.text);
      if (group === undefined) return 0;
      const { effects } = this.#transition(group, 'delete');
      if (effects.includes('forget')) await this.#o.store.forgetGroup(group.prefix);
      if (effects.includes('endTransfers')) {
        await this.#o.ports.endTransfers(group);
        this.#transition(group, 'drained');
      }
      this.groups.delete(prefix.text);
      await this.#closeIfUnused(prefix.port);
      return 0;
    });
  }

  async createUrl(prefix: string, p: CreateUrlParameters): Promise<number> {
    const key = suffixKey(p.urlSuffix);
    if (p.sddlAuth !== '') parseSddl(p.sddlAuth);
    const certificateHash = hashText(p.certificateHashAccessCheck ?? undefined);
    this.#publishable(prefix, key, p);
    const version = await this.#o.files.inspect(p.sourceFilePath);
    // Who creates many at once shares commits with himself: only the decision is exclusive, not the wait for the disk.
    const saved = await this.#exclusive(async () => {
      const { group, existing } = this.#publishable(prefix, key, p);
      const url: PublishedUrl = {
        suffix: existing?.suffix ?? p.urlSuffix,
        key,
        sourcePath: p.sourceFilePath,
        sddl: p.sddlAuth,
        certificateHash,
      };
      group.urls.set(key, url);
      const saving = this.#o.store.saveUrl(group.prefix, url).catch((error: unknown) => {
        if (group.urls.get(key) === url) {
          if (existing === undefined) group.urls.delete(key);
          else group.urls.set(key, existing);
        }
        throw error;
      });
      if (certificateHash === undefined) return { saving };
      await saving;
      await this.#servePort(group.prefix.port, 'warn');
      return { saving };
    });
    await saved.saving;
    this.#o.digests.get(p.sourceFilePath, version);
    return 0;
  }

  /** Throws when a URL cannot be published under that key. */
  #publishable(prefix: string, key: string, p: CreateUrlParameters) {
    const group = this.#find(prefix);
    const existing = group.urls.get(key);
    if (existing !== undefined && existing.sourcePath !== p.sourceFilePath)
      throw new CarmineError('url/exists', { context: { suffix: p.urlSuffix } });
    if (hashText(p.certificateHashAccessCheck ?? undefined) !== undefined && group.prefix.scheme !== 'https') {
      throw new CarmineError('url-group/invalid-argument', {
        context: { name: 'CertificateHashAccessCheck', reason: 'client certificates need an https group' },
      });
    }
    return { group, existing };
  }

  async checkUrl(prefix: string, urlSuffix: string): Promise<boolean> {
    return this.#find(prefix).urls.has(suffixKey(urlSuffix));
  }

  async deleteUrl(prefix: string, urlSuffix: string): Promise<number> {
    const key = suffixKey(urlSuffix);
    return this.#exclusive(async () => {
      const group = this.#find(prefix);
      if (!group.urls.has(key)) throw new CarmineError('url/not-found', { context: { suffix: urlSuffix } });
      await this.#o.store.forgetUrl(group.prefix, key);
      group.urls.delete(key);
      return 0;
    });
  }

  setUrlGroupAuthentication(prefix: string, scheme: UrlGroupScheme, enable: boolean): Promise<number> {
    return this.#change(prefix, (group) => {
      group[scheme] = enable;
    });
  }

  async getUrlGroupAuthentication(prefix: string, scheme: UrlGroupScheme): Promise<boolean> {
    return this.#find(prefix)[scheme];
  }

  async setProperty(prefix: string, property: UrlGroupProperty, value: number): Promise<number> {
    if (property === 'BandwidthLimit' && value < minimumBandwidth) {
      throw new CarmineError('url-group/invalid-property', {
        context: { name: property, reason: `the minimum is ${minimumBandwidth}` },
      });
    }
    return this.#change(prefix, (group) => {
      group[property === 'BandwidthLimit' ? 'bandwidthLimit' : 'connectionLimit'] = value;
    });
  }

  async getProperty(prefix: string, property: UrlGroupProperty): Promise<number> {
    const group = this.#find(prefix);
    return property === 'BandwidthLimit' ? group.bandwidthLimit : group.connectionLimit;
  }

  async setSslCertificate(port: number, binding: SslCertificateBinding): Promise<number> {
    return this.#exclusive(async () => {
      const certificate = await this.#certificate(binding);
      if (certificate === undefined) {
        throw new CarmineError('url-group/certificate-not-found', { context: { store: binding.storeName } });
      }
      await this.#o.store.saveBinding(port, binding);
      this.#bindings.set(port, binding);
      await this.#servePort(port, 'warn');
      return 0;
    });
  }

  async getSslCertificate(port: number): Promise<SslCertificateBinding> {
    const binding = this.#bindings.get(port);
    if (binding === undefined) throw new CarmineError('url-group/no-certificate', { context: { port } });
    return binding;
  }

  async removeSslCertificate(port: number): Promise<number> {
    return this.#exclusive(async () => {
      await this.getSslCertificate(port);
      await this.#o.store.forgetBinding(port);
      this.#bindings.delete(port);
      // Without a certificate an https port cannot be served.
      for (const group of this.groups.values()) {
        if (group.prefix.port !== port || group.prefix.scheme !== 'https') continue;
        const { effects } = this.#transition(group, 'offline');
        if (effects.includes('endTransfers')) await this.#o.ports.endTransfers(group);
      }
      const isHttps = [...this.groups.values()].some(
        (group) => group.prefix.port === port && group.prefix.scheme === 'https',
      );
      if (isHttps) await this.#o.ports.close(port);
      return 0;
    });
  }

  async *listTransfers(): AsyncIterable<UrlTransfer> {
    yield* this.#o.ports.transfers();
  }

  async getUrlGroupDetails(prefix: string): Promise<UrlGroupDetails> {
    const { prefix: found, state, urls } = this.#find(prefix);
    return { urlGroup: found.text, state, urlCount: urls.size };
  }

  async getUrlDetails(prefix: string, urlSuffix: string): Promise<UrlDetails> {
    const group = this.#find(prefix);
    const url = group.urls.get(suffixKey(urlSuffix));
    if (url === undefined) throw new CarmineError('cim/not-found', { context: { what: 'the URL' } });
    const version = await this.#o.files.inspect(url.sourcePath);
    const digests = this.#o.digests.get(url.sourcePath, version);
    return {
      urlGroup: group.prefix.text,
      urlSuffix: url.suffix,
      length: BigInt(version.size),
      sha256: digests === undefined ? null : hex(digests.sha256),
    };
  }

  #find(text: string): UrlGroup {
    const group = this.groups.get(parseUrlPrefix(text).text);
    if (group === undefined || group.state === 'draining')
      throw new CarmineError('url-group/not-found', { context: { prefix: text } });
    return group;
  }

  #change(prefix: string, apply: (group: UrlGroup) => void): Promise<number> {
    return this.#exclusive(async () => {
      const group = this.#find(prefix);
      const { effects } = this.#transition(group, 'change');
      const before = { ...group };
      apply(group);
      try {
        await this.#o.store.saveGroup(group);
      } catch (error) {
        Object.assign(group, {
          negotiate: before.negotiate,
          ntlm: before.ntlm,
          connectionLimit: before.connectionLimit,
          bandwidthLimit: before.bandwidthLimit,
        });
        throw error;
      }
      if (effects.includes('listen')) await this.#servePort(group.prefix.port, 'warn');
      return 0;
    });
  }

  #transition(group: UrlGroup, event: UrlGroupEvent): ReturnType<typeof urlGroupTransition> {
    const transition = urlGroupTransition(group.state, event);
    group.state = transition.state;
    return transition;
  }

  /**
   * Opens a port for its groups, or applies what changed. An https port without a certificate stays closed and its
   * groups offline until SetSslCertificate (the order of the two calls is free).
   */
  async #servePort(port: number, onFailure: 'warn' | 'fail'): Promise<void> {
    const groups = [...this.groups.values()].filter(
      (group) => group.prefix.port === port && group.state !== 'draining',
    );
    const [first] = groups;
    if (first === undefined) return;
    const { scheme } = first.prefix;
    try {
      if (groups.some((group) => group.prefix.scheme !== scheme)) {
        throw new CarmineError('url-group/port-in-use', { context: { port, reason: `it serves ${scheme}` } });
      }
      const tls = scheme === 'https' ? await this.#tlsFor(port, groups) : undefined;
      if (scheme === 'https' && tls === undefined) {
        this.#o.warn(`port ${port} has no usable certificate: its URL groups are offline`);
        return;
      }
      await this.#o.ports.open(port, scheme, tls);
      for (const group of groups) this.#transition(group, 'online');
    } catch (error) {
      if (onFailure === 'fail' || !isCarmineError(error)) throw error;
      this.#o.warn(`port ${port} is not served: ${error.message}`);
      for (const group of groups) this.#transition(group, 'offline');
    }
  }

  async #tlsFor(port: number, groups: readonly UrlGroup[]) {
    const binding = this.#bindings.get(port);
    const stored = binding === undefined ? undefined : await this.#certificate(binding);
    if (stored === undefined) return undefined;
    const askClientCertificate = groups.some((group) =>
      [...group.urls.values()].some((url) => url.certificateHash !== undefined),
    );
    return { certificate: stored.certificate, privateKey: stored.privateKey, askClientCertificate };
  }

  #certificate(binding: SslCertificateBinding): Promise<StoredCertificate | undefined> {
    return this.#o.certificates.findByThumbprint(binding.storeName, binding.hash);
  }

  async #closeIfUnused(port: number): Promise<void> {
    if (![...this.groups.values()].some((group) => group.prefix.port === port)) await this.#o.ports.close(port);
  }

  watch(changed: () => void): () => void {
    const watcher = { changed };
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  /** Whatever changes, changes in here; a failure too may have changed something and taken it back. */
  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work, work).finally(() => {
      for (const { changed } of this.#watchers) changed();
    });
    this.#last = done.catch(() => {});
    return done;
  }
}

function hashText(hash: Uint8Array | undefined): string | undefined {
  if (hash === undefined || hash.length === 0) return undefined;
  if (hash.length !== 20) {
    throw new CarmineError('url-group/invalid-argument', {
      context: { name: 'CertificateHashAccessCheck', reason: 'a SHA-1 thumbprint has 20 bytes' },
    });
  }
  return hex(hash);
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
