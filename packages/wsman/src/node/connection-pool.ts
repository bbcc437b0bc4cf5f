import { CarmineError } from '@carmine/errors';
import type { ExchangeRequest, ExchangeResponse } from '../client/types.ts';
import { type ClientConnection, StaleConnection } from './client-connection.ts';
import { transportError } from './transport-error.ts';

/** A few authenticated connections to one machine; requests wait for a free one. */
export class ConnectionPool {
  readonly #open: () => ClientConnection;
  readonly #target: string;
  readonly #limit: number;
  readonly #idle: ClientConnection[] = [];
  readonly #all = new Set<ClientConnection>();
  readonly #waiting: ((connection: ClientConnection | undefined) => void)[] = [];
  #closed = false;

  constructor(options: { open: () => ClientConnection; target: string; limit: number }) {
    this.#open = options.open;
    this.#target = options.target;
    this.#limit = options.limit;
  }

  /**
   * Runs a request. One that met a connection the server had given up meanwhile is sent once more, if the server cannot
   * have acted on it, or if acting twice does no harm.
   */
  async exchange(request: ExchangeRequest): Promise<ExchangeResponse> {
    let stale: StaleConnection | undefined;
    // Every idle connection may have gone stale; a new one cannot be.
    for (let attempt = 0; attempt <= this.#limit; attempt++) {
      const connection = await this.#acquire(request.signal);
      try {
        return await connection.exchange(request);
      } catch (error) {
        if (!(error instanceof StaleConnection)) throw error;
        stale = error;
        if (error.processed === 'unknown' && !request.idempotent) break;
      } finally {
        this.#release(connection);
      }
    }
    throw transportError(stale?.cause, this.#target);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const wake of this.#waiting.splice(0)) wake(undefined);
    await Promise.all([...this.#all].map((connection) => this.#discard(connection)));
  }

  async #acquire(signal: AbortSignal | undefined): Promise<ClientConnection> {
    for (;;) {
      if (this.#closed || signal?.aborted === true) throw new CarmineError('internal/aborted');
      const idle = this.#idle.pop();
      if (idle?.usable === true) return idle;
      if (idle !== undefined) {
        void this.#discard(idle);
        continue;
      }
      if (this.#all.size < this.#limit) {
        const connection = this.#open();
        this.#all.add(connection);
        return connection;
      }
      const given = await this.#wait(signal);
      if (given !== undefined) return given;
    }
  }

  /** A released connection; undefined when the wait is over for another reason. */
  #wait(signal: AbortSignal | undefined): Promise<ClientConnection | undefined> {
    return new Promise((resolve) => {
      const wake = (connection: ClientConnection | undefined): void => {
        signal?.removeEventListener('abort', onAbort);
        resolve(connection);
      };
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(wake), 1);
        resolve(undefined);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(wake);
    });
  }

  #release(connection: ClientConnection): void {
    if (this.#closed || !connection.usable) {
      void this.#discard(connection);
      // Its place is free: whoever waits may open another one.
      this.#waiting.shift()?.(undefined);
      return;
    }
    const wake = this.#waiting.shift();
    if (wake === undefined) this.#idle.push(connection);
    else wake(connection);
  }

  async #discard(connection: ClientConnection): Promise<void> {
    this.#all.delete(connection);
    await connection.close();
  }
}
