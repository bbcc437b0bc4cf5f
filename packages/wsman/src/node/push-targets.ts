import { BlockList, isIP } from 'node:net';
import { CarmineError } from '@carmine/errors';

/**
 * Where events may be pushed to: `host:port` (the host as it stands in the URL, a name or an address) or a network in CIDR form,
 * which allows URLs with an address in it, whatever their port. Names are never looked up for the comparison, so that nobody's
 * DNS decides. Throws `usage/invalid` for an entry that is neither.
 */
export function createPushTargets(entries: readonly string[]): (url: string) => boolean {
  const hosts = new Set<string>();
  const networks = new BlockList();
  for (const entry of entries) {
    const network = /^([0-9a-f.:]+)\/(\d{1,3})$/i.exec(entry);
    if (network === null) hosts.add(hostEntry(entry));
    else addNetwork(networks, entry, network[1] ?? '', Number(network[2]));
  }
  return (text) => {
    const url = parseUrl(text);
    if (url === undefined) return false;
    const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
    if (hosts.has(`${url.hostname}:${port}`)) return true;
    const address = url.hostname.replace(/^\[|\]$/g, '');
    const family = isIP(address);
    return family !== 0 && networks.check(address, family === 4 ? 'ipv4' : 'ipv6');
  };
}

/** Neither a name and password, which would be sent along, nor a fragment, which means nothing. */
function parseUrl(text: string): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) return undefined;
  return url.username === '' && url.password === '' && url.hash === '' ? url : undefined;
}

/** As a URL would spell it: lower case, addresses in their one form. */
function hostEntry(entry: string): string {
  const match = /^(.+):(\d{1,5})$/.exec(entry);
  const text = `http://${match?.[1] ?? ''}/`;
  const host = match !== null && URL.canParse(text) ? new URL(text) : undefined;
  const port = Number(match?.[2]);
  if (host === undefined || host.href !== `http://${host.hostname}/` || port < 1 || port > 65_535) throw invalid(entry);
  return `${host.hostname}:${port}`;
}

function addNetwork(networks: BlockList, entry: string, address: string, bits: number): void {
  const family = isIP(address);
  if (family === 0 || bits > (family === 4 ? 32 : 128)) throw invalid(entry);
  networks.addSubnet(address, bits, family === 4 ? 'ipv4' : 'ipv6');
}

function invalid(entry: string): CarmineError {
  return new CarmineError('usage/invalid', {
    context: { reason: `${JSON.stringify(entry)} is neither "host:port" nor a network such as "192.0.2.0/24"` },
  });
}
