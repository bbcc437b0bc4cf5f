import type { UrlGroupState, UrlPrefix } from '@carmine/core';

/** A published file. */
export interface PublishedUrl {
  readonly suffix: string;
  readonly key: string;
  readonly sourcePath: string;
  readonly sddl: string;
  /** SHA-1 thumbprint in lower-case hexadecimal; undefined: no certificate needed. */
  readonly certificateHash: string | undefined;
}

/** A URL group as it is kept and served. Limits: 0xffffffff is none. */
export interface UrlGroup {
  readonly prefix: UrlPrefix;
  state: UrlGroupState;
  negotiate: boolean;
  ntlm: boolean;
  connectionLimit: number;
  /** Bytes per second. */
  bandwidthLimit: number;
  readonly urls: Map<string, PublishedUrl>;
}

export const unlimited = 0xffff_ffff;

/** HTTP.SYS' and BITS' minimum for BandwidthLimit. */
export const minimumBandwidth = 1024;

export function newGroup(prefix: UrlPrefix): UrlGroup {
  return {
    prefix,
    state: 'absent',
    negotiate: true,
    ntlm: true,
    connectionLimit: unlimited,
    bandwidthLimit: unlimited,
    urls: new Map(),
  };
}
