import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { WsmanConnection } from '@carmine/wsman';

export interface LineRequest {
  readonly authorization?: string | undefined;
  readonly contentType?: string | undefined;
  readonly body?: Uint8Array | undefined;
}

export interface LineAnswer {
  readonly status: number;
  readonly wwwAuthenticate: readonly string[];
  readonly body: Uint8Array;
}

/** One HTTP connection and no other: when the server closed it, every further request is answered by `closed`. */
export interface Line {
  ask(request: LineRequest): Promise<LineAnswer>;
  close(): void;
}

/** The answer on a connection that the server has ended: refused as clearly as with 401. */
export const closed: LineAnswer = { status: 401, wwwAuthenticate: [], body: new Uint8Array(0) };

/** A connection without its socket. */
export function memoryLine(connection: WsmanConnection): Line {
  let open = true;
  return {
    async ask({ authorization, contentType, body }) {
      if (!open) return closed;
      const head = { method: 'POST', url: '/wsman', authorization, contentType, contentLength: body?.length ?? 0 };
      const decision = connection.begin({ ...head, soapAction: undefined, identify: undefined });
      const reply =
        decision.kind === 'reply'
          ? decision.reply
          : await decision.finish(body ?? new Uint8Array(0), new AbortController());
      open = !reply.close;
      return { status: reply.status, wwwAuthenticate: reply.wwwAuthenticate, body: reply.body };
    },
    close() {
      open = false;
    },
  };
}

export interface SocketLineOptions {
  readonly port: number;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** PEM to trust; with it the connection is TLS. */
  readonly trust?: string | undefined;
}

/** As little of an HTTP client as it takes to know which connection a request goes over. */
export async function socketLine(options: SocketLineOptions): Promise<Line> {
  const { port, method, path, trust } = options;
  const socket =
    trust === undefined
      ? connect({ host: '127.0.0.1', port })
      : connectTls({ host: '127.0.0.1', port, ca: [trust], servername: 'localhost' });
  socket.setNoDelay(true);
  await new Promise<void>((resolve, reject) => {
    socket.once(trust === undefined ? 'connect' : 'secureConnect', resolve);
    socket.once('error', reject);
  });
  const reader = new AnswerReader(socket);
  return {
    async ask({ authorization, contentType, body = new Uint8Array(0) }) {
      const lines = [`${method} ${path} HTTP/1.1`, 'Host: localhost'];
      if (authorization !== undefined) lines.push(`Authorization: ${authorization}`);
      if (contentType !== undefined) lines.push(`Content-Type: ${contentType}`);
      if (method === 'POST') lines.push(`Content-Length: ${body.length}`);
      const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
      return reader.answer(() => socket.write(method === 'POST' ? Buffer.concat([head, body]) : head));
    },
    close() {
      socket.destroy();
    },
  };
}

/** Takes answers with a Content-Length, which is how both of our servers answer. */
class AnswerReader {
  #received = Buffer.alloc(0);
  #ended = false;
  #wake = () => {};

  constructor(socket: Socket) {
    socket.on('data', (data: Buffer) => {
      this.#received = Buffer.concat([this.#received, data]);
      this.#wake();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#ended = true;
      this.#wake();
    });
  }

  async answer(send: () => void): Promise<LineAnswer> {
    if (this.#ended) return closed;
    send();
    for (;;) {
      const answer = this.#take();
      if (answer !== undefined) return answer;
      if (this.#ended) return closed;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #take(): LineAnswer | undefined {
    const end = this.#received.indexOf('\r\n\r\n');
    if (end < 0) return undefined;
    const [first = '', ...lines] = this.#received.subarray(0, end).toString('latin1').split('\r\n');
    const fields = lines.map((line) => line.split(/:[ \t]*(.*)/s, 2) as [string, string]);
    const values = (name: string) => fields.filter(([field]) => field.toLowerCase() === name).map(([, value]) => value);
    const length = Number(values('content-length')[0] ?? 0);
    const start = end + 4;
    if (this.#received.length < start + length) return undefined;
    const body = Uint8Array.from(this.#received.subarray(start, start + length));
    this.#received = this.#received.subarray(start + length);
    return { status: Number(first.split(' ')[1]), wwwAuthenticate: values('www-authenticate'), body };
  }
}
