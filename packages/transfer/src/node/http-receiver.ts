import { checkHeaders } from '../custom-headers.ts';
import { type HttpProxy, proxiesFor } from '../proxies.ts';
import type { Receiver, ReceiverExchange, ReceiverFactory, ReceiverHandler, ReceiverRequest } from '../receiver.ts';
import { BufferPool } from './buffer-pool.ts';
import type { Connection } from './connection.ts';
import { ConnectionLogon, type ConnectionProxy } from './connection-logon.ts';
import { type ExchangeConnections, HttpExchange } from './http-exchange.ts';
import type { HttpReceiverOptions } from './http-options.ts';
import { IdleConnections } from './idle-connections.ts';
import { isLoggedOn, type Peer, peerOf } from './peer.ts';
import { originOf, type Place, placeOf } from './place.ts';
import { RawConnection } from './raw-connection.ts';
import { createSecureContexts, type SecureContexts } from './secure-contexts.ts';
import { UndiciConnection } from './undici-connection.ts';

/**
 * Receivers with one HTTP/1.1 connection each, so that what belongs to a connection stays on it. Requests go the fast way
 * until an answer is nothing for it; from then on undici does the rest of that file, or what there is to do with that origin until it knows who we are.
 * `waitingBytes`: so much may wait to be written before connections wait.
 */
export function createHttpReceiverFactory(
  options: HttpReceiverOptions = {},
  waitingBytes = 8 * 1024 * 1024,
): HttpReceiverFactory {
  const shared: Shared = {
    options,
    headers: checkHeaders(options.headers ?? []),
    secureContexts: createSecureContexts(options),
    pool: new BufferPool(waitingBytes),
    general: new Set(),
    stubborn: new Set(),
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
  /** Origins whose challenges go on when somebody is logged on. */
  readonly stubborn: Set<string>;
  /** Proxies that could not be connected to, until no other can either. */
  readonly unreachable: Set<string>;
  readonly idle: IdleConnections | undefined;
  /** Connections in use. */
  used: number;
}

class HttpReceiver implements Receiver, ExchangeConnections {
  #url: Place;
  readonly #shared: Shared;
  #connection: Connection | undefined;
  /** The connection, where it was undici's before. */
  #takenOver: Connection | undefined;
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
    const exchange = new HttpExchange(this, request, handler);
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
    const { options, secureContexts, pool, idle } = this.#shared;
    const current = this.#connection;
    const suits = (connection: Connection) =>
      connection instanceof UndiciConnection || !this.#isUnusual(href, connection.peer);
    const reachable = !this.#proxied || !this.#shared.unreachable.has(this.#via);
    if (current?.peer.origin === origin && reachable && suits(current)) return this.#use(current, href);
    this.close();
    const own = origin === this.#url.origin;
    const proxies = options.proxy === undefined ? [] : proxiesFor(href, options.proxy);
    this.#proxied = proxies.length > 0;
    // Where redirects lead nobody logs on: such a connection is never one to the origin of a file.
    const place = (via: string) => `${own} ${origin} ${via}`;
    this.#shared.used++;
    for (const via of this.#proxied ? proxies.map(originOf) : ['']) {
      const waiting = idle?.take(place(via), suits);
      [this.#via, this.#place] = [via, place(via)];
      if (waiting !== undefined) return this.#use(waiting, href);
    }
    const logon = new ConnectionLogon(origin, own ? options.authenticator : undefined);
    const proxy = this.#proxyOf(proxies);
    const peer = peerOf(origin, own, logon, options, secureContexts, proxy);
    this.#via = proxy === undefined ? '' : originOf(proxy);
    this.#place = place(this.#via);
    const unusual = this.#isUnusual(href, peer);
    return this.#use(unusual ? new UndiciConnection(peer, options) : new RawConnection(peer, options, pool), href);
  }

  /** It is nothing for the fast way, as far as anybody knows. */
  #isUnusual(href: string, peer: Peer): boolean {
    const { options, general, stubborn } = this.#shared;
    if (options.fast === false || general.has(href) || stubborn.has(peer.origin)) return true;
    return general.has(peer.origin) && !isLoggedOn(peer);
  }

  /** What undici was needed for may be over: then the fast way goes on where it is. */
  #use(connection: Connection, href: string): Connection {
    if (connection instanceof UndiciConnection && !this.#isUnusual(href, connection.peer)) {
      const raw = new RawConnection(connection.peer, this.#shared.options, this.#shared.pool);
      raw.takeOver(connection);
      connection = raw;
      this.#takenOver = raw;
    }
    this.#connection = connection;
    return connection;
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

  hasOtherProxy({ href }: Place): boolean {
    const { unreachable, options } = this.#shared;
    if (options.proxy === undefined || !unreachable.has(this.#via)) return false;
    return proxiesFor(href, options.proxy).some((each) => !unreachable.has(originOf(each)));
  }

  useGeneral(place: string): void {
    const { general, stubborn } = this.#shared;
    // Logged on, and asked once more, in a way that the fast way cannot read.
    if (general.has(place) && this.#connection === this.#takenOver) stubborn.add(place);
    general.add(place);
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

  headersFor(origin: string): Readonly<Record<string, string>> {
    return origin === this.#url.origin ? this.#shared.headers : {};
  }
}
