import { isIP, type Socket } from 'node:net';
import { isCarmineError } from '@carmine/errors';
import type { buildConnector, Client, Dispatcher } from 'undici';
import type { HttpProxy } from '../proxies.ts';
import {
  type Attempt,
  type Connection,
  type ConnectionLogon,
  connectTimeout,
  fiveMinutes,
  type HttpReceiverOptions,
  type RequestHead,
} from './connection.ts';
import { tls } from './on-demand.ts';
import { openTunnel } from './proxy-tunnel.ts';
import type { SecureContexts } from './secure-contexts.ts';

/** A proxy, and who we are to it. */
export interface ConnectionProxy extends HttpProxy {
  readonly logon: ConnectionLogon;
  /** No connection to it was to be had. */
  unreachable(): void;
}

/** The general way: one undici client. It takes whatever HTTP/1 framing there is. */
export class UndiciConnection implements Connection {
  readonly origin: string;
  readonly logon: ConnectionLogon;
  /** Of a proxy that requests are sent to; through a tunnel they are not. */
  readonly proxyLogon: ConnectionLogon | undefined;
  readonly #proxy: ConnectionProxy | undefined;
  readonly #client: Promise<Client>;
  #socket: Socket | undefined;
  #socketError: unknown;
  /** A request is under way, or was not brought to its end. */
  #busy = false;
  #closed = false;

  constructor(
    origin: string,
    own: boolean,
    logon: ConnectionLogon,
    options: HttpReceiverOptions,
    secureContexts: SecureContexts,
    proxy?: ConnectionProxy,
  ) {
    this.origin = origin;
    this.logon = logon;
    this.#proxy = proxy;
    this.proxyLogon = origin.startsWith('https:') ? undefined : proxy?.logon;
    this.#client = this.#createClient(own, options, secureContexts);
    // Whoever sends hears of it.
    this.#client.catch(() => undefined);
  }

  send({ method, uri, headers }: RequestHead, attempt: Attempt): void {
    this.#busy = true;
    this.#client.then(
      (client) => {
        if (this.#closed) return;
        // To a proxy, RFC 9112, section 3.2.2: absolute-form.
        const through = this.proxyLogon === undefined ? {} : { host: new URL(this.origin).host };
        const path = this.proxyLogon === undefined ? uri : `${this.origin}${uri}`;
        // undici would close after HEAD; an authenticated connection is worth keeping.
        client.dispatch(
          { method, path, headers: { ...headers, ...through }, reset: false },
          new Handler(this, attempt),
        );
      },
      (reason: unknown) => attempt.error(reason),
    );
  }

  close(): void {
    this.#closed = true;
    this.#client.then((client) => client.destroy()).catch(() => undefined);
  }

  /** A tunnel has its end at the origin; a proxy that requests are sent to is somebody of its own. undici lets programs end while nothing is asked. */
  park(): boolean {
    return !this.#busy && this.unpark() && !this.logon.halfway && this.proxyLogon?.halfway !== true;
  }

  /** undici would connect anew, but then it is nobody's old connection. */
  unpark(): boolean {
    return this.#socket?.destroyed === false;
  }

  /** The answer came to its end. */
  ended(): void {
    this.#busy = false;
  }

  /** undici says "other side closed" where TLS knew why. */
  explain(error: Error): unknown {
    return this.#socketError ?? error;
  }

  async #createClient(own: boolean, options: HttpReceiverOptions, secureContexts: SecureContexts): Promise<Client> {
    // Loaded when needed: it takes longer than a small file.
    const { buildConnector, Client } = await import('undici');
    const secure = this.origin.startsWith('https:');
    const direct = buildConnector({
      timeout: connectTimeout(options),
      allowH2: false,
      // A resumed session has no peer certificate to bind to.
      maxCachedSessions: 0,
      ...(secure
        ? { secureContext: secureContexts.context(own), rejectUnauthorized: secureContexts.rejectUnauthorized }
        : {}),
    });
    const proxy = this.#proxy;
    const connect: buildConnector.connector =
      proxy !== undefined && secure
        ? (target, callback) => this.#connectThrough(proxy, target.hostname, own, options, secureContexts, callback)
        : direct;
    const base = proxy === undefined || secure ? this.origin : `http://${bracketed(proxy.host)}:${proxy.port}`;
    return new Client(base, {
      allowH2: false,
      pipelining: 1,
      headersTimeout: options.timeouts?.headers ?? fiveMinutes,
      bodyTimeout: options.timeouts?.body ?? fiveMinutes,
      connect: (target, callback) =>
        connect(target, (error, socket) => {
          this.logon.reconnect();
          if (error !== null) {
            // What it says itself is an answer.
            if (!isCarmineError(error)) proxy?.unreachable();
            return callback(error, null);
          }
          const host = new URL(this.origin).hostname.replace(/^\[|\]$/g, '');
          const refused = 'encrypted' in socket ? secureContexts.refused(socket, host) : undefined;
          if (refused !== undefined) {
            socket.destroy();
            return callback(refused, null);
          }
          this.proxyLogon?.reconnect();
          this.proxyLogon?.connected(socket);
          this.logon.connected(socket);
          this.#socket = socket;
          this.#socketError = undefined;
          socket.prependListener('error', (reason: unknown) => {
            this.#socketError ??= reason;
          });
          callback(null, socket);
        }),
    });
  }

  /** TLS inside a tunnel. */
  #connectThrough(
    proxy: ConnectionProxy,
    host: string,
    own: boolean,
    options: HttpReceiverOptions,
    secureContexts: SecureContexts,
    callback: buildConnector.Callback,
  ): void {
    const { port } = new URL(this.origin);
    const timeout = connectTimeout(options);
    openTunnel({
      proxy,
      authority: `${bracketed(host)}:${port || 443}`,
      userAgent: options.userAgent ?? 'Carmine/0.1.0',
      logon: proxy.logon,
      timeout,
    }).then(
      (tunnel) => {
        const socket = tls().connect({
          socket: tunnel,
          ...(isIP(host) === 0 ? { servername: host } : { host }),
          ALPNProtocols: ['http/1.1'],
          secureContext: secureContexts.context(own),
          rejectUnauthorized: secureContexts.rejectUnauthorized,
        });
        socket.setTimeout(timeout, () =>
          socket.destroy(Object.assign(new Error('TLS took too long'), { code: 'ETIMEDOUT' })),
        );
        const failed = (reason: Error) => callback(reason, null);
        socket.once('error', failed);
        socket.once('secureConnect', () => {
          socket.setTimeout(0);
          socket.off('error', failed);
          callback(null, socket);
        });
      },
      (reason: Error) => callback(reason, null),
    );
  }
}

function bracketed(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}

/** What undici tells of one dispatch, as an attempt hears it. */
class Handler implements Dispatcher.DispatchHandler {
  readonly #connection: UndiciConnection;
  readonly #attempt: Attempt;
  #over = false;

  constructor(connection: UndiciConnection, attempt: Attempt) {
    this.#connection = connection;
    this.#attempt = attempt;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#attempt.started({
      pause: () => controller.pause(),
      resume: () => controller.resume(),
      abort: () => {
        this.#over = true;
        controller.abort(new Error('aborted'));
      },
    });
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    if (this.#over || status < 200) return;
    const joined = Object.entries(headers).map(([name, value]) => [
      name.toLowerCase(),
      Array.isArray(value) ? value.join(', ') : value,
    ]);
    const challenges = headers[status === 407 ? 'proxy-authenticate' : 'www-authenticate'] ?? [];
    this.#attempt.head(
      { status, headers: Object.fromEntries(joined), origin: this.#connection.origin },
      typeof challenges === 'string' ? [challenges] : challenges,
    );
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#over) this.#attempt.data(chunk);
  }

  onResponseEnd(): void {
    this.#connection.ended();
    if (!this.#over) this.#attempt.end();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (!this.#over) this.#attempt.error(this.#connection.explain(error));
  }
}
