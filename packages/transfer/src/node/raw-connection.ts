import type { Socket } from 'node:net';
import { CarmineError } from '@carmine/errors';
import { ChunkedEnd } from '../chunked-body.ts';
import {
  bodyOf,
  fieldValues,
  type HttpHead,
  headEnd,
  isChunked,
  joinedFields,
  maximumHead,
  parseHttpHead,
  staysOpen,
} from '../http-head.ts';
import { type BufferPool, ReceiveBuffer } from './buffer-pool.ts';
import {
  type Attempt,
  type AttemptControl,
  type Connection,
  type ConnectionLogon,
  connectTimeout,
  fiveMinutes,
  type HttpReceiverOptions,
  type RequestHead,
} from './connection.ts';
import { type RawSockets, rawSockets, requestText } from './raw-socket.ts';
import type { SecureContexts } from './secure-contexts.ts';

/**
 * The fast way: a socket that is read straight into buffers from which the file is written, and nothing in between. It
 * takes answers whose Content-Length says where they end; others it gives back (`unsuited`), or, where their body is of no use to
 * anybody, it ends them with their head and closes.
 */
export class RawConnection implements Connection {
  readonly origin: string;
  readonly logon: ConnectionLogon;
  readonly #host: string;
  readonly #sockets: RawSockets;
  readonly #pool: BufferPool;
  readonly #times: { readonly connect: number; readonly headers: number; readonly body: number };
  #socket: Socket | undefined;
  /** Stands for the socket that may read, also before it is there. */
  #reading: symbol | undefined;
  #connected = false;
  #sentAt = 0;
  #socketError: unknown;
  #buffer: ReceiveBuffer | undefined;
  #bufferSince = 0;
  /** Its last buffer was filled quickly. */
  #quick = false;
  #exchange: RawExchange | undefined;
  #timer: NodeJS.Timeout | undefined;
  #impatience: NodeJS.Timeout | undefined;
  #paused = false;
  #flushing = false;
  readonly #regulate = () => this.#setPaused();

  constructor(
    origin: string,
    own: boolean,
    logon: ConnectionLogon,
    options: HttpReceiverOptions,
    secureContexts: SecureContexts,
    pool: BufferPool,
  ) {
    this.origin = origin;
    this.logon = logon;
    this.#pool = pool;
    const { headers = fiveMinutes, body = fiveMinutes } = options.timeouts ?? {};
    this.#times = { connect: connectTimeout(options), headers, body };
    this.#host = new URL(origin).host;
    this.#sockets = rawSockets(origin, own, secureContexts);
  }

  send(request: RequestHead, attempt: Attempt): void {
    if (this.#exchange !== undefined) throw new Error('a request is under way');
    const exchange: RawExchange = {
      request,
      attempt,
      state: { at: 'head', seen: 0, interim: 0 },
      held: false,
      crowded: false,
    };
    this.#exchange = exchange;
    attempt.started(this.#control(exchange));
    if (this.#exchange !== exchange) return;
    if (this.#socket === undefined) this.#connect();
    else this.#write();
  }

  close(): void {
    this.#exchange = undefined;
    this.#drop();
  }

  park(): boolean {
    const socket = this.#socket;
    if (socket === undefined || !this.#connected || this.#exchange !== undefined || this.logon.halfway) return false;
    if (this.#buffer !== undefined && this.#buffer.fresh.length > 0) return false;
    // Its buffer stays: Node has it already for what comes next.
    this.#pool.leave(this.#regulate);
    socket.unref();
    return true;
  }

  unpark(): boolean {
    const socket = this.#socket;
    if (socket === undefined || socket.destroyed) return false;
    this.#pool.wait(this.#regulate);
    socket.ref();
    return true;
  }

  #control(exchange: RawExchange): AttemptControl {
    const hold = (held: boolean) => {
      exchange.held = held;
      this.#setPaused();
    };
    return {
      pause: () => hold(true),
      resume: () => hold(false),
      abort: () => {
        if (this.#exchange === exchange) this.close();
      },
    };
  }

  // --- the socket ----------------------------------------------------------------------------------------------------

  /** `attempt`: how many before it were given up because nothing came of them. */
  #connect(attempt = 0): void {
    this.logon.reconnect();
    this.#socketError = undefined;
    this.#connected = false;
    this.#paused = false;
    const reading = Symbol('reading');
    this.#reading = reading;
    // A socket that was given up may have more to bring until it is closed: never into a buffer that is somebody else's.
    const socket = this.#sockets.open({
      buffer: () => (this.#reading === reading ? this.#space() : sink),
      callback: (count: number) => this.#reading === reading && this.#onRead(count),
    });
    this.#socket = socket;
    this.#pool.wait(this.#regulate);
    if (attempt === 0) this.#startTimer(this.#times.connect);
    // From here on the other side is waited for, not a resolver of names.
    socket.on('connectionAttempt', () => this.#connectSoon(socket, attempt));
    socket.once('connect', () => this.#socket === socket && clearTimeout(this.#impatience));
    socket.once(this.#sockets.ready, () => {
      if (this.#socket !== socket) return;
      const refused = this.#sockets.refused(socket);
      if (refused !== undefined) {
        this.#fail(refused);
        return;
      }
      this.#connected = true;
      this.logon.connected(socket);
      this.#write();
    });
    socket.on('error', (reason: unknown) => {
      this.#socketError ??= reason;
    });
    socket.once('end', () => this.#lost(socket));
    socket.once('close', () => this.#lost(socket));
  }

  /**
   * TCP asks again after 1, 3, 7, 15 s; when the way was cut, a new socket finds sooner out that it is free again. A server that is
   * really far away has more time now and then.
   */
  #connectSoon(socket: Socket, attempt: number): void {
    clearTimeout(this.#impatience);
    this.#impatience = setTimeout(
      () => {
        if (this.#socket !== socket || !socket.connecting) return;
        socket.destroy();
        this.#connect(attempt + 1);
      },
      attempt % 4 === 3 ? farConnect : quickConnect,
    );
  }

  #lost(socket: Socket): void {
    if (this.#socket !== socket) return;
    this.#flush();
    this.#fail(this.#socketError ?? new Error('the other side closed the connection'));
  }

  #write(): void {
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    try {
      this.#startTimer(this.#times.headers);
      this.#setPaused();
      const socket = this.#socket;
      const text = requestText(exchange.request, this.#host);
      atEndOfTurn(() => {
        if (socket === undefined || socket.destroyed) return;
        this.#sentAt = performance.now();
        socket.write(text, 'latin1');
      });
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  /** Gives up the socket; the next request gets a new one. */
  #drop(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#reading = undefined;
    clearTimeout(this.#timer);
    clearTimeout(this.#impatience);
    this.#timer = undefined;
    this.#pool.leave(this.#regulate);
    const buffer = this.#buffer;
    this.#buffer = undefined;
    if (socket === undefined || socket.closed) {
      buffer?.release();
      return;
    }
    // Until then it may be written to: what TLS has received already is decrypted, whether anybody reads it or not.
    socket.once('close', () => buffer?.release());
    socket.destroy();
  }

  #fail(thrown: unknown): void {
    const attempt = this.#exchange?.attempt;
    this.close();
    attempt?.error(thrown);
  }

  #startTimer(milliseconds: number): void {
    clearTimeout(this.#timer);
    const timer = setTimeout(() => {
      if (this.#paused) timer.refresh();
      else if (this.#exchange !== undefined) {
        this.#fail(Object.assign(new Error('the server took too long'), { code: 'ETIMEDOUT' }));
      }
    }, milliseconds);
    this.#timer = timer;
  }

  #setPaused(): void {
    const [socket, exchange] = [this.#socket, this.#exchange];
    const crowded = exchange !== undefined && this.#pool.crowded;
    const paused = exchange?.held === true || crowded;
    // Before it is connected there is nothing to read, and Node has no handle to stop.
    if (socket === undefined || !this.#connected) return;
    if (paused !== this.#paused) {
      this.#paused = paused;
      if (paused) {
        socket.pause();
      } else {
        this.#timer?.refresh();
        socket.resume();
      }
    }
    if (exchange === undefined || exchange.crowded === crowded) return;
    exchange.crowded = crowded;
    exchange.attempt.crowded(crowded);
  }

  // --- what arrives --------------------------------------------------------------------------------------------------

  /** Where the next octets go: what is left of the buffer, as long as a read is worth its while. */
  #space(): Uint8Array {
    const inBody = this.#exchange?.state.at === 'body';
    // A body fills its buffers to the end, so that all of it lies in memory as in the file; a head must be in one piece.
    const needed = inBody ? 1 : 3 * maximumHead;
    if (this.#socket !== undefined && this.#buffer !== undefined && this.#buffer.room < needed) this.#changeBuffer();
    if (this.#buffer === undefined) this.#buffer = this.#newBuffer();
    const { bytes, filled } = this.#buffer;
    // What comes with a head is moved: not much, then.
    return inBody ? bytes.subarray(filled) : bytes.subarray(filled, filled + maximumHead);
  }

  #newBuffer(): ReceiveBuffer {
    this.#bufferSince = performance.now();
    return new ReceiveBuffer(this.#pool, this.#quick);
  }

  /** A head that has begun moves along, so that it is in one piece. */
  #changeBuffer(): void {
    const old = this.#buffer;
    if (old === undefined) return;
    this.#flush();
    if (this.#buffer !== old) return;
    this.#quick = (old.bytes.length * 1_000) / Math.max(1, performance.now() - this.#bufferSince) > quickly;
    const next = this.#newBuffer();
    next.bytes.set(old.fresh);
    next.filled = old.fresh.length;
    old.release();
    this.#buffer = next;
    this.#setPaused();
  }

  #onRead(count: number): boolean {
    const buffer = this.#buffer;
    if (buffer === undefined) return false;
    buffer.filled += count;
    const exchange = this.#exchange;
    // Nobody asked: whatever it is, it must not become part of the next answer.
    if (exchange === undefined) this.#drop();
    else if (exchange.state.at === 'head') this.#onHead(exchange, exchange.state, buffer);
    else this.#onBody(exchange, exchange.state, buffer);
    return this.#socket !== undefined && !this.#paused;
  }

  #onHead(exchange: RawExchange, state: ReadingHead, buffer: ReceiveBuffer): void {
    let head: HttpHead;
    let start: number;
    try {
      const end = headEnd(buffer.fresh.subarray(0, maximumHead), state.seen, this.origin);
      if (end === undefined) {
        state.seen = buffer.fresh.length;
        return;
      }
      head = parseHttpHead(buffer.fresh.subarray(0, end), this.origin);
      start = buffer.taken;
      buffer.taken += end;
    } catch (thrown) {
      this.#fail(thrown);
      return;
    }
    const { attempt, request } = exchange;
    if (head.status < 200 && head.status !== 101) {
      // RFC 9110 15.2: interim answers may come unasked, and mean nothing here.
      if (++state.interim > maximumInterim) this.#fail(invalidInterim(this.origin));
      else {
        state.seen = 0;
        this.#onHead(exchange, state, buffer);
      }
      return;
    }
    const body = bodyOf(head, request.method);
    const answered = head.status === 401 && this.logon.possible;
    // A challenge in chunks ends somewhere too: what NTLM needs is the connection, not what it says to people.
    const skipped = body.kind === 'unusual' && answered && isChunked(head);
    if (body.kind === 'unusual' && (head.status < 300 || answered) && !skipped) {
      this.close();
      attempt.unsuited(answered);
      return;
    }
    const next: ReadingBody = {
      at: 'body',
      left: body.kind === 'length' ? body.length : 0,
      reusable: (body.kind !== 'unusual' || skipped) && staysOpen(head),
      skip: skipped ? new ChunkedEnd(this.origin) : undefined,
    };
    exchange.state = next;
    // Where there is no room for that, writing is slower, no more.
    if (next.left > 0) buffer.align(request.position, start);
    this.#startTimer(this.#times.body);
    const { status } = head;
    const elapsed = performance.now() - this.#sentAt;
    attempt.head(
      { status, headers: joinedFields(head), origin: this.origin, elapsed },
      fieldValues(head, 'www-authenticate'),
    );
    if (this.#exchange === exchange) this.#onBody(exchange, next, buffer);
  }

  #onBody(exchange: RawExchange, state: ReadingBody, buffer: ReceiveBuffer): void {
    this.#timer?.refresh();
    if (state.skip !== undefined && !this.#skip(state.skip, buffer)) return;
    const fresh = buffer.filled - buffer.taken;
    if (fresh < state.left) {
      // What one turn of the loop brings in many small reads (TLS: 16 KiB each) is handed on in one piece.
      if (fresh > 0 && !this.#flushing) {
        this.#flushing = true;
        setImmediate(() => {
          this.#flushing = false;
          this.#flush();
        });
      }
      return;
    }
    if (fresh > state.left) {
      // More than announced: the answer is whole, but nobody knows what the rest is.
      state.reusable = false;
      buffer.filled = buffer.taken + state.left;
    }
    this.#flush();
    if (this.#exchange !== exchange) return;
    this.#exchange = undefined;
    clearTimeout(this.#timer);
    if (state.reusable) this.#setPaused();
    else this.#drop();
    exchange.attempt.end();
  }

  /** True when the body that nobody wants is over. */
  #skip(body: ChunkedEnd, buffer: ReceiveBuffer): boolean {
    try {
      const count = body.feed(buffer.fresh);
      buffer.taken += count ?? buffer.fresh.length;
      return count !== undefined;
    } catch (thrown) {
      this.#fail(thrown);
      return false;
    }
  }

  /** Hands on what has arrived of the body. */
  #flush(): void {
    const [exchange, buffer] = [this.#exchange, this.#buffer];
    if (exchange?.state.at !== 'body' || buffer === undefined) return;
    const count = Math.min(exchange.state.left, buffer.filled - buffer.taken);
    if (count === 0) return;
    exchange.state.left -= count;
    const { chunk, release } = buffer.hand(buffer.taken + count);
    exchange.attempt.data(chunk, release);
  }
}

interface ReadingHead {
  readonly at: 'head';
  /** Octets of the head that were looked at. */
  seen: number;
  /** Interim answers before it. */
  interim: number;
}

interface ReadingBody {
  readonly at: 'body';
  /** Octets that are not handed on yet. */
  left: number;
  /** Whether the connection can be used again. */
  reusable: boolean;
  /** Where a body ends of which nothing is handed on. */
  readonly skip: ChunkedEnd | undefined;
}

interface RawExchange {
  readonly request: RequestHead;
  readonly attempt: Attempt;
  state: ReadingHead | ReadingBody;
  /** The attempt asked for a pause. */
  held: boolean;
  /** It was told that it waits for buffers. */
  crowded: boolean;
}

function invalidInterim(origin: string): CarmineError {
  return new CarmineError('transfer/invalid-response', { context: { origin, reason: 'interim answers without end' } });
}

/** Bytes per second with which a connection gets large buffers. */
const quickly = 40e6;

/** Of one request. */
const maximumInterim = 128;

/** UNSPECIFIED: milliseconds until another socket is tried. */
const quickConnect = 1_000;
const farConnect = 5_000;

/** Where the octets go that nobody wants; nobody reads them. */
const sink = new Uint8Array(64 * 1024);

/**
 * Requests that arise in one turn of the loop leave together at its end: a server that sleeps is woken once for all of them, which
 * costs whoever wakes it as much as everything else about a small file.
 */
function atEndOfTurn(send: () => void): void {
  if (leaving.push(send) > 1) return;
  setImmediate(() => {
    for (const each of leaving.splice(0)) each();
  });
}
const leaving: (() => void)[] = [];
