import type { Socket } from 'node:net';
import type { RequestHead } from '../request-head.ts';
import type { RequestReader } from '../request-reader.ts';
import { type PreparedFields, prepareFields, type ResponseFields, responseHead } from '../response-head.ts';
import { httpDate } from './http-date.ts';
import type { Outgoing } from './outgoing.ts';

/** A body, or why there is none: it was longer than allowed, or the peer went away or broke the protocol. */
export type BodyResult = Uint8Array | 'too-large' | 'aborted';

/** What an exchange needs of its connection. */
export interface ExchangeHost {
  readonly socket: Socket;
  readonly outgoing: Outgoing;
  readonly reader: RequestReader;
  /** No request will follow this one. */
  readonly closing: boolean;
  /** Fields of an answer after which the connection goes on. */
  readonly keepAlive: PreparedFields;
  /** The body is over, or nobody wants it any more: what came of it may be read. */
  resume(): void;
  /** The answer is complete, handed to the socket. */
  answered(exchange: Exchange): void;
  /** The client's framing is not to be trusted any more. */
  fault(status: number): void;
}

/**
 * One request and its answer. Exactly one answer is given: `respond`, or `begin`, `write`… and `end`; or `destroy`.
 * Requests of one connection are handled one after the other, the next only when this one is answered.
 */
export class Exchange {
  readonly head: RequestHead;
  readonly #host: ExchangeHost;
  #state: 'open' | 'begun' | 'ended' = 'open';
  /** Head that waits to leave together with the first octets of the body. */
  #waiting: string | undefined;
  #bodyRead = false;
  #collect: Collector | undefined;
  #status = 0;
  #over: ((whole: boolean) => void)[] | undefined;
  #gone: AbortController | undefined;
  /** No request may follow. */
  #last = false;

  constructor(head: RequestHead, host: ExchangeHost) {
    this.head = head;
    this.#host = host;
  }

  get socket(): Socket {
    return this.#host.socket;
  }

  /** Of the answer; 0 while there is none. */
  get status(): number {
    return this.#status;
  }

  /** The answer has been begun; nothing but its rest, or the end of the connection, can follow. */
  get begun(): boolean {
    return this.#state !== 'open';
  }

  get ended(): boolean {
    return this.#state === 'ended';
  }

  /** The peer, or the server, has closed the connection. */
  get destroyed(): boolean {
    return this.#host.socket.destroyed;
  }

  /**
   * Calls once: when the whole answer is with the operating system (`whole`), or when the connection ended before.
   */
  onOver(listener: (whole: boolean) => void): void {
    this.#over ??= [];
    this.#over.push(listener);
  }

  /** Aborts when the connection ends before the answer is complete. */
  get signal(): AbortSignal {
    if (this.#gone === undefined) {
      this.#gone = new AbortController();
      if (this.#state !== 'ended' && this.#host.socket.destroyed) this.#gone.abort();
    }
    return this.#gone.signal;
  }

  /** The whole body, of at most `limit` octets: with `keep` false it is thrown away. Once. */
  readBody(limit: number, keep: boolean): Promise<BodyResult> {
    if (this.#bodyRead) return Promise.resolve(nothing);
    return new Promise((resolve) => {
      const { body } = this.head;
      if (body.kind === 'length' && body.length > limit) {
        this.#last = true;
        return resolve('too-large');
      }
      this.#collect = { limit, keep, chunks: [], length: 0, resolve };
      this.#pull();
      if (this.#collect !== undefined && this.head.expectsContinue)
        this.#host.outgoing.writeText('HTTP/1.1 100 Continue\r\n\r\n');
    });
  }

  /** The answer will say that the connection ends with it. */
  closeAfter(): void {
    this.#last = true;
  }

  /** Answers with head and body in one write. Content-Length is added unless the status has none. */
  respond(status: number, fields: ResponseFields, body?: Uint8Array): void {
    const length = body?.length ?? 0;
    const head = this.#start(status, fields, status === 304 || status === 204 ? undefined : length);
    if (body === undefined || length === 0) {
      this.#finish(head);
      return;
    }
    const whole = Buffer.allocUnsafe(head.length + length);
    whole.write(head, 0, 'latin1');
    whole.set(body, head.length);
    this.#finish(whole);
  }

  /** The head that an answer would have now, for who has to know how long it is. `prepared` come before `fields`. */
  headText(status: number, fields: ResponseFields, prepared?: PreparedFields): string {
    return this.#headText(status, fields, undefined, prepared);
  }

  /** Answers with octets that hold the whole answer, `headText` and body. When it returns, they may be changed. */
  respondWhole(status: number, octets: Uint8Array, from: number, to: number): void {
    if (this.#state !== 'open') throw new Error('an answer has been begun already');
    this.#state = 'ended';
    this.#status = status;
    const { socket, outgoing } = this.#host;
    if (socket.destroyed || socket.writableEnded) {
      this.#isOver(false);
      return;
    }
    outgoing.writeCopied(octets, from, to, this.#over && ((error) => this.#isOver(!error)));
    this.#host.answered(this);
  }

  /** Begins an answer; `fields` say how its body is delimited, `prepared` come before them. The head leaves with the first `write`, or with `end`. */
  begin(status: number, fields: ResponseFields, prepared?: PreparedFields): void {
    this.#waiting = this.#start(status, fields, undefined, prepared);
  }

  /** Resolves when the octets are with the operating system; false when the connection is gone. Nothing may change them until then. */
  write(chunk: Uint8Array): Promise<boolean> {
    const { socket, outgoing } = this.#host;
    if (socket.destroyed || socket.writableEnded) return Promise.resolve(false);
    return new Promise((resolve) => {
      const done = (error?: Error | null) => resolve(!error);
      const head = this.#waiting;
      this.#waiting = undefined;
      if (head === undefined) outgoing.write(chunk, done);
      else outgoing.writeBoth(head, chunk, done);
    });
  }

  /**
   * Writes at once as many of the first `length` octets as there is room for, and returns how many; they may be changed then.
   * 0 where nothing can be written in this way, now or at all: `write` then does it, and waits.
   */
  writeSome(octets: Uint8Array, length: number): number {
    const { socket, outgoing } = this.#host;
    if (socket.destroyed || socket.writableEnded) return 0;
    const sent = outgoing.writeSome(this.#waiting, octets, 0, length);
    if (sent === undefined) return 0;
    this.#waiting = undefined;
    // What moves is not idle.
    socket.setTimeout(socket.timeout ?? 0);
    return sent;
  }

  /**
   * Writes the head at once. True when it is with the operating system and nothing is queued: then octets of the body may be written past this, to the
   * socket's descriptor, until `write` or another of these is called. Else the head leaves with those.
   */
  writeHead(): boolean {
    const { socket, outgoing } = this.#host;
    if (this.#waiting === undefined || socket.destroyed || socket.writableEnded) return false;
    const whole = outgoing.writeTextNow(this.#waiting);
    if (whole !== undefined) this.#waiting = undefined;
    return whole === true;
  }

  /** Ends the answer, with its last octets if there are any. */
  end(chunk?: Uint8Array): void {
    const head = this.#waiting;
    this.#waiting = undefined;
    if (head !== undefined && chunk !== undefined) {
      const whole = Buffer.allocUnsafe(head.length + chunk.length);
      whole.write(head, 0, 'latin1');
      whole.set(chunk, head.length);
      this.#finish(whole);
    } else {
      this.#finish(head ?? chunk);
    }
  }

  /** Cuts the connection: the peer sees that the answer is not whole. */
  destroy(): void {
    this.#host.socket.destroy();
  }

  /** @internal More has come in on the connection. */
  received(): void {
    if (this.#collect !== undefined || this.#state === 'ended') this.#pull();
  }

  /** @internal The body has been read to its end, or thrown away. */
  get bodyRead(): boolean {
    return this.#bodyRead;
  }

  /** @internal Nothing may follow this exchange. */
  get last(): boolean {
    return this.#last;
  }

  /** @internal Throws the rest of the body away; false when it is more than `limit`. */
  discardRest(limit: number): boolean {
    const { body, expectsContinue } = this.head;
    if (this.#bodyRead) return true;
    // RFC 9110 section 10.1.1: whether such a client sends its body now, nobody knows.
    if (expectsContinue || (body.kind === 'length' && body.length > limit)) return false;
    this.#collect = { limit, keep: false, chunks: [], length: 0, resolve: () => {} };
    this.#pull();
    return true;
  }

  /** @internal The connection has ended. */
  closed(): void {
    const gone = this.#state === 'ended' ? undefined : this.#gone;
    this.#gone = undefined;
    this.#settle('aborted');
    this.#isOver(false);
    gone?.abort();
  }

  #pull(): void {
    const { reader } = this.#host;
    while (this.#collect !== undefined) {
      const event = reader.next();
      switch (event.kind) {
        case 'more':
          this.#host.resume();
          return;
        case 'data': {
          const collect = this.#collect;
          collect.length += event.bytes.length;
          if (collect.length > collect.limit) {
            this.#last = true;
            this.#settle('too-large');
          } else if (collect.keep) collect.chunks.push(event.bytes);
          break;
        }
        case 'end':
          this.#bodyRead = true;
          this.#settle(joined(this.#collect));
          return;
        default:
          this.#last = true;
          this.#settle('aborted');
          this.#host.fault(event.kind === 'fault' ? event.status : 400);
          return;
      }
    }
  }

  #settle(result: BodyResult): void {
    const collect = this.#collect;
    this.#collect = undefined;
    collect?.resolve(result);
  }

  #start(status: number, fields: ResponseFields, length: number | undefined, prepared?: PreparedFields): string {
    if (this.#state !== 'open') throw new Error('an answer has been begun already');
    this.#state = 'begun';
    this.#status = status;
    return this.#headText(status, fields, length, prepared);
  }

  #headText(status: number, fields: ResponseFields, length: number | undefined, prepared?: PreparedFields): string {
    const all: ResponseFields = length === undefined ? fields : [['Content-Length', String(length)], ...fields];
    const goesOn = this.head.keepAlive && !this.#host.closing && !this.#last;
    return responseHead(status, all, httpDate(), prepared, goesOn ? this.#host.keepAlive : closes);
  }

  #finish(octets: string | Uint8Array | undefined): void {
    if (this.#state !== 'begun') throw new Error('there is no answer to end');
    const { socket, outgoing } = this.#host;
    this.#state = 'ended';
    // The connection may have ended meanwhile, or the rest of the request was faulty and is answered.
    if (socket.destroyed || socket.writableEnded) {
      this.#isOver(false);
      return;
    }
    if (octets === undefined) this.#isOver(true);
    else outgoing.hold(octets, this.#over && ((error) => this.#isOver(!error)));
    this.#host.answered(this);
  }

  #isOver(whole: boolean): void {
    const listeners = this.#over;
    this.#over = undefined;
    if (listeners !== undefined) for (const listener of listeners) listener(whole);
  }
}

interface Collector {
  readonly limit: number;
  readonly keep: boolean;
  readonly chunks: Uint8Array[];
  length: number;
  readonly resolve: (result: BodyResult) => void;
}

function joined({ chunks }: Collector): Uint8Array {
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}

const nothing = new Uint8Array(0);
const closes = prepareFields([['Connection', 'close']]);
