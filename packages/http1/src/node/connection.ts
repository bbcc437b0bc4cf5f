import type { Socket } from 'node:net';
import type { RequestHead } from '../request-head.ts';
import { RequestReader } from '../request-reader.ts';
import { type PreparedFields, prepareFields, responseHead } from '../response-head.ts';
import { Exchange, type ExchangeHost } from './exchange.ts';
import { httpDate } from './http-date.ts';
import type { Http1Limits } from './limits.ts';
import { Outgoing } from './outgoing.ts';

export interface ConnectionOptions {
  readonly limits: Http1Limits;
  readonly handle: (exchange: Exchange) => void;
  /** Told of what the handler threw. */
  readonly onError: (error: unknown) => void;
}

/**
 * The server's end of one connection: takes requests out of what comes in and hands them over one at a time. While one is
 * being handled, no more is read than was on its way.
 */
export class Connection implements ExchangeHost {
  readonly socket: Socket;
  readonly outgoing: Outgoing;
  readonly reader: RequestReader;
  readonly keepAlive: PreparedFields;
  readonly #o: ConnectionOptions;
  #exchange: Exchange | undefined;
  #pumping = false;
  #closing = false;
  #peerEnded = false;
  /** Nothing is expected any more but the peer's end. */
  #lingering = false;
  #lingered = 0;
  /** When the present wait is over, milliseconds of the monotonic clock. */
  #deadline: number;
  /** Of the request that is being read. */
  #requestBegan = 0;

  constructor(socket: Socket, options: ConnectionOptions) {
    this.socket = socket;
    this.outgoing = new Outgoing(socket);
    this.keepAlive = goesOn(options.limits);
    this.#o = options;
    this.reader = new RequestReader(options.limits.head, latin1);
    // Who connects and says nothing has as long as for a head.
    this.#deadline = performance.now() + options.limits.headersTimeout;
    socket.setNoDelay(true);
    socket.setTimeout(options.limits.idleTimeout);
    socket.on('timeout', () => this.#idle());
    socket.on('data', (chunk: Buffer) => this.#received(chunk));
    socket.on('end', () => this.#ended());
    socket.on('error', () => {});
    socket.on('close', () => {
      const exchange = this.#exchange;
      this.#exchange = undefined;
      exchange?.closed();
    });
  }

  get closing(): boolean {
    return this.#closing;
  }

  /** Ends the connection as soon as what is being answered is answered. */
  close(): void {
    this.#closing = true;
    // The last answer may still be on its way out.
    if (this.#exchange === undefined && !this.#lingering) this.outgoing.close();
  }

  /** Ends what has taken too long; to be called now and then. */
  check(now: number): void {
    if (now < this.#deadline) return;
    this.#deadline = Number.POSITIVE_INFINITY;
    if (this.#lingering || (this.#exchange === undefined && !this.reader.begun) || this.#exchange?.begun === true)
      this.socket.destroy();
    else this.fault(408);
  }

  resume(): void {
    if (this.socket.isPaused()) this.socket.resume();
  }

  answered(exchange: Exchange): void {
    if (exchange !== this.#exchange) return;
    const goesOn = exchange.head.keepAlive && !exchange.last && !this.#closing;
    if (!goesOn || !exchange.discardRest(this.#o.limits.discard)) this.#linger();
    else this.#next();
  }

  fault(status: number): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    if (exchange?.ended === true) {
      // The rest of a request that is answered: the answer is good.
      this.#linger();
    } else if (exchange?.begun === true) {
      this.socket.destroy();
    } else if (!this.#lingering) {
      const fields = [
        ['Content-Length', '0'],
        ['Connection', 'close'],
      ] as const;
      this.outgoing.writeText(responseHead(status, fields, httpDate()));
      this.#linger();
    }
    exchange?.closed();
  }

  #received(chunk: Buffer): void {
    if (this.#lingering) {
      this.#lingered += chunk.length;
      // Not destroyed yet: a reset would take the answer from a peer who is slow to read it.
      if (this.#lingered > maximumLingered) this.socket.pause();
      return;
    }
    const begun = this.reader.begun;
    this.reader.receive(chunk);
    if (this.#exchange === undefined) {
      if (!begun) this.#begin();
      this.#pump();
      return;
    }
    this.#exchange.received();
    // Who sends on while he is being answered waits.
    if (this.#exchange !== undefined && this.reader.buffered > 0) this.socket.pause();
    this.#next();
  }

  #begin(): void {
    this.#requestBegan = performance.now();
    this.#deadline = this.#requestBegan + this.#o.limits.headersTimeout;
  }

  /** When the present exchange is over in both directions: the next one. */
  #next(): void {
    const exchange = this.#exchange;
    if (exchange === undefined || !exchange.ended) return;
    if (!exchange.bodyRead) {
      if (exchange.last) this.#linger();
      return;
    }
    // Answers that nobody takes do not pile up.
    if (this.outgoing.stuck) {
      this.socket.once('drain', () => this.#next());
      return;
    }
    this.#exchange = undefined;
    this.#deadline = performance.now() + this.#o.limits.keepAliveTimeout;
    if (this.reader.buffered > 0) this.#begin();
    this.resume();
    this.#pump();
  }

  #pump(): void {
    // A handler that answers at once gets here again: the loop outside goes on.
    if (this.#pumping) return;
    this.#pumping = true;
    while (this.#exchange === undefined && !this.#lingering) {
      const event = this.reader.next();
      if (event.kind === 'head') this.#hand(event.head);
      else if (event.kind === 'fault') this.fault(event.status);
      else if (event.kind === 'more') break;
    }
    this.#pumping = false;
    if (this.#peerEnded && this.#exchange === undefined && !this.#lingering) this.outgoing.end();
  }

  #hand(head: RequestHead): void {
    const exchange = new Exchange(head, this);
    this.#exchange = exchange;
    if (head.body.kind === 'none') exchange.discardRest(0);
    this.#deadline =
      head.body.kind === 'none' ? Number.POSITIVE_INFINITY : this.#requestBegan + this.#o.limits.requestTimeout;
    try {
      this.#o.handle(exchange);
    } catch (error) {
      this.#o.onError(error);
      this.socket.destroy();
    }
  }

  /** Says that nothing follows, and reads over what still comes, so that the peer gets to read the answer. */
  #linger(): void {
    this.#exchange = undefined;
    this.#lingering = true;
    this.#deadline = performance.now() + lingerTime;
    this.outgoing.end();
    this.socket.resume();
  }

  /** The peer sends no more; he may still wait for answers. */
  #ended(): void {
    this.#peerEnded = true;
    if (this.#lingering) this.socket.destroy();
    else if (this.#exchange === undefined) this.outgoing.end();
    else if (!this.#exchange.bodyRead) this.socket.destroy();
  }

  /** Nothing has moved for long. Who waits for an answer that is not there yet may wait on. */
  #idle(): void {
    const exchange = this.#exchange;
    if (exchange?.bodyRead !== true || exchange.begun || this.socket.writableLength > 0) this.socket.destroy();
    else this.socket.setTimeout(this.socket.timeout ?? 0);
  }
}

function latin1(bytes: Uint8Array, from: number, to: number): string {
  const buffer = bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return buffer.toString('latin1', from, to);
}

/** The same for all connections of a server. */
function goesOn(limits: Http1Limits): PreparedFields {
  let fields = keepAlives.get(limits);
  if (fields === undefined) {
    const timeout = `timeout=${Math.floor(limits.keepAliveTimeout / 1000)}`;
    fields = prepareFields([
      ['Connection', 'keep-alive'],
      ['Keep-Alive', timeout],
    ]);
    keepAlives.set(limits, fields);
  }
  return fields;
}

const keepAlives = new WeakMap<Http1Limits, PreparedFields>();
const lingerTime = 2_000;
const maximumLingered = 1024 * 1024;
