import { CarmineError, hresultFromHttpStatus, isCarmineError } from '@carmine/errors';
import type { RequestLine } from '../authenticator.ts';
import { checkHeaders } from '../custom-headers.ts';
import type { ResponseHead } from '../headers.ts';
import { networkError } from '../network-errors.ts';
import { type HttpProxy, proxiesFor } from '../proxies.ts';
import type { Receiver, ReceiverExchange, ReceiverFactory, ReceiverHandler, ReceiverRequest } from '../receiver.ts';
import { isRedirect, redirectTarget } from '../redirect.ts';
import { BufferPool } from './buffer-pool.ts';
import {
  type Attempt,
  type AttemptControl,
  type Connection,
  ConnectionLogon,
  type HttpReceiverOptions,
  plainHeaders,
} from './connection.ts';
import { IdleConnections } from './idle-connections.ts';
import { RawConnection } from './raw-connection.ts';
import { createSecureContexts, type SecureContexts } from './secure-contexts.ts';
import { type ConnectionProxy, UndiciConnection } from './undici-connection.ts';

/**
 * Receivers with one HTTP/1.1 connection each, so that what belongs to a connection stays on it. Requests go the fast way
 * until an answer is nothing for it; from then on undici does the rest of the transfer with that origin.
 */
export function createHttpReceiverFactory(options: HttpReceiverOptions = {}): HttpReceiverFactory {
  const shared: Shared = {
    options,
    headers: checkHeaders(options.headers ?? []),
    secureContexts: createSecureContexts(options),
    pool: new BufferPool(maximumWaiting),
    general: new Set(),
    unreachable: new Set(),
    idle: options.idle === undefined ? undefined : new IdleConnections(options.idle),
    used: 0,
  };
  return Object.assign((url: string) => new HttpReceiver(url, shared), {
    close: () => shared.idle?.close(),
    isIdle: () => shared.used === 0 && shared.idle?.empty !== false,
  });
}

/** Receivers that may share connections, one after the other. */
export interface HttpReceiverFactory extends ReceiverFactory {
  /** Closes the connections that nobody uses. */
  close(): void;
  /** There is no connection, used or waiting. */
  isIdle(): boolean;
}

/** What the receivers of one transfer have in common. */
interface Shared {
  readonly options: HttpReceiverOptions;
  readonly headers: Readonly<Record<string, string>>;
  readonly secureContexts: SecureContexts;
  readonly pool: BufferPool;
  /** Places whose answers are nothing for the fast way: files, and origins whose challenges are not. */
  readonly general: Set<string>;
  /** Proxies that could not be connected to, until no other can either. */
  readonly unreachable: Set<string>;
  readonly idle: IdleConnections | undefined;
  /** Connections in use. */
  used: number;
}

class HttpReceiver implements Receiver {
  #url: Place;
  readonly #shared: Shared;
  #connection: Connection | undefined;
  /** Of the connection, among those that wait. */
  #place = '';
  #proxied = false;
  /** The proxy of the connection. */
  #via = '';
  /** Where redirects led, for the rest of this connection. */
  #target: Place;

  constructor(url: string, shared: Shared) {
    this.#url = placeOf(url);
    this.#target = this.#url;
    this.#shared = shared;
  }

  /** From now on requests are for this file; redirects of another one say nothing about it. */
  #aim(url: string): void {
    const place = placeOf(url);
    if (place.href === this.#url.href) return;
    this.#url = place;
    this.#target = place;
  }

  request(request: ReceiverRequest, handler: ReceiverHandler): ReceiverExchange {
    const exchange = new Exchange(this, request, handler);
    if (request.url !== undefined) this.#aim(request.url);
    exchange.send(this.#target);
    return exchange;
  }

  close(): void {
    const connection = this.#connection;
    this.#connection = undefined;
    if (connection === undefined) return;
    this.#shared.used--;
    if (this.#shared.idle === undefined) connection.close();
    else this.#shared.idle.give(this.#place, connection);
  }

  /** The connection to the origin of `url`; there is one at a time. */
  connectionTo({ href, origin }: Place): Connection {
    const { options, secureContexts, pool, general, idle } = this.#shared;
    const unusual = options.fast === false || general.has(origin) || general.has(href);
    const current = this.#connection;
    // What undici was needed for is over with its file.
    const suits = this.#proxied
      ? !this.#shared.unreachable.has(this.#via)
      : current instanceof RawConnection !== unusual;
    if (current?.origin === origin && suits) return current;
    this.close();
    const own = origin === this.#url.origin;
    const proxies = options.proxy === undefined ? [] : proxiesFor(href, options.proxy);
    this.#proxied = proxies.length > 0;
    // Where redirects lead nobody logs on: such a connection is never one to the origin of a file.
    const kind = `${own} ${unusual || this.#proxied ? 'general' : 'fast'}`;
    const place = (via: string) => `${kind} ${origin} ${via}`;
    this.#shared.used++;
    for (const via of this.#proxied ? proxies.map(originOf) : ['']) {
      this.#connection = idle?.take(place(via));
      [this.#via, this.#place] = [via, place(via)];
      if (this.#connection !== undefined) return this.#connection;
    }
    const logon = new ConnectionLogon(origin, own ? options.authenticator : undefined);
    const proxy = this.#proxyOf(proxies);
    this.#via = proxy === undefined ? '' : originOf(proxy);
    this.#place = place(this.#via);
    this.#connection =
      unusual || proxy !== undefined
        ? new UndiciConnection(origin, own, logon, options, secureContexts, proxy)
        : new RawConnection(origin, own, logon, options, secureContexts, pool);
    return this.#connection;
  }

  /** The first of the list that is not known to be dead; they may have come back when all are. */
  #proxyOf(proxies: readonly HttpProxy[]): ConnectionProxy | undefined {
    const { unreachable, options } = this.#shared;
    let proxy = proxies.find((each) => !unreachable.has(originOf(each)));
    if (proxy === undefined) {
      for (const each of proxies) unreachable.delete(originOf(each));
      proxy = proxies[0];
    }
    if (proxy === undefined) return undefined;
    const origin = originOf(proxy);
    return {
      ...proxy,
      logon: new ConnectionLogon(origin, options.proxyAuthenticator, true),
      unreachable: () => void unreachable.add(origin),
    };
  }

  /** The proxy of the connection could not be connected to, and there is one of which that is not known. */
  hasOtherProxy({ href }: Place): boolean {
    const { unreachable, options } = this.#shared;
    if (options.proxy === undefined || !unreachable.has(this.#via)) return false;
    return proxiesFor(href, options.proxy).some((each) => !unreachable.has(originOf(each)));
  }

  /** From now on undici does what there is to do with this file, or with all of this origin. */
  useGeneral(place: string): void {
    this.#shared.general.add(place);
    this.close();
  }

  /** A signed address that a redirect gave may have expired: then the original one knows a new one. */
  forgetTarget(): boolean {
    const moved = this.#target.href !== this.#url.href;
    this.#target = this.#url;
    return moved;
  }

  rememberTarget(target: Place): void {
    this.#target = target;
  }

  get url(): Place {
    return this.#url;
  }

  get options(): HttpReceiverOptions {
    return this.#shared.options;
  }

  /** The caller's fields, for the file's own origin only. */
  headersFor(origin: string): Readonly<Record<string, string>> {
    return origin === this.#url.origin ? this.#shared.headers : {};
  }
}

/** One request with the redirects and the authentication that lie before its answer. */
class Exchange implements ReceiverExchange {
  readonly #receiver: HttpReceiver;
  readonly #request: ReceiverRequest;
  readonly #handler: ReceiverHandler;
  #control: AttemptControl | undefined;
  #paused = false;
  #over = false;
  #redirects = 0;
  #legs = 0;

  constructor(receiver: HttpReceiver, request: ReceiverRequest, handler: ReceiverHandler) {
    this.#receiver = receiver;
    this.#request = request;
    this.#handler = handler;
  }

  /** `answers`: to challenges, of the server or of the proxy. */
  send(url: Place, answers: Answers = {}): void {
    let connection: Connection;
    const line = { method: this.#request.method, uri: url.uri };
    this.#control = undefined;
    let headers: Record<string, string>;
    try {
      connection = this.#receiver.connectionTo(url);
      // Basic can be sent unasked; the others wait for the challenge.
      const unasked = (logon: ConnectionLogon | undefined, asked: RequestLine) =>
        (logon?.authenticator ?? logon?.newAuthenticator())?.initial(asked);
      headers = this.#headers(connection.origin, {
        server: answers.server ?? unasked(connection.logon, line),
        proxy: answers.proxy ?? unasked(connection.proxyLogon, absolute(line, connection)),
      });
    } catch (thrown) {
      queueMicrotask(() => this.#fail(thrown, url));
      return;
    }
    connection.send(
      { ...line, position: this.#request.range?.start ?? 0, headers },
      new AttemptHandler(this, connection, url, line),
    );
  }

  pause(): void {
    this.#paused = true;
    this.#control?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#control?.resume();
  }

  abort(): void {
    if (this.#over) return;
    this.#over = true;
    this.#control?.abort();
    // Without a controller the request is not on the wire yet: only the connection can be given up.
    if (this.#control === undefined) this.#receiver.close();
  }

  // --- called by the attempt under way ---

  started(control: AttemptControl): void {
    this.#control = control;
    if (this.#over) control.abort();
    else if (this.#paused) control.pause();
  }

  get over(): boolean {
    return this.#over;
  }

  /** What to do once the body of this answer is out of the way; undefined: it is the final answer. */
  judge(
    connection: Connection,
    url: Place,
    line: RequestLine,
    head: ResponseHead,
    challenges: readonly string[],
  ): (() => void) | undefined {
    if (head.status !== 407) connection.proxyLogon?.admit();
    if (isRedirect(head.status)) {
      const { disallow, allowHttpsToHttp, onRedirect } = this.#receiver.options.redirects ?? {};
      const target = redirectTarget(url.href, head.headers['location'], this.#redirects++, allowHttpsToHttp);
      if (disallow === true) {
        onRedirect?.(target);
        throw new CarmineError('transfer/http-status', {
          context: { status: head.status },
          hresult: hresultFromHttpStatus(head.status),
        });
      }
      return () => {
        onRedirect?.(target);
        const place = placeOf(target);
        this.#receiver.rememberTarget(place);
        this.send(place);
      };
    }
    const asker = head.status === 401 ? 'server' : head.status === 407 ? 'proxy' : undefined;
    const logon = asker === 'server' ? connection.logon : asker === 'proxy' ? connection.proxyLogon : undefined;
    if (asker !== undefined && logon?.possible === true) {
      if (this.#legs++ >= maximumLegs) throw refusal(undefined, asker);
      const asked = asker === 'server' ? line : absolute(line, connection);
      const authorization = this.#answer(logon, challenges, asked, asker);
      if (typeof authorization === 'string') return () => this.send(url, { [asker]: authorization });
      // Until the body of this answer is out of the way nobody looks at how it ends.
      authorization.catch(() => undefined);
      return () => void this.#sendWhenReady(logon, url, authorization, asker);
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

  data(chunk: Uint8Array, release?: () => void): void {
    if (this.#over) release?.();
    else this.#handler.onData(chunk, release);
  }

  crowded(waits: boolean): void {
    if (!this.#over) this.#handler.onCrowded?.(waits);
  }

  end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#handler.onEnd();
  }

  error(thrown: unknown, url: Place): void {
    // Nothing was asked yet.
    if (!this.#over && this.#receiver.hasOtherProxy(url)) this.send(url);
    else this.#fail(thrown, url);
  }

  /** The same again, from the beginning, on a connection that takes everything. */
  again(place: string, url: Place): void {
    if (this.#over) return;
    this.#receiver.useGeneral(place);
    this.#legs = 0;
    this.send(url);
  }

  async #sendWhenReady(
    logon: ConnectionLogon,
    url: Place,
    authorization: Promise<string>,
    asker: keyof Answers,
  ): Promise<void> {
    try {
      const value = await authorization;
      if (!this.#over) this.send(url, { [asker]: value });
    } catch (thrown) {
      logon.authenticator = undefined;
      this.#fail(refusal(thrown, asker), url);
    }
  }

  #answer(
    logon: ConnectionLogon,
    challenges: readonly string[],
    line: RequestLine,
    asker: keyof Answers,
  ): string | Promise<string> {
    try {
      let authenticator = logon.authenticator;
      // It has forgotten on this connection who we are: once, we tell it again.
      if (authenticator === undefined || (logon.over && this.#legs === 1)) {
        authenticator = logon.newAuthenticator();
      }
      if (authenticator === undefined) throw refusal(undefined, asker);
      logon.answered++;
      return authenticator.next(challenges, line);
    } catch (thrown) {
      logon.authenticator = undefined;
      throw refusal(thrown, asker);
    }
  }

  #finish(connection: Connection, challenges: readonly string[]): void {
    try {
      connection.logon.authenticator?.finish(challenges);
    } catch (cause) {
      connection.logon.authenticator = undefined;
      throw new CarmineError('transfer/authentication', { cause });
    }
  }

  #headers(origin: string, answers: Answers): Record<string, string> {
    const { range, validator } = this.#request;
    const headers = plainHeaders(this.#receiver.options, this.#receiver.headersFor(origin));
    if (answers.server !== undefined) headers['authorization'] = answers.server;
    if (answers.proxy !== undefined) headers['proxy-authorization'] = answers.proxy;
    if (range !== undefined) headers['range'] = `bytes=${range.start}-${range.end - 1}`;
    // RFC 9110 13.1.5: If-Range is for strong validators, and only together with Range. BITS itself sends If-Unmodified-Since.
    if (validator?.kind === 'lastModified') headers['if-unmodified-since'] = validator.value;
    else if (validator?.kind === 'etag' && range !== undefined) headers['if-range'] = validator.value;
    return headers;
  }

  #fail(thrown: unknown, url: Place): void {
    if (this.#over) return;
    this.#over = true;
    this.#receiver.forgetTarget();
    this.#handler.onError(networkError(thrown, url.href));
  }
}

/** Listens to one request of an exchange. */
class AttemptHandler implements Attempt {
  readonly #exchange: Exchange;
  readonly #connection: Connection;
  readonly #url: Place;
  readonly #line: RequestLine;
  #control: AttemptControl | undefined;
  #next: (() => void) | undefined;
  #drained = 0;

  constructor(exchange: Exchange, connection: Connection, url: Place, line: RequestLine) {
    this.#exchange = exchange;
    this.#connection = connection;
    this.#url = url;
    this.#line = line;
  }

  started(control: AttemptControl): void {
    this.#control = control;
    this.#exchange.started(control);
  }

  head(head: ResponseHead, challenges: readonly string[]): void {
    if (this.#exchange.over) return;
    try {
      this.#next = this.#exchange.judge(this.#connection, this.#url, this.#line, head, challenges);
    } catch (thrown) {
      this.#control?.abort();
      this.#exchange.error(thrown, this.#url);
      return;
    }
    if (this.#next === undefined) this.#exchange.head(head);
  }

  data(chunk: Uint8Array, release?: () => void): void {
    if (this.#next === undefined) {
      this.#exchange.data(chunk, release);
      return;
    }
    // The body of a challenge or a redirect: it must pass for the connection to stay, but not for ever.
    this.#drained += chunk.length;
    release?.();
    if (this.#drained <= maximumDrained) return;
    this.#control?.abort();
    this.#exchange.error(new Error('too long an answer'), this.#url);
  }

  crowded(waits: boolean): void {
    this.#exchange.crowded(waits);
  }

  end(): void {
    if (this.#next === undefined) this.#exchange.end();
    else if (!this.#exchange.over) this.#next();
  }

  error(thrown: unknown): void {
    this.#exchange.error(thrown, this.#url);
  }

  unsuited(challenge: boolean): void {
    this.#exchange.again(challenge ? this.#connection.origin : this.#url.href, this.#url);
  }
}

/** A URL in its parts. */
interface Place {
  readonly href: string;
  readonly origin: string;
  /** Path and query, as they stand in a request. */
  readonly uri: string;
}

/** Credentials in a URL go nowhere, and a fragment is not for the server. */
function placeOf(url: string): Place {
  const { protocol, host, pathname, search, origin } = new URL(url);
  const uri = pathname + search;
  return { href: `${protocol}//${host}${uri}`, origin, uri };
}

function originOf({ host, port }: HttpProxy): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** What a proxy is asked, RFC 9112, section 3.2.2; Digest signs it. */
function absolute({ method, uri }: RequestLine, { origin }: Connection): RequestLine {
  return { method, uri: `${origin}${uri}` };
}

/** What kept an authenticator from answering; that there is nobody to ask just now may pass. */
function refusal(cause: unknown, asker: keyof Answers): CarmineError {
  if (isCarmineError(cause, 'transfer/no-authority')) return cause;
  const code = asker === 'server' ? 'transfer/authentication' : 'transfer/proxy-authentication';
  return new CarmineError(code, { cause });
}

/** Values of Authorization and Proxy-Authorization. */
interface Answers {
  readonly server?: string | undefined;
  readonly proxy?: string | undefined;
}

/** Requests that one answer may cost; Negotiate with NTLM needs three. */
const maximumLegs = 6;
/** Bytes. */
const maximumDrained = 256 * 1024;
/** Octets that were received and wait to be written. */
const maximumWaiting = 8 * 1024 * 1024;
