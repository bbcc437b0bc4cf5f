import { CarmineError } from '@carmine/errors';

/** An HTTP proxy. */
export interface HttpProxy {
  readonly host: string;
  readonly port: number;
}

/** Which proxy requests go through: BG_JOB_PROXY_USAGE, spec/bits.md 2.4 and 4.10. */
export type ProxyChoice =
  | { readonly usage: 'none' }
  /** Lists as BITS takes them: `[proto=][proto://]server[:port]` and hosts, separated by blanks. */
  | { readonly usage: 'list'; readonly list: string; readonly bypass?: string | null | undefined }
  /** http_proxy, https_proxy, all_proxy and no_proxy, in either case, as curl understands them. */
  | { readonly usage: 'environment'; readonly variables: Readonly<Record<string, string | undefined>> };

/** The proxies for a URL, the first that works is to be used; empty: none. Throws `job/invalid-proxy`. */
export function proxiesFor(url: string, choice: ProxyChoice): readonly HttpProxy[] {
  const { protocol, hostname } = new URL(url);
  const scheme = protocol.slice(0, -1);
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase();
  switch (choice.usage) {
    case 'none':
      return [];
    case 'list': {
      const entries = parseProxyList(choice.list);
      if (parseBypassList(choice.bypass ?? '').some((matches) => matches(host))) return [];
      return entries.filter((entry) => entry.scheme === undefined || entry.scheme === scheme).map(({ proxy }) => proxy);
    }
    case 'environment': {
      const variable = (name: string) => choice.variables[name] ?? choice.variables[name.toUpperCase()];
      // A CGI program's caller could set HTTP_PROXY by a header of that name: only the lower-case one counts.
      const own = scheme === 'http' ? choice.variables['http_proxy'] : variable('https_proxy');
      const value = own ?? variable('all_proxy') ?? '';
      if (value === '' || isExempt(host, variable('no_proxy') ?? '')) return [];
      return parseProxyList(value.replace(/^([a-z]+:\/\/)[^@/]*@/i, '$1')).map(({ proxy }) => proxy);
    }
  }
}

interface ListedProxy {
  /** Of the URLs that it is for; undefined: all. */
  readonly scheme: string | undefined;
  readonly proxy: HttpProxy;
}

/** `[proto=][proto://]server[:port]`, separated by blanks; throws `job/invalid-proxy`. */
export function parseProxyList(list: string): readonly ListedProxy[] {
  const entries = list.split(/[\s;]+/).filter((entry) => entry !== '');
  if (entries.length === 0) throw invalid('an empty list');
  return entries.map((entry) => {
    const match = /^(?:([a-z]+)=)?(?:([a-z]+):\/\/)?(\[[0-9a-f:.]+\]|[^\s:/@=[\]]+)(?::(\d{1,5}))?\/?$/i.exec(entry);
    if (match === null) throw invalid('not [proto=][proto://]server[:port]');
    const [, scheme, transport = 'http', server = '', port] = match;
    if (transport.toLowerCase() !== 'http') throw invalid(`a proxy is spoken to over http, not ${transport}`);
    const number = Number(port ?? 80);
    if (number < 1 || number > 65_535) throw invalid('no such port');
    return { scheme: scheme?.toLowerCase(), proxy: { host: server.replace(/^\[|\]$/g, ''), port: number } };
  });
}

/** Hosts, with `*` at the left only, and `<local>` for names without a dot; throws `job/invalid-proxy`. */
export function parseBypassList(list: string): readonly ((host: string) => boolean)[] {
  return list
    .split(/[\s;]+/)
    .filter((entry) => entry !== '')
    .map((entry) => {
      const pattern = entry.toLowerCase().replace(/^[a-z]+:\/\//, '');
      if (pattern === '<local>') return (host: string) => !host.includes('.') && !host.includes(':');
      const tail = pattern.startsWith('*') ? pattern.slice(1) : pattern;
      if (tail.includes('*')) throw invalid('a wildcard that is not at the left');
      return pattern.startsWith('*') ? (host: string) => host.endsWith(tail) : (host: string) => host === tail;
    });
}

/** `*`, or names with everything below them, separated by commas or blanks. */
function isExempt(host: string, list: string): boolean {
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => {
      const name = entry.replace(/^\*?\./, '').replace(/^\[|\]$/g, '');
      return entry === '*' || host === name || host.endsWith(`.${name}`);
    });
}

function invalid(reason: string): CarmineError {
  return new CarmineError('job/invalid-proxy', { context: { reason } });
}
