import { CarmineError, isCarmineError } from '@carmine/errors';
import type { Dispatcher } from 'undici';
import type { RequestLine } from '../authenticator.ts';
import type { Headers, ResponseHead } from '../headers.ts';
import { networkError } from '../network-errors.ts';
import type { Receiver, ReceiverExchange, ReceiverFactory, ReceiverHandler, ReceiverRequest } from '../receiver.ts';
import { isRedirect, redirectTarget } from '../redirect.ts';
import {
  Connection,
  createSecureContexts,
  type SecureContexts,
  type UndiciReceiverOptions,
} from './undici-connection.ts';

/** Receivers on undici: one Client with one HTTP/1.1 connection each, so that what belongs to a connection stays on it. */
export function createUndiciReceiverFactory(options: UndiciReceiverOptions = {}): ReceiverFactory {
  const secureContexts = createSecureContexts(options);
  return (url) => new UndiciReceiver(url, options, secureContexts);
}

class UndiciReceiver implements Receiver {
  readonly #url: string;
  readonly #options: UndiciReceiverOptions;
  readonly #secureContexts: SecureContexts;
  #connection: Connection | undefined;
  /** Where redirects led, for the rest of this connection. */
  #target: string;

  constructor(url: string, options: UndiciReceiverOptions, secureContexts: SecureContexts) {
    // Credentials in a URL go nowhere, and a fragment is not for the server.
    const parsed = new URL(url);
    parsed.username = '';
    parsed.password = '';
    parsed.hash = '';
    this.#url = parsed.href;
    this.#target = this.#url;
    this.#options = options;
    this.#secureContexts = secureContexts;
  }

  request(request: ReceiverRequest, handler: ReceiverHandler): ReceiverExchange {
    const exchange = new Exchange(this, request, handler);
    exchange.send(this.#target);
    return exchange;
  }

  close(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }

  /** The connection to the origin of `url`; there is one at a time. */
  connectionTo(url: string): Connection {
    const { origin } = new URL(url);
    if (this.#connection?.origin === origin) return this.#connection;
    this.close();
    const own = origin === new URL(this.#url).origin;
    this.#connection = new Connection(origin, own, this.#options, this.#secureContexts);
    return this.#connection;
  }

  /** A signed address that a redirect gave may have expired: then the original one knows a new one. */
  forgetTarget(): boolean {
    const moved = this.#target !== this.#url;
    this.#target = this.#url;
    return moved;
  }

  rememberTarget(url: string): void {
    this.#target = url;
  }

  get url(): string {
    return this.#url;
  }

  get userAgent(): string {
    return this.#options.userAgent ?? 'Carmine/0.1.0';
  }
}

/** One request with the redirects and the authentication that lie before its answer. */
class Exchange implements ReceiverExchange {
  readonly #receiver: UndiciReceiver;
  readonly #request: ReceiverRequest;
  readonly #handler: ReceiverHandler;
  #controller: Dispatcher.DispatchController | undefined;
  #paused = false;
  #over = false;
  #redirects = 0;
  #legs = 0;

  constructor(receiver: UndiciReceiver, request: ReceiverRequest, handler: ReceiverHandler) {
    this.#receiver = receiver;
    this.#request = request;
    this.#handler = handler;
  }

  send(url: string, authorization?: string): void {
    let connection: Connection;
    const { pathname, search } = new URL(url);
    const line = { method: this.#request.method, uri: pathname + search };
    let authenticate = authorization;
    try {
      connection = this.#receiver.connectionTo(url);
      if (authenticate === undefined) {
        // Basic can be sent unasked; the others wait for the challenge.
        const fresh = connection.authenticator ?? connection.newAuthenticator();
        authenticate = fresh?.initial(line);
      }
    } catch (thrown) {
      queueMicrotask(() => this.#fail(thrown, url));
      return;
    }
    connection.client.dispatch(
      // undici would close after HEAD; an authenticated connection is worth keeping.
      { method: line.method, path: line.uri, headers: this.#headers(authenticate), reset: false },
      new AttemptHandler(this, connection, url, line),
    );
  }

  pause(): void {
    this.#paused = true;
    this.#controller?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#controller?.resume();
  }

  abort(): void {
    if (this.#over) return;
    this.#over = true;
    this.#controller?.abort(new CarmineError('internal/aborted'));
    // Without a controller the request is not on the wire yet: only the connection can be given up.
    if (this.#controller === undefined) this.#receiver.close();
  }

  // --- called by the attempt under way ---

  started(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#over) controller.abort(new CarmineError('internal/aborted'));
    else if (this.#paused) controller.pause();
  }

  get over(): boolean {
    return this.#over;
  }

  /** What to do once the body of this answer is out of the way; undefined: it is the final answer. */
  judge(
    connection: Connection,
    url: string,
    line: RequestLine,
    head: ResponseHead,
    challenges: readonly string[],
  ): (() => void) | undefined {
    if (isRedirect(head.status)) {
      const target = redirectTarget(url, head.headers['location'], this.#redirects++);
      return () => {
        this.#receiver.rememberTarget(target);
        this.send(target);
      };
    }
    if (head.status === 401 && connection.canAuthenticate) {
      if (this.#legs++ >= maximumLegs) throw new CarmineError('transfer/authentication');
      const authorization = this.#answer(connection, challenges, line);
      if (typeof authorization === 'string') return () => this.send(url, authorization);
      // Until the body of this answer is out of the way nobody looks at how it ends.
      authorization.catch(() => undefined);
      return () => void this.#sendWhenReady(connection, url, authorization);
    }
    if (head.status >= 400 && head.status < 500 && head.status !== 412 && head.status !== 416) {
      if (this.#receiver.forgetTarget() && this.#redirects === 0) {
        this.#redirects++;
        return () => this.send(this.#receiver.url);
      }
    }
    // Only what is accepted must come from a server that proved itself; a refusal is reported as what it is.
    if (head.status < 300) this.#finish(connection, challenges);
    return undefined;
  }

  head(head: ResponseHead): void {
    this.#handler.onHead(head);
  }

  data(chunk: Uint8Array): void {
    if (!this.#over) this.#handler.onData(chunk);
  }

  end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#handler.onEnd();
  }

  error(thrown: unknown, url: string): void {
    this.#fail(thrown, url);
  }

  async #sendWhenReady(connection: Connection, url: string, authorization: Promise<string>): Promise<void> {
    try {
      const value = await authorization;
      if (!this.#over) this.send(url, value);
    } catch (thrown) {
      connection.authenticator = undefined;
      this.#fail(refusal(thrown), url);
    }
  }

  #answer(connection: Connection, challenges: readonly string[], line: RequestLine): string | Promise<string> {
    try {
      let authenticator = connection.authenticator;
      // The server has forgotten on this connection who we are: once, we tell it again.
      if (authenticator === undefined || (authenticator.complete && this.#legs === 1)) {
        authenticator = connection.newAuthenticator();
      }
      if (authenticator === undefined) throw new CarmineError('transfer/authentication');
      connection.answered++;
      return authenticator.next(challenges, line);
    } catch (thrown) {
      connection.authenticator = undefined;
      throw refusal(thrown);
    }
  }

  #finish(connection: Connection, challenges: readonly string[]): void {
    try {
      connection.authenticator?.finish(challenges);
    } catch (cause) {
      connection.authenticator = undefined;
      throw new CarmineError('transfer/authentication', { cause });
    }
  }

  #headers(authorization: string | undefined): Record<string, string> {
    const { range, validator } = this.#request;
    const headers: Record<string, string> = {
      accept: '*/*',
      'accept-encoding': 'identity',
      'user-agent': this.#receiver.userAgent,
    };
    if (authorization !== undefined) headers['authorization'] = authorization;
    if (range !== undefined) headers['range'] = `bytes=${range.start}-${range.end - 1}`;
    // RFC 9110 13.1.5: If-Range is for strong validators, and only together with Range. BITS itself sends If-Unmodified-Since.
    if (validator?.kind === 'lastModified') headers['if-unmodified-since'] = validator.value;
    else if (validator?.kind === 'etag' && range !== undefined) headers['if-range'] = validator.value;
    return headers;
  }

  #fail(thrown: unknown, url: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#receiver.forgetTarget();
    this.#handler.onError(networkError(thrown, url));
  }
}

/** Listens to one dispatch. */
class AttemptHandler implements Dispatcher.DispatchHandler {
  readonly #exchange: Exchange;
  readonly #connection: Connection;
  readonly #url: string;
  readonly #line: RequestLine;
  #next: (() => void) | undefined;
  #drained = 0;

  constructor(exchange: Exchange, connection: Connection, url: string, line: RequestLine) {
    this.#exchange = exchange;
    this.#connection = connection;
    this.#url = url;
    this.#line = line;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#exchange.started(controller);
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    if (this.#exchange.over || status < 200) return;
    const head = { status, headers: joined(headers), origin: this.#connection.origin };
    try {
      this.#next = this.#exchange.judge(
        this.#connection,
        this.#url,
        this.#line,
        head,
        list(headers['www-authenticate']),
      );
    } catch (thrown) {
      this.#exchange.error(thrown, this.#url);
      controller.abort(new CarmineError('internal/aborted'));
      return;
    }
    if (this.#next === undefined) this.#exchange.head(head);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#next === undefined) {
      this.#exchange.data(chunk);
      return;
    }
    // The body of a challenge or a redirect: it must pass for the connection to stay, but not for ever.
    this.#drained += chunk.length;
    if (this.#drained > maximumDrained) controller.abort(new Error('too long an answer'));
  }

  onResponseEnd(): void {
    if (this.#next === undefined) this.#exchange.end();
    else if (!this.#exchange.over) this.#next();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#exchange.error(this.#connection.explain(error), this.#url);
  }
}

/** What kept an authenticator from answering; that there is nobody to ask just now may pass. */
function refusal(cause: unknown): CarmineError {
  return isCarmineError(cause, 'transfer/no-authority')
    ? cause
    : new CarmineError('transfer/authentication', { cause });
}

function joined(headers: Record<string, string | string[] | undefined>): Headers {
  const result: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(headers)) {
    result[name.toLowerCase()] = Array.isArray(value) ? value.join(', ') : value;
  }
  return result;
}

function list(value: string | string[] | undefined): readonly string[] {
  return value === undefined ? [] : Array.isArray(value) ? value : [value];
}

/** Requests that one answer may cost; Negotiate with NTLM needs three. */
const maximumLegs = 6;
/** Bytes. */
const maximumDrained = 256 * 1024;
