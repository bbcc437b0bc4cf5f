import type { SslCertificateBinding, UrlPrefix, UrlTransfer } from '@carmine/core';
import type { PublishedUrl, UrlGroup } from './group.ts';
import type { FileVersion } from './validators.ts';

/** Where groups are kept; a change is durable when its promise resolves. */
export interface GroupStore {
  load(): { readonly groups: readonly UrlGroup[]; readonly bindings: ReadonlyMap<number, SslCertificateBinding> };
  saveGroup(group: UrlGroup): Promise<void>;
  forgetGroup(prefix: UrlPrefix): Promise<void>;
  saveUrl(prefix: UrlPrefix, url: PublishedUrl): Promise<void>;
  forgetUrl(prefix: UrlPrefix, key: string): Promise<void>;
  saveBinding(port: number, binding: SslCertificateBinding): Promise<void>;
  forgetBinding(port: number): Promise<void>;
}

/** The sockets. */
export interface Ports {
  /** Serves a port, or changes how it is served; throws `url-group/port-in-use`. */
  open(port: number, scheme: 'http' | 'https', tls: PortTls | undefined): Promise<void>;
  close(port: number): Promise<void>;
  /** Ends running answers of a group; resolves when they are gone. */
  endTransfers(group: UrlGroup): Promise<void>;
  /** The answers with content that are being sent. */
  transfers(): readonly UrlTransfer[];
}

export interface PortTls {
  readonly certificate: string;
  readonly privateKey: string;
  /** Ask clients for a certificate: only when a URL needs one, because BITS fails when it is asked and has none. */
  readonly askClientCertificate: boolean;
}

/** The files that may be published. */
export interface SourceFiles {
  /** Opens, checks and closes; throws `url/outside-roots`, `file/not-found`, `file/access-denied`, `file/not-a-file`. */
  inspect(path: string): Promise<FileVersion>;
}

/** What a version of a file is known to hold. */
export interface FileDigests {
  /** SHA-256 of the whole file. */
  readonly sha256: Uint8Array;
  /** SHA-256 of each block of `blockSize` octets, the last may be shorter, one after the other. */
  readonly blocks: Uint8Array;
}

/** Digests of sources, computed in the background. */
export interface DigestSource {
  /** Asks for the digests of a version of a file; undefined until they are known. */
  get(path: string, version: FileVersion): FileDigests | undefined;
}

/** Where digests outlive the process: reading a file again costs much. */
export interface DigestStore {
  loadDigests(path: string, version: FileVersion): FileDigests | undefined;
  /** Replaces those of another version. */
  saveDigests(path: string, version: FileVersion, digests: FileDigests): Promise<void>;
}
