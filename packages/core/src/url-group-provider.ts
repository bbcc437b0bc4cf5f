import type { CallOptions, Filetime, SuccessCode } from './call.ts';
import type { UrlGroupState } from './url-group-machine.ts';

/** WMI values of SetUrlGroupAuthentication's Scheme (2 is reserved). */
export const urlGroupSchemes = ['negotiate', 'ntlm'] as const;
export type UrlGroupScheme = (typeof urlGroupSchemes)[number];

/** The literal names of SetProperty's Property. */
export const urlGroupProperties = ['ConnectionLimit', 'BandwidthLimit'] as const;
export type UrlGroupProperty = (typeof urlGroupProperties)[number];

/** In-parameters of CreateUrl. */
export interface CreateUrlParameters {
  readonly urlSuffix: string;
  /** Absolute path on the server; the file must exist and be readable. */
  readonly sourceFilePath: string;
  /** Empty: any identity that the group's authentication accepted. */
  readonly sddlAuth: string;
  /** SHA-1 thumbprint (20 bytes): only a TLS client certificate with it may read the URL. */
  readonly certificateHashAccessCheck?: Uint8Array | null | undefined;
}

/** Out-parameters of GetSslCertificate. */
export interface SslCertificateBinding {
  readonly storeName: string;
  /** SHA-1 thumbprint, 20 bytes. */
  readonly hash: Uint8Array;
}

/**
 * URL groups of one machine: class BitsCompactServerUrlGroup as typed methods. A group is named by its URL prefix; any
 * spelling that normalises to the same prefix names the same group. Failures are CarmineErrors with an `hresult`.
 */
export interface UrlGroupProvider {
  listUrlGroups(options?: CallOptions): AsyncIterable<string>;
  /** Returns the normalised prefix; `url-group/not-found` otherwise. */
  getUrlGroup(prefix: string, options?: CallOptions): Promise<string>;
  /** Succeeds and changes nothing when the group exists. */
  createUrlGroup(prefix: string, options?: CallOptions): Promise<SuccessCode>;
  /** Removes the group and its URLs; running transfers of that group end. Succeeds when there is none ("if it was available earlier"). */
  deleteUrlGroup(prefix: string, options?: CallOptions): Promise<SuccessCode>;
  createUrl(prefix: string, parameters: CreateUrlParameters, options?: CallOptions): Promise<SuccessCode>;
  checkUrl(prefix: string, urlSuffix: string, options?: CallOptions): Promise<boolean>;
  deleteUrl(prefix: string, urlSuffix: string, options?: CallOptions): Promise<SuccessCode>;
  setUrlGroupAuthentication(
    prefix: string,
    scheme: UrlGroupScheme,
    enable: boolean,
    options?: CallOptions,
  ): Promise<SuccessCode>;
  getUrlGroupAuthentication(prefix: string, scheme: UrlGroupScheme, options?: CallOptions): Promise<boolean>;
  setProperty(prefix: string, property: UrlGroupProperty, value: number, options?: CallOptions): Promise<SuccessCode>;
  getProperty(prefix: string, property: UrlGroupProperty, options?: CallOptions): Promise<number>;
  setSslCertificate(port: number, binding: SslCertificateBinding, options?: CallOptions): Promise<SuccessCode>;
  getSslCertificate(port: number, options?: CallOptions): Promise<SslCertificateBinding>;
  removeSslCertificate(port: number, options?: CallOptions): Promise<SuccessCode>;
  /** Calls back whenever the list of groups may have changed. Returns what ends it. Who cannot tell has it not, and is polled. */
  watch?(changed: () => void): () => void;
}

/** What Carmine's server agent knows of a published URL beyond Windows. */
export interface UrlDetails {
  readonly urlGroup: string;
  readonly urlSuffix: string;
  readonly length: bigint;
  /** SHA-256 of the source in its present version, lower-case hexadecimal; null until computed. */
  readonly sha256: string | null;
}

/** What Carmine's server agent knows of a URL group beyond Windows. */
export interface UrlGroupDetails {
  readonly urlGroup: string;
  readonly state: UrlGroupState;
  /** Number of URLs in it. */
  readonly urlCount: number;
}

/** An answer with content that Carmine's server agent is sending. */
export interface UrlTransfer {
  /** Of this run of the agent, from 1. */
  readonly transferId: number;
  readonly urlGroup: string;
  readonly urlSuffix: string;
  /** Who asked: the account's name, empty for nobody in particular. */
  readonly identity: string;
  /** Address of the peer. */
  readonly source: string;
  /** The `Range` that was asked for; null for all. */
  readonly range: string | null;
  /** Size of the file, bytes. */
  readonly length: bigint;
  /** Of the file, handed to the connection so far, bytes. */
  readonly bytesSent: bigint;
  readonly startTime: Filetime;
}

/** Carmine's server agent beyond Windows; on a machine without it every call fails as `unsupported`. */
export interface UrlGroupExtensions {
  /** The answers with content that are being sent now. */
  listTransfers(options?: CallOptions): AsyncIterable<UrlTransfer>;
  getUrlGroupDetails(prefix: string, options?: CallOptions): Promise<UrlGroupDetails>;
  getUrlDetails(prefix: string, urlSuffix: string, options?: CallOptions): Promise<UrlDetails>;
}
