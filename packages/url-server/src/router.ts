import { type UrlPrefix, urlPrefixCategories } from '@carmine/core';

/** Where a request came in. */
export interface RequestTarget {
  readonly port: number;
  readonly scheme: 'http' | 'https';
  /** Host header without its port, lower case; empty when absent. */
  readonly host: string;
  /** Address that the client connected to. */
  readonly localAddress: string;
  /** Decoded path, starting with `/`. */
  readonly path: string;
}

export interface Route<G> {
  readonly group: G;
  /** What follows the prefix. */
  readonly suffix: string;
}

/**
 * Finds the group of a request as HTTP.SYS does: strong wildcards first, then host names, then addresses, then weak
 * wildcards; inside a category the longest path wins. Undefined: no registration (HTTP.SYS answers 400).
 */
export function route<G extends { readonly prefix: UrlPrefix }>(
  groups: Iterable<G>,
  target: RequestTarget,
): Route<G> | undefined {
  const lowerPath = target.path.toLowerCase();
  let best: G | undefined;
  let bestRank = Number.POSITIVE_INFINITY;
  for (const group of groups) {
    const { prefix } = group;
    if (prefix.port !== target.port || prefix.scheme !== target.scheme) continue;
    if (!lowerPath.startsWith(prefix.path) || !matchesHost(prefix, target)) continue;
    const rank = urlPrefixCategories.indexOf(prefix.category);
    if (best !== undefined && (rank > bestRank || (rank === bestRank && prefix.path.length <= best.prefix.path.length)))
      continue;
    best = group;
    bestRank = rank;
  }
  return best === undefined ? undefined : { group: best, suffix: target.path.slice(best.prefix.path.length) };
}

function matchesHost(prefix: UrlPrefix, target: RequestTarget): boolean {
  switch (prefix.category) {
    case 'strongWildcard':
    case 'weakWildcard':
      return true;
    case 'explicit':
      return prefix.host === target.host;
    case 'ipBoundWeakWildcard': {
      const literal = prefix.host.replace(/^\[|\]$/g, '');
      return literal === target.host.replace(/^\[|\]$/g, '') || literal === target.localAddress;
    }
  }
}

/**
 * Origin form of a request line's target, and the host that an absolute one names: a server must take both, and Host says
 * nothing then (RFC 9112 section 3.2.2). Undefined for an absolute target of another scheme.
 */
export function originForm(
  target: string,
  scheme: 'http' | 'https',
): { readonly target: string; readonly authority: string | undefined } | undefined {
  if (target.startsWith('/')) return { target, authority: undefined };
  const [, named, authority, rest] = /^(https?):\/\/([^/?#@]+)((?:[/?#].*)?)$/i.exec(target) ?? [];
  if (named?.toLowerCase() !== scheme || authority === undefined) return undefined;
  return { target: rest?.startsWith('/') === true ? rest : `/${rest ?? ''}`, authority };
}

/** Splits a request line's target: the decoded path, or undefined when it is not an origin-form path that decodes. */
export function decodePath(requestTarget: string): string | undefined {
  const end = requestTarget.search(/[?#]/);
  const raw = end < 0 ? requestTarget : requestTarget.slice(0, end);
  if (!raw.startsWith('/') || raw.length > maximumTarget) return undefined;
  try {
    const decoded = decodeURIComponent(raw);
    return decoded.includes('\0') ? undefined : decoded.normalize('NFC');
  } catch {
    return undefined;
  }
}

/** HTTP.SYS limits a URL to 16 KiB by default (UrlSegmentMaxLength and its kin). */
const maximumTarget = 16_384;
