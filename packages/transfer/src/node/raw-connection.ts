import type { ChunkedEnd } from '../chunked-body.ts';
import { fieldValues, joinedFields } from '../http-head.ts';
import type { BufferPool, ReceiveBuffer } from './buffer-pool.ts';
import type { Attempt, AttemptControl, Connection } from './connection.ts';
import { fiveMinutes, type HttpReceiverOptions } from './http-options.ts';
import { Incoming } from './incoming.ts';
import { Line, type LineReader } from './line.ts';
import { isHalfway, type Peer, targetAt } from './peer.ts';
import { bodyBehind, type RawAnswer, type ReadingBody, type ReadingHead, takeHead } from './raw-answer.ts';
import { requestText } from './raw-socket.ts';
import type { RequestHead } from './request-head.ts';

/**
 * The fast way: a socket that is read straight into buffers from which the file is written, and nothing in between. It
 * takes answers whose Content-Length says where they end; others it gives back (`unsuited`), or, where their body is of no use to
 * anybody, it ends them with their head and closes.
 */
export class RawConnection implements Connection, LineReader {
  readonly peer: Peer;
  readonly #host: string;
  readonly #pool: BufferPool;
  readonly #incoming: Incoming;
  readonly #times: { readonly headers: number; readonly body: number };
  #line: Line | undefined;
  /** A line that is taken over. */
  #coming: Promise<void> | undefined;
  #sentAt = 0;
  #exchange: RawExchange | undefined;
  #timer: NodeJS.Timeout | undefined;
  #paused = false;
  #flushing = false;
  readonly #regulate = () => this.#setPaused();

  constructor(peer: Peer, options: HttpReceiverOptions, pool: BufferPool) {
    this.peer = peer;
    this.#pool = pool;
    this.#incoming = new Incoming(pool);
    const { headers = fiveMinutes, body = fiveMinutes } = options.timeouts ?? {};
    this.#times = { headers, body };
    this.#host = new URL(peer.origin).host;
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
    this.#begin(exchange);
  }

  /** Goes on with the line of somebody else who is done with it, if it can be had. */
  takeOver(from: { letGo(reader: LineReader): Promise<Line | undefined> }): void {
    const coming = from.letGo(this).then((line) => {
      if (this.#coming !== coming) {
        line?.close(() => undefined);
        return;
      }
      this.#coming = undefined;
      this.#line = line;
      line?.ref(true);
    });
    this.#coming = coming;
  }

  close(): void {
    this.#exchange = undefined;
    this.#drop();
  }

  park(): boolean {
    const line = this.#line;
    if (line?.connected !== true || this.#exchange !== undefined || isHalfway(this.peer)) return false;
    const { buffer } = this.#incoming;
    if (buffer !== undefined && buffer.fresh.length > 0) return false;
    // Its buffer stays: Node has it already for what comes next.
    this.#pool.leave(this.#regulate);
    line.ref(false);
    return true;
  }

  unpark(): boolean {
    const line = this.#line;
    if (line === undefined || line.destroyed) return false;
    this.#pool.wait(this.#regulate);
    line.ref(true);
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

  // --- the line ------------------------------------------------------------------------------------------------------

  #begin(exchange: RawExchange): void {
    if (this.#exchange !== exchange) return;
    if (this.#coming !== undefined) {
      void this.#coming.then(() => this.#begin(exchange));
      return;
    }
    this.#pool.wait(this.#regulate);
    if (this.#line !== undefined) {
      this.connected();
      return;
    }
    this.#paused = false;
    this.#line = new Line(this.peer, this);
  }

  connected(): void {
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    try {
      this.#startTimer(this.#times.headers);
      this.#setPaused();
      const { request } = exchange;
      const text = requestText({ ...request, uri: targetAt(this.peer, request.uri) }, this.#host);
      this.#line?.ask(text, () => {
        this.#sentAt = performance.now();
      });
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  lost(reason: unknown): void {
    this.#flush();
    this.#fail(reason ?? new Error('the other side closed the connection'));
  }

  /** Gives up the line; the next request gets a new one. */
  #drop(): void {
    const line = this.#line;
    this.#line = undefined;
    this.#coming = undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#pool.leave(this.#regulate);
    const release = this.#incoming.leave();
    if (line === undefined) release();
    else line.close(release);
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
    const [line, exchange] = [this.#line, this.#exchange];
    const crowded = exchange !== undefined && this.#pool.crowded;
    const paused = exchange?.held === true || crowded;
    // Before it is connected there is nothing to read, and Node has no handle to stop.
    if (line?.connected !== true) return;
    if (paused !== this.#paused) {
      this.#paused = paused;
      if (paused) {
        line.pause();
      } else {
        this.#timer?.refresh();
        line.resume();
      }
    }
    if (exchange === undefined || exchange.crowded === crowded) return;
    exchange.crowded = crowded;
    exchange.attempt.crowded(crowded);
  }

  // --- what arrives --------------------------------------------------------------------------------------------------

  space(): Uint8Array {
    return this.#incoming.space(this.#exchange?.state.at === 'body', () => {
      this.#flush();
      this.#setPaused();
    });
  }

  received(count: number): boolean {
    const { buffer } = this.#incoming;
    if (buffer === undefined) return false;
    buffer.filled += count;
    const exchange = this.#exchange;
    // Nobody asked: whatever it is, it must not become part of the next answer.
    if (exchange === undefined) this.#drop();
    else if (exchange.state.at === 'head') this.#onHead(exchange, exchange.state, buffer);
    else this.#onBody(exchange, exchange.state, buffer);
    return this.#line !== undefined && !this.#paused;
  }

  #onHead(exchange: RawExchange, state: ReadingHead, buffer: ReceiveBuffer): void {
    let taken: ReturnType<typeof takeHead>;
    try {
      taken = takeHead(state, buffer, this.peer.origin);
    } catch (thrown) {
      this.#fail(thrown);
      return;
    }
    if (taken === undefined) return;
    const { attempt, request } = exchange;
    const { head, start } = taken;
    const { status } = head;
    const { origin, logon, proxyLogon } = this.peer;
    const answered = (status === 401 ? logon : status === 407 ? proxyLogon : undefined)?.possible === true;
    const next = bodyBehind(head, request.method, answered, origin);
    if (next === undefined) {
      this.close();
      attempt.unsuited(answered);
      return;
    }
    exchange.state = next;
    // Where there is no room for that, writing is slower, no more.
    if (next.left > 0) buffer.align(request.position, start);
    this.#startTimer(this.#times.body);
    const elapsed = performance.now() - this.#sentAt;
    const connected = proxyLogon === undefined ? this.#line?.reachedAfter : undefined;
    attempt.head(
      { status, headers: joinedFields(head), origin, elapsed, connected },
      fieldValues(head, status === 407 ? 'proxy-authenticate' : 'www-authenticate'),
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
    const [exchange, { buffer }] = [this.#exchange, this.#incoming];
    if (exchange?.state.at !== 'body' || buffer === undefined) return;
    const count = Math.min(exchange.state.left, buffer.filled - buffer.taken);
    if (count === 0) return;
    exchange.state.left -= count;
    const { chunk, release } = buffer.hand(buffer.taken + count);
    exchange.attempt.data(chunk, release);
  }
}

interface RawExchange {
  readonly request: RequestHead;
  readonly attempt: Attempt;
  state: RawAnswer;
  /** The attempt asked for a pause. */
  held: boolean;
  /** It was told that it waits for buffers. */
  crowded: boolean;
}
