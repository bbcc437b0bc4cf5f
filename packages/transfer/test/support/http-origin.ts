import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';

export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly range: string | undefined;
  readonly headers: IncomingMessage['headers'];
  /** Number of the connection, from 1. */
  readonly connection: number;
}

/** Answers one request; false leaves it to the origin. */
export type Behaviour = (request: IncomingMessage, response: ServerResponse, seen: Seen) => boolean;

/** A well-behaved origin of one file on loopback, unless told otherwise. */
export class HttpOrigin {
  content: Uint8Array;
  etag: string | undefined = '"1"';
  lastModified: string | undefined = 'Thu, 01 Jan 2026 00:00:00 GMT';
  headers: Record<string, string> = {};
  behaviour: Behaviour | undefined;
  readonly seen: Seen[] = [];
  connections = 0;
  readonly #server: Server;
  readonly #scheme: 'http' | 'https';
  readonly #numbers = new WeakMap<object, number>();

  private constructor(content: Uint8Array, tls: ServerOptions | undefined) {
    this.content = content;
    const listener: RequestListener = (request, response) => this.#answer(request, response);
    this.#scheme = tls === undefined ? 'http' : 'https';
    this.#server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
    this.#server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: object) => {
      this.#numbers.set(socket, ++this.connections);
    });
  }

  static async start(content: Uint8Array, tls?: ServerOptions): Promise<HttpOrigin> {
    const origin = new HttpOrigin(content, tls);
    await new Promise<void>((resolve) => origin.#server.listen(0, '127.0.0.1', resolve));
    return origin;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${this.port}/file`;
  }

  /** What was asked of the file, `HEAD` or ranges, in order. */
  get asked(): string[] {
    return this.seen.map(({ method, range }) => (method === 'HEAD' ? 'HEAD' : (range ?? 'GET')));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const seen: Seen = {
      method: request.method ?? '',
      path: request.url ?? '',
      range: request.headers.range,
      headers: request.headers,
      connection: this.#numbers.get(request.socket) ?? 0,
    };
    this.seen.push(seen);
    response.on('error', () => undefined);
    if (this.behaviour?.(request, response, seen) === true) return;
    this.serve(request, response);
  }

  serve(request: IncomingMessage, response: ServerResponse): void {
    const { content, etag, lastModified } = this;
    const { range, 'if-range': ifRange, 'if-unmodified-since': unmodified } = request.headers;
    const validators = {
      ...(etag === undefined ? {} : { etag }),
      ...(lastModified === undefined ? {} : { 'last-modified': lastModified }),
      'accept-ranges': 'bytes',
      ...this.headers,
    };
    if (unmodified !== undefined && unmodified !== lastModified) {
      response.writeHead(412, validators).end();
      return;
    }
    const match = /^bytes=(\d+)-(\d*)$/.exec(range ?? '');
    if (match === null || (ifRange !== undefined && ifRange !== etag)) {
      response.writeHead(200, { ...validators, 'content-length': content.length });
      response.end(request.method === 'HEAD' ? undefined : content);
      return;
    }
    const start = Number(match[1]);
    const end = Math.min(content.length, match[2] === '' ? content.length : Number(match[2]) + 1);
    if (start >= content.length) {
      response.writeHead(416, { 'content-range': `bytes */${content.length}` }).end();
      return;
    }
    response.writeHead(206, {
      ...validators,
      'content-length': end - start,
      'content-range': `bytes ${start}-${end - 1}/${content.length}`,
    });
    response.end(content.subarray(start, end));
  }
}
