import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';

/** What one request was. */
export interface WireRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly range: string | undefined;
  /** To a proxy: Proxy-Authorization. */
  readonly authorization: string | undefined;
  /** Number of the connection, from 1. */
  readonly connection: number;
}

/** An origin that answers each request with octets as they are, HTTP or not. */
export class WireOrigin {
  readonly requests: WireRequest[] = [];
  connections = 0;
  readonly #server: Server;
  readonly #scheme: 'http' | 'https';
  readonly #sockets = new Set<Socket>();

  private constructor(answer: (request: WireRequest, socket: Socket) => void, tls: TlsOptions | undefined) {
    const listener = (socket: Socket) => {
      const connection = ++this.connections;
      let text = '';
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.setEncoding('latin1').on('data', (chunk: string) => {
        text += chunk;
        for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
          const head = text.slice(0, end);
          text = text.slice(end + 4);
          const [method = '', path = ''] = head.split(' ');
          const range = /^range: (.*)$/im.exec(head)?.[1];
          const authorization = /^(?:proxy-)?authorization: (.*)$/im.exec(head)?.[1];
          const request = { method, path, range, authorization, connection };
          this.requests.push(request);
          answer(request, socket);
        }
      });
    };
    this.#scheme = tls === undefined ? 'http' : 'https';
    this.#server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  }

  static async start(answer: (request: WireRequest, socket: Socket) => void, tls?: TlsOptions): Promise<WireOrigin> {
    const origin = new WireOrigin(answer, tls);
    await new Promise<void>((resolve) => origin.#server.listen(0, '127.0.0.1', resolve));
    return origin;
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${(this.#server.address() as AddressInfo).port}/file`;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
