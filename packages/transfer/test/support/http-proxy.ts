import { createServer, type IncomingMessage, type Server, type ServerResponse, request as send } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';

/** A proxy on loopback: absolute-form and CONNECT, with Basic where it has a password. */
export class TestProxy {
  /** What was asked for, in order: `GET http://…`, `CONNECT host:port`. */
  readonly asked: string[] = [];
  readonly seen: IncomingMessage['headers'][] = [];
  /** Of the answer to CONNECT. */
  tunnelStatus = 200;
  readonly #expected: string | undefined;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(credentials: string | undefined) {
    this.#expected = credentials === undefined ? undefined : `Basic ${Buffer.from(credentials).toString('base64')}`;
    this.#server = createServer((request, response) => this.#forward(request, response));
    this.#server.on('connect', (request: IncomingMessage, socket: Socket) => this.#tunnel(request, socket));
    this.#server.on('connection', (socket: Socket) => this.#sockets.add(socket.on('error', () => undefined)));
  }

  /** `credentials`: `user:password`. */
  static async start(credentials?: string): Promise<TestProxy> {
    const proxy = new TestProxy(credentials);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #note(request: IncomingMessage): boolean {
    this.asked.push(`${request.method} ${request.url}`);
    this.seen.push(request.headers);
    return this.#expected === undefined || request.headers['proxy-authorization'] === this.#expected;
  }

  #forward(request: IncomingMessage, response: ServerResponse): void {
    if (!this.#note(request)) {
      response.writeHead(407, { 'proxy-authenticate': 'Basic realm="p"', 'content-length': 4 }).end('who?');
      return;
    }
    const { 'proxy-authorization': _, ...headers } = request.headers;
    const onward = send(request.url ?? '', { method: request.method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    onward.end();
  }

  #tunnel(request: IncomingMessage, socket: Socket): void {
    if (!this.#note(request)) {
      socket.end('HTTP/1.1 407 Who?\r\nProxy-Authenticate: Basic realm="p"\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    if (this.tunnelStatus !== 200) {
      socket.end(`HTTP/1.1 ${this.tunnelStatus} No\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    const [host, port] = (request.url ?? '').split(':');
    const onward = connect(Number(port), host === 'localhost' ? '127.0.0.1' : host, () => {
      socket.write('HTTP/1.1 200 Established\r\n\r\n');
      socket.pipe(onward).pipe(socket);
    });
    this.#sockets.add(onward.on('error', () => socket.destroy()));
    socket.on('close', () => onward.destroy());
  }
}
