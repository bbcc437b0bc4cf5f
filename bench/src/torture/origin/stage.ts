import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import type { Asked } from './reply.ts';

/** Plays what happens on the wire after one request. */
export type Script = (asked: Asked, wire: Wire) => void;

/** A connection of the client's, as a script writes to it. */
export class Wire {
  readonly socket: Socket;
  readonly #split: (length: number) => number;

  constructor(socket: Socket, split: (length: number) => number) {
    this.socket = socket;
    this.#split = split;
  }

  /** In two packets, so that readers see ends of packets everywhere. */
  send(...parts: (string | Uint8Array)[]): this {
    const bytes = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)));
    const at = this.#split(bytes.length);
    if (at > 0) this.socket.write(bytes.subarray(0, at));
    if (at < bytes.length) this.socket.write(bytes.subarray(at));
    return this;
  }

  /** FIN once everything is sent; over TLS after close_notify. */
  end(): void {
    this.socket.end();
  }

  /** FIN without close_notify, or simply the end where there is no TLS. */
  cut(): void {
    this.#below.end();
  }

  reset(): void {
    // Whatever was written before must be out of the process, or the reset overtakes it.
    this.socket.write('', () => this.#below.resetAndDestroy());
  }

  /** The TCP connection under TLS. */
  get #below(): Socket {
    return (this.socket as Socket & { readonly _parent?: Socket })._parent ?? this.socket;
  }
}

export interface StageOptions {
  readonly script: Script;
  readonly tls?: TlsOptions | undefined;
  /** Played when somebody connects, before anything is asked. */
  readonly greeting?: ((wire: Wire) => void) | undefined;
  /** Where in what is sent a packet ends. */
  readonly split: (length: number) => number;
}

/** An origin that answers each request with octets as the script says, HTTP or not. */
export class Stage {
  readonly requests: Asked[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #scheme: string;
  readonly #counts = new Map<string, number>();
  #connections = 0;

  private constructor({ script, tls, greeting, split }: StageOptions) {
    const listener = (socket: Socket) => {
      const connection = ++this.#connections;
      const wire = new Wire(socket, split);
      socket.on('error', () => undefined);
      greeting?.(wire);
      let text = '';
      socket.setEncoding('latin1').on('data', (chunk: string) => {
        text += chunk;
        for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
          const asked = this.#parse(text.slice(0, end), connection);
          text = text.slice(end + 4);
          this.requests.push(asked);
          script(asked, wire);
        }
      });
    };
    this.#scheme = tls === undefined ? 'http' : 'https';
    this.#server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket.on('error', () => undefined));
      socket.once('close', () => this.#sockets.delete(socket));
    });
    this.#server.on('tlsClientError', () => undefined);
  }

  static async start(options: StageOptions): Promise<Stage> {
    const stage = new Stage(options);
    await new Promise<void>((resolve) => stage.#server.listen(0, '127.0.0.1', resolve));
    return stage;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get origin(): string {
    return `${this.#scheme}://${this.#scheme === 'https' ? 'localhost' : '127.0.0.1'}:${this.port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #parse(head: string, connection: number): Asked {
    const [line = '', ...fields] = head.split('\r\n');
    const [method = '', path = ''] = line.split(' ');
    const headers = Object.fromEntries(
      fields.map((field) => {
        const colon = field.indexOf(':');
        return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()];
      }),
    ) as Record<string, string>;
    const match = /^bytes=(\d+)-(\d+)$/.exec(headers['range'] ?? '');
    const range = match === null ? undefined : { start: Number(match[1]), end: Number(match[2]) + 1 };
    const nth = (this.#counts.get(method) ?? 0) + 1;
    this.#counts.set(method, nth);
    return { method, path, headers, range, connection, nth };
  }
}
