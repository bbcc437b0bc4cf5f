import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** One kept-alive HTTP connection of a load generator: as little work per request as there can be, so that the server is measured. */
export class LoadConnection {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #resolve: ((answer: LoadAnswer) => void) | undefined;
  #reject: (error: Error) => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (data: Buffer) => this.#take(data));
    socket.on('error', (error) => this.#reject(error));
    socket.on('close', () => this.#reject(new Error('the server closed the connection')));
  }

  /** `trust`: PEM; with it the connection is TLS. */
  static open(port: number, trust: string | undefined): Promise<LoadConnection> {
    return new Promise((resolve, reject) => {
      const socket =
        trust === undefined
          ? connect({ host: '127.0.0.1', port })
          : connectTls({ host: '127.0.0.1', port, ca: [trust], checkServerIdentity: () => undefined });
      socket.once('error', reject);
      socket.once(trust === undefined ? 'connect' : 'secureConnect', () => resolve(new LoadConnection(socket)));
    });
  }

  /** Sends a whole request and waits for its answer; one at a time. */
  ask(request: Uint8Array): Promise<LoadAnswer> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(data: Buffer): void {
    this.#received = this.#received.length === 0 ? data : Buffer.concat([this.#received, data]);
    const end = this.#received.indexOf('\r\n\r\n');
    if (end < 0) return;
    const head = this.#received.toString('latin1', 0, end);
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
    if (this.#received.length < end + 4 + length) return;
    const body = this.#received.subarray(end + 4, end + 4 + length);
    this.#received = this.#received.subarray(end + 4 + length);
    this.#resolve?.({ status: Number(head.slice(9, 12)), head, body });
  }
}

/** An answer with a Content-Length. */
export interface LoadAnswer {
  readonly status: number;
  readonly head: string;
  readonly body: Uint8Array;
}
