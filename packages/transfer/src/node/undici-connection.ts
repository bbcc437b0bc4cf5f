import type { Socket } from 'node:net';
import type { Client, Dispatcher } from 'undici';
import type { Attempt, Connection } from './connection.ts';
import { fiveMinutes, type HttpReceiverOptions } from './http-options.ts';
import type { Line, LineReader } from './line.ts';
import { LineStream } from './line-stream.ts';
import { isHalfway, type Peer, targetAt } from './peer.ts';
import type { RequestHead } from './request-head.ts';

/** The general way: one undici client. It takes whatever HTTP/1 framing there is. */
export class UndiciConnection implements Connection {
  readonly peer: Peer;
  readonly #client: Promise<Client>;
  #stream: LineStream | undefined;
  /** A request is under way, or was not brought to its end. */
  #busy = false;
  #closed = false;

  constructor(peer: Peer, options: HttpReceiverOptions) {
    this.peer = peer;
    this.#client = this.#createClient(options);
    // Whoever sends hears of it.
    this.#client.catch(() => undefined);
  }

  send({ method, uri, headers }: RequestHead, attempt: Attempt): void {
    this.#busy = true;
    this.#client.then(
      (client) => {
        if (this.#closed) return;
        // undici would close after HEAD; an authenticated connection is worth keeping.
        client.dispatch({ method, path: targetAt(this.peer, uri), headers, reset: false }, new Handler(this, attempt));
      },
      (reason: unknown) => attempt.error(reason),
    );
  }

  close(): void {
    this.#closed = true;
    this.#client
      .then((client) => {
        // Nothing comes of it any more.
        const ended = client.destroy();
        this.#stream?.destroy();
        return ended;
      })
      .catch(() => undefined);
  }

  /** Ends it; its line goes on with `reader`, if it can be had. What came behind the answer undici looks at first, and takes it for the end of the connection. */
  async letGo(reader: LineReader): Promise<Line | undefined> {
    await new Promise((resolve) => setImmediate(resolve));
    const line = this.#busy || this.#closed ? undefined : this.#stream?.letGo(reader);
    this.close();
    return line;
  }

  /** undici lets programs end while nothing is asked. */
  park(): boolean {
    return !this.#busy && this.unpark() && !isHalfway(this.peer);
  }

  /** undici would connect anew, but then it is nobody's old connection. */
  unpark(): boolean {
    return this.#stream?.destroyed === false;
  }

  /** The answer came to its end. */
  ended(): void {
    this.#busy = false;
  }

  async #createClient(options: HttpReceiverOptions): Promise<Client> {
    // Loaded when needed: it takes longer than a small file.
    const { Client } = await import('undici');
    return new Client(this.peer.origin, {
      allowH2: false,
      pipelining: 1,
      headersTimeout: options.timeouts?.headers ?? fiveMinutes,
      bodyTimeout: options.timeouts?.body ?? fiveMinutes,
      connect: (_target, callback) => {
        const stream = new LineStream(this.peer, (thrown) => {
          if (thrown !== undefined) return callback(thrown as Error, null);
          // It asks for nothing of a socket that the stream does not have.
          callback(null, stream as unknown as Socket);
        });
        this.#stream = stream;
      },
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
    const challenges = headers[status === 407 ? 'proxy-authenticate' : 'www-authenticate'] ?? [];
    this.#attempt.head(
      { status, headers: Object.fromEntries(joined), origin: this.#connection.peer.origin },
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
    if (!this.#over) this.#attempt.error(error);
  }
}
