import { connect as connectPlain, isIP, type OnReadOpts, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { CarmineError } from '@carmine/errors';
import type { ConnectionProxy } from './connection-logon.ts';
import { tls } from './on-demand.ts';
import { openTunnel } from './proxy-tunnel.ts';
import type { RequestHead } from './request-head.ts';
import type { SecureContexts } from './secure-contexts.ts';

/** How sockets to an origin are opened that read into the caller's buffers. */
export interface RawSockets {
  /** `tunnel`: what it goes through, if there is to be one. */
  open(onread: OnReadOpts, tunnel?: Socket): Socket;
  /** The event that tells that requests can be sent. */
  readonly ready: 'connect' | 'secureConnect';
  /** What is wrong with who answered; undefined: nothing. */
  refused(socket: Socket): Error | undefined;
  /** Sockets go through one of these each; absent: they do not. */
  readonly tunnel?: (signal: AbortSignal) => Promise<Socket>;
}

/** A proxy on the way to an origin, and what it is told. */
export interface ProxyOnTheWay extends ConnectionProxy {
  readonly userAgent: string;
  /** Milliseconds until there must be a tunnel. */
  readonly timeout: number;
}

/** `own`: it is the origin of a file, not where redirects led. Through a proxy http is the proxy's to ask for, and https is in a tunnel. */
export function rawSockets(
  origin: string,
  own: boolean,
  secureContexts: SecureContexts,
  proxy?: ProxyOnTheWay,
): RawSockets {
  const { protocol, hostname, port } = new URL(origin);
  const host = hostname.replace(/^\[|\]$/g, '');
  const kept = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 };
  if (protocol !== 'https:') {
    const peer = proxy === undefined ? { host, port: Number(port || 80) } : { host: proxy.host, port: proxy.port };
    return {
      open: (onread) => connectPlain({ ...kept, ...peer, onread }),
      ready: 'connect',
      refused: () => undefined,
    };
  }
  const authority = `${hostname}:${port || 443}`;
  return {
    open(onread, tunnel) {
      const reading = { ...kept, host, onread };
      const socket = tls().connect({
        ...reading,
        port: Number(port || 443),
        ...(tunnel === undefined ? {} : { socket: tunnel }),
        ...(isIP(host) === 0 ? { servername: host } : {}),
        ALPNProtocols: ['http/1.1'],
        secureContext: secureContexts.context(own),
        rejectUnauthorized: secureContexts.rejectUnauthorized,
      });
      // In a socket that is there already, Node does not read into the caller's buffers.
      return tunnel === undefined ? socket : socket.on('data', (chunk: Uint8Array) => pour(chunk, onread));
    },
    ready: 'secureConnect',
    refused: (socket) => secureContexts.refused(socket as TLSSocket, host),
    ...(proxy === undefined
      ? {}
      : { tunnel: (signal: AbortSignal) => openTunnel({ ...proxy, proxy, authority, signal }) }),
  };
}

/** As if it had been read into the buffers. */
export function pour(chunk: Uint8Array, onread: OnReadOpts): void {
  for (let at = 0; at < chunk.length; ) {
    const space = typeof onread.buffer === 'function' ? onread.buffer() : onread.buffer;
    const count = Math.min(space.length, chunk.length - at);
    space.set(chunk.subarray(at, at + count));
    onread.callback(count, space);
    at += count;
  }
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
