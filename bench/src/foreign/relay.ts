import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** One request, as it passed. */
export interface Passed {
  readonly method: string;
  readonly connection: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Stands between a client and an HTTP server: sees the requests, and lets answers through up to a limit. */
export class Relay {
  requests: Passed[] = [];
  connections = 0;
  open = 0;
  mostOpen = 0;
  /** Octets of answers that may still pass; then everything stands still. */
  limit = Number.POSITIVE_INFINITY;
  /** Octets of answers that passed. */
  passed = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(port: number) {
    this.#server = createServer((client) => {
      const connection = ++this.connections;
      this.mostOpen = Math.max(this.mostOpen, ++this.open);
      client.once('close', () => this.open--);
      const upstream = connect(port, '127.0.0.1');
      let text = '';
      for (const [socket, other] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        this.#sockets.add(socket);
        socket.on('error', () => other.destroy());
        socket.on('end', () => other.end());
        socket.on('close', () => {
          this.#sockets.delete(socket);
          // Who has said everything and closes leaves the other one time to get it.
          if (!socket.readableEnded) other.destroy();
        });
      }
      client.on('data', (chunk: Buffer) => {
        text = this.#note(text + chunk.toString('latin1'), connection);
        upstream.write(chunk);
      });
      upstream.on('data', (chunk: Buffer) => {
        const part = chunk.subarray(0, Math.max(0, Math.min(chunk.length, this.limit - this.passed)));
        this.passed += part.length;
        if (!client.write(part)) {
          upstream.pause();
          client.once('drain', () => upstream.resume());
        }
        if (part.length < chunk.length) upstream.pause();
      });
    });
  }

  static async start(port: number): Promise<Relay> {
    const relay = new Relay(port);
    await new Promise<void>((resolve) => relay.#server.listen(0, '127.0.0.1', resolve));
    return relay;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Forgets what was seen. */
  reset(): void {
    this.requests = [];
    this.connections = 0;
    this.mostOpen = this.open;
    this.passed = 0;
    this.limit = Number.POSITIVE_INFINITY;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #note(text: string, connection: number): string {
    let rest = text;
    for (let end = rest.indexOf('\r\n\r\n'); end >= 0; end = rest.indexOf('\r\n\r\n')) {
      const [line = '', ...fields] = rest.slice(0, end).split('\r\n');
      const headers = Object.fromEntries(
        fields.map((field) => {
          const colon = field.indexOf(':');
          return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()];
        }),
      ) as Record<string, string>;
      this.requests.push({ method: line.split(' ')[0] ?? '', connection, headers });
      rest = rest.slice(end + 4);
    }
    return rest;
  }
}
