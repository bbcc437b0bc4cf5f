import { CarmineError } from '@carmine/errors';

/**
 * A managed machine, or a file on one, as a person writes it: `wsman://user@host:port/path` (design section 3). The `@` of a
 * Kerberos principal is escaped: `wsman://alice%40EXAMPLE.COM@host`.
 */
export interface Target {
  readonly transport: 'wsman' | 'wsmans' | 'dcom';
  /** Undefined where none is named: a ticket, key or certificate says who we are. */
  readonly user: string | undefined;
  /** Without brackets for IPv6. */
  readonly host: string;
  readonly port: number;
  /** Absolute path on that machine, in its own spelling; undefined when only the machine is named. */
  readonly path: string | undefined;
  /** For messages: without the user. */
  readonly name: string;
}

const defaultPorts = { wsman: 5985, wsmans: 5986, dcom: 135 } as const;

/** Throws `usage/invalid`. A password in the URL is refused: it would stand in process lists and histories. */
export function parseTarget(text: string): Target {
  const match = /^([a-z]+):\/\/(?:([^@/]*)@)?(\[[0-9a-fA-F:.]+\]|[^:/@[\]]+)(?::(\d{1,5}))?(\/.*)?$/.exec(text);
  if (match === null)
    throw invalid(`"${text}" is not a target: expected wsman://USER@HOST, wsmans://USER@HOST or dcom://USER@HOST`);
  const [, scheme = '', userText, hostText = '', portText, pathText] = match;
  if (scheme !== 'wsman' && scheme !== 'wsmans' && scheme !== 'dcom')
    throw invalid(`unknown scheme ${scheme}://; use wsman://, wsmans:// or dcom://`);
  const user = userText === undefined ? undefined : decode(userText);
  if (user === '') throw invalid(`"${text}" names no user: ${scheme}://USER@${hostText}`);
  if (user?.includes(':') === true) throw invalid('a password does not belong into a target; use --password-file');
  const port = portText === undefined ? defaultPorts[scheme] : Number(portText);
  if (port < 1 || port > 65535) throw invalid(`${portText} is not a port`);
  const host = hostText.replace(/^\[|\]$/g, '');
  return { transport: scheme, user, host, port, path: toPath(pathText), name: `${scheme}://${hostText}:${port}` };
}

/** The same, for a file: the path is required. */
export function parseFileTarget(text: string): Target & { readonly path: string } {
  const target = parseTarget(text);
  if (target.path === undefined) throw invalid(`"${text}" names no file`);
  return { ...target, path: target.path };
}

/** `/C:/images/win.vhdx` is a Windows path; everything else stays as it is. */
function toPath(text: string | undefined): string | undefined {
  if (text === undefined || text === '/') return undefined;
  const path = decode(text);
  return /^\/[A-Za-z]:\//.test(path) ? path.slice(1).replaceAll('/', '\\') : path;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid(`"${text}" has a broken % escape`);
  }
}

function invalid(reason: string): CarmineError {
  return new CarmineError('usage/invalid', { context: { reason } });
}
