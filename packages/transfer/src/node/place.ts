import type { HttpProxy } from '../proxies.ts';

/** A URL in its parts. */
export interface Place {
  readonly href: string;
  readonly origin: string;
  /** Path and query, as they stand in a request. */
  readonly uri: string;
}

/** Credentials in a URL go nowhere, and a fragment is not for the server. */
export function placeOf(url: string): Place {
  const { protocol, host, pathname, search, origin } = new URL(url);
  const uri = pathname + search;
  return { href: `${protocol}//${host}${uri}`, origin, uri };
}

export function originOf({ host, port }: HttpProxy): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
