import { connect as connectPlain, isIP, type OnReadOpts, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { CarmineError } from '@carmine/errors';
import type { RequestHead } from './connection.ts';
import { tls } from './on-demand.ts';
import type { SecureContexts } from './secure-contexts.ts';

/** How sockets to an origin are opened that read into the caller's buffers. */
export interface RawSockets {
  open(onread: OnReadOpts): Socket;
  /** The event that tells that requests can be sent. */
  readonly ready: 'connect' | 'secureConnect';
  /** What is wrong with who answered; undefined: nothing. */
  refused(socket: Socket): Error | undefined;
}

/** `own`: it is the origin of a file, not where redirects led. */
export function rawSockets(origin: string, own: boolean, secureContexts: SecureContexts): RawSockets {
  const { protocol, hostname, port } = new URL(origin);
  const host = hostname.replace(/^\[|\]$/g, '');
  const common = { host, noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 };
  if (protocol !== 'https:') {
    return {
      open: (onread) => connectPlain({ ...common, port: Number(port || 80), onread }),
      ready: 'connect',
      refused: () => undefined,
    };
  }
  return {
    open(onread) {
      const reading = { ...common, onread };
      return tls().connect({
        ...reading,
        port: Number(port || 443),
        ...(isIP(host) === 0 ? { servername: host } : {}),
        ALPNProtocols: ['http/1.1'],
        secureContext: secureContexts.context(own),
        rejectUnauthorized: secureContexts.rejectUnauthorized,
      });
    },
    ready: 'secureConnect',
    refused: (socket) => secureContexts.refused(socket as TLSSocket, host),
  };
}

/** RFC 9112, section 3. Nothing that could end a line gets into one. */
export function requestText({ method, uri, headers }: Omit<RequestHead, 'position'>, host: string): string {
  let text = `${checkedLine(`${method} ${uri}`)} HTTP/1.1\r\nhost: ${host}\r\nconnection: keep-alive\r\n`;
  for (const name in headers) text += `${checkedLine(`${name}: ${headers[name]}`)}\r\n`;
  return `${text}\r\n`;
}

function checkedLine(line: string): string {
  if (unprintable.test(line)) {
    throw new CarmineError('internal/unexpected', { context: { message: 'a request with a malformed field' } });
  }
  return line;
}
const unprintable = /[^\t\x20-\x7e\x80-\xff]/;
