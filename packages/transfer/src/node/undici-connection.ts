import type { Client, Dispatcher } from 'undici';
import {
  type Attempt,
  type Connection,
  type ConnectionLogon,
  connectTimeout,
  fiveMinutes,
  type HttpReceiverOptions,
  type RequestHead,
} from './connection.ts';
import type { SecureContexts } from './secure-contexts.ts';

/** The general way: one undici client. It takes whatever HTTP/1 framing there is. */
export class UndiciConnection implements Connection {
  readonly origin: string;
  readonly logon: ConnectionLogon;
  readonly #client: Promise<Client>;
  #socketError: unknown;
  #closed = false;

  constructor(
    origin: string,
    own: boolean,
    logon: ConnectionLogon,
    options: HttpReceiverOptions,
    secureContexts: SecureContexts,
  ) {
    this.origin = origin;
    this.logon = logon;
    this.#client = this.#createClient(own, options, secureContexts);
    // Whoever sends hears of it.
    this.#client.catch(() => undefined);
  }

  send({ method, uri, headers }: RequestHead, attempt: Attempt): void {
    this.#client.then(
      (client) => {
        if (this.#closed) return;
        // undici would close after HEAD; an authenticated connection is worth keeping.
        client.dispatch({ method, path: uri, headers, reset: false }, new Handler(this, attempt));
      },
      (reason: unknown) => attempt.error(reason),
    );
  }

  close(): void {
    this.#closed = true;
    this.#client.then((client) => client.destroy()).catch(() => undefined);
  }

  /** undici says "other side closed" where TLS knew why. */
  explain(error: Error): unknown {
    return this.#socketError ?? error;
  }

  async #createClient(own: boolean, options: HttpReceiverOptions, secureContexts: SecureContexts): Promise<Client> {
    // Loaded when needed: it takes longer than a small file.
    const { buildConnector, Client } = await import('undici');
    const connect = buildConnector({
      timeout: connectTimeout(options),
      allowH2: false,
      // A resumed session has no peer certificate to bind to.
      maxCachedSessions: 0,
      ...(this.origin.startsWith('https:') ? { secureContext: secureContexts(own) } : {}),
    });
    return new Client(this.origin, {
      allowH2: false,
      pipelining: 1,
      headersTimeout: options.timeouts?.headers ?? fiveMinutes,
      bodyTimeout: options.timeouts?.body ?? fiveMinutes,
      connect: (target, callback) =>
        connect(target, (error, socket) => {
          this.logon.reconnect();
          if (error !== null) return callback(error, null);
          this.logon.connected(socket);
          this.#socketError = undefined;
          socket.prependListener('error', (reason: unknown) => {
            this.#socketError ??= reason;
          });
          callback(null, socket);
        }),
    });
  }
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
    const challenges = headers['www-authenticate'] ?? [];
    this.#attempt.head(
      { status, headers: Object.fromEntries(joined), origin: this.#connection.origin },
      typeof challenges === 'string' ? [challenges] : challenges,
    );
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#over) this.#attempt.data(chunk);
  }

  onResponseEnd(): void {
    if (!this.#over) this.#attempt.end();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (!this.#over) this.#attempt.error(this.#connection.explain(error));
  }
}
