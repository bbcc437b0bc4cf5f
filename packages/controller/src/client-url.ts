import type { UrlPrefix } from '@carmine/core';

/** The URL that the client fetches: a wildcard in the prefix becomes the host that the source is known by. */
export function clientUrl(prefix: UrlPrefix, host: string, suffix: string): string {
  const authority = prefix.host === '+' || prefix.host === '*' ? host : prefix.host;
  const bracketed = authority.includes(':') && !authority.startsWith('[') ? `[${authority}]` : authority;
  return `${prefix.scheme}://${bracketed}:${prefix.port}${prefix.path}${suffix}`;
}
