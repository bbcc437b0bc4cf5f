import { CarmineError } from '@carmine/errors';

/**
 * A UrlPrefix, HTTP Server API:
 *
 *     scheme "://" host ":" port "/" [ segment "/" ]
 *
 * scheme is `http` or `https` in lower case; host is a name, an IPv4 literal, `[IPv6]`, `+` or `*`; the port is decimal
 * without leading zero. URL groups allow one segment at most: two levels "are not supported" (BITS Compact Server
 * Remote Management). A missing trailing slash is added, as the documentation's own sample needs it.
 */
export interface UrlPrefix {
  readonly scheme: 'http' | 'https';
  /** Lower case; `+`, `*`, a name, an IPv4 literal, or an IPv6 literal in brackets. */
  readonly host: string;
  readonly port: number;
  /** Starts and ends with `/`, lower case because HTTP.SYS compares it so. */
  readonly path: string;
  /** The normalised text: the group's identity. */
  readonly text: string;
  readonly category: UrlPrefixCategory;
}

/** Routing categories in the order in which HTTP.SYS tries them. */
export const urlPrefixCategories = ['strongWildcard', 'explicit', 'ipBoundWeakWildcard', 'weakWildcard'] as const;
export type UrlPrefixCategory = (typeof urlPrefixCategories)[number];

/** Parses and normalises; throws `url-group/invalid-prefix` with the reason. */
export function parseUrlPrefix(text: string): UrlPrefix {
  if (text.length > maximumLength) throw invalid(`longer than ${maximumLength} characters`);
  const match = /^([^:/]*):\/\/([^/]*)(.*)$/.exec(text);
  if (match === null) throw invalid('expected scheme://host:port/');
  const [, scheme = '', authority = '', rest = ''] = match;
  if (scheme !== 'http' && scheme !== 'https') throw invalid('the scheme must be http or https in lower case');
  const colon = authority.lastIndexOf(':');
  if (colon < 0 || authority.endsWith(']')) throw invalid('the port is missing');
  const host = authority.slice(0, colon).toLowerCase();
  const category = categorise(host);
  const port = parsePort(authority.slice(colon + 1));
  const path = parsePath(rest);
  return { scheme, host, port, path, category, text: `${scheme}://${host}:${port}${path}` };
}

function parsePort(text: string): number {
  if (!/^[1-9]\d{0,4}$/.test(text) || Number(text) > 65535)
    throw invalid('the port must be 1 to 65535 without leading zero');
  return Number(text);
}

function categorise(host: string): UrlPrefixCategory {
  if (host === '+') return 'strongWildcard';
  if (host === '*') return 'weakWildcard';
  if (host.startsWith('[')) {
    if (!/^\[[0-9a-f:.]+\]$/.test(host) || !host.includes(':')) throw invalid('the host is not an IPv6 literal');
    return 'ipBoundWeakWildcard';
  }
  if (/^\d+(\.\d+)*$/.test(host)) {
    const parts = host.split('.');
    if (parts.length !== 4 || parts.some((part) => !/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255)) {
      throw invalid('the host is not an IPv4 literal');
    }
    return 'ipBoundWeakWildcard';
  }
  if (host.length === 0) throw invalid('the host is missing');
  if (host.length > 253 || host.split('.').some((label) => !/^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label))) {
    throw invalid('the host is not a host name');
  }
  return 'explicit';
}

function parsePath(text: string): string {
  if (text === '' || text === '/') return '/';
  const path = text.endsWith('/') ? text : `${text}/`;
  const segments = path.slice(1, -1).split('/');
  if (segments.length > 1) throw invalid('two-level URL groups are not supported');
  const segment = segments[0] ?? '';
  if (segment === '.' || segment === '..') throw invalid('dot segments are not allowed');
  if (!/^[A-Za-z0-9\-._~!$&'()*+,;=:@]+$/.test(segment)) throw invalid('the path has a character that is not allowed');
  return path.toLowerCase();
}

function invalid(reason: string): CarmineError {
  return new CarmineError('url-group/invalid-prefix', { context: { reason } });
}

const maximumLength = 2048;
