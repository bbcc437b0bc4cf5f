import {
  type CreateUrlParameters,
  parseUrlPrefix,
  type SslCertificateBinding,
  type UrlDetails,
  type UrlGroupDetails,
  type UrlGroupExtensions,
  type UrlGroupProperty,
  type UrlGroupProvider,
  type UrlGroupScheme,
  type UrlTransfer,
} from '@carmine/core';
import { CarmineError } from '@carmine/errors';

interface Group {
  readonly urls: Map<string, CreateUrlParameters>;
  readonly schemes: Map<UrlGroupScheme, boolean>;
  readonly properties: Map<UrlGroupProperty, number>;
}

/** A UrlGroupProvider in memory that serves nothing. */
export class MemoryUrlGroups implements UrlGroupProvider, UrlGroupExtensions {
  readonly #groups = new Map<string, Group>();
  readonly #certificates = new Map<number, SslCertificateBinding>();

  async *listUrlGroups(): AsyncIterable<string> {
    yield* this.#groups.keys();
  }

  async getUrlGroup(prefix: string): Promise<string> {
    this.#find(prefix);
    return parseUrlPrefix(prefix).text;
  }

  async createUrlGroup(prefix: string): Promise<number> {
    const { text } = parseUrlPrefix(prefix);
    if (!this.#groups.has(text)) {
      const schemes = new Map<UrlGroupScheme, boolean>([
        ['negotiate', true],
        ['ntlm', true],
      ]);
      this.#groups.set(text, { urls: new Map(), schemes, properties: new Map() });
    }
    return 0;
  }

  async deleteUrlGroup(prefix: string): Promise<number> {
    this.#groups.delete(parseUrlPrefix(prefix).text);
    return 0;
  }

  async createUrl(prefix: string, parameters: CreateUrlParameters): Promise<number> {
    const { urls } = this.#find(prefix);
    const suffix = parameters.urlSuffix.toLowerCase();
    const existing = urls.get(suffix);
    if (existing !== undefined && existing.sourceFilePath !== parameters.sourceFilePath) {
      throw new CarmineError('url/exists', { context: { suffix: parameters.urlSuffix } });
    }
    urls.set(suffix, parameters);
    return 0;
  }

  async checkUrl(prefix: string, urlSuffix: string): Promise<boolean> {
    return this.#find(prefix).urls.has(urlSuffix.toLowerCase());
  }

  async deleteUrl(prefix: string, urlSuffix: string): Promise<number> {
    if (!this.#find(prefix).urls.delete(urlSuffix.toLowerCase())) {
      throw new CarmineError('url/not-found', { context: { suffix: urlSuffix } });
    }
    return 0;
  }

  async setUrlGroupAuthentication(prefix: string, scheme: UrlGroupScheme, enable: boolean): Promise<number> {
    this.#find(prefix).schemes.set(scheme, enable);
    return 0;
  }

  async getUrlGroupAuthentication(prefix: string, scheme: UrlGroupScheme): Promise<boolean> {
    return this.#find(prefix).schemes.get(scheme) ?? false;
  }

  async setProperty(prefix: string, property: UrlGroupProperty, value: number): Promise<number> {
    const group = this.#find(prefix);
    if (property === 'BandwidthLimit' && value < 1024) {
      throw new CarmineError('url-group/invalid-property', {
        context: { name: property, reason: 'the minimum is 1024' },
      });
    }
    group.properties.set(property, value);
    return 0;
  }

  async getProperty(prefix: string, property: UrlGroupProperty): Promise<number> {
    return this.#find(prefix).properties.get(property) ?? 0xffff_ffff;
  }

  async setSslCertificate(port: number, binding: SslCertificateBinding): Promise<number> {
    this.#certificates.set(port, binding);
    return 0;
  }

  async getSslCertificate(port: number): Promise<SslCertificateBinding> {
    const binding = this.#certificates.get(port);
    if (binding === undefined) throw new CarmineError('url-group/no-certificate', { context: { port } });
    return binding;
  }

  async removeSslCertificate(port: number): Promise<number> {
    await this.getSslCertificate(port);
    this.#certificates.delete(port);
    return 0;
  }

  /** This provider sends nothing. */
  async *listTransfers(): AsyncIterable<UrlTransfer> {}

  async getUrlGroupDetails(prefix: string): Promise<UrlGroupDetails> {
    return { urlGroup: parseUrlPrefix(prefix).text, state: 'listening', urlCount: this.#find(prefix).urls.size };
  }

  async getUrlDetails(prefix: string, urlSuffix: string): Promise<UrlDetails> {
    const url = this.#find(prefix).urls.get(urlSuffix.toLowerCase());
    if (url === undefined) throw new CarmineError('cim/not-found', { context: { what: 'the URL' } });
    return { urlGroup: parseUrlPrefix(prefix).text, urlSuffix: url.urlSuffix, length: 0n, sha256: null };
  }

  #find(prefix: string): Group {
    const group = this.#groups.get(parseUrlPrefix(prefix).text);
    if (group === undefined) throw new CarmineError('url-group/not-found', { context: { prefix } });
    return group;
  }
}
