import { connect, type Socket } from 'node:net';
import { logOnWithNtlm } from './range-logon.ts';

/** Asks for ranges of one file over kept-alive connections and throws the bytes away: as little work as there can be. */
export interface RangeLoad {
  readonly port: number;
  readonly path: string;
  readonly size: number;
  readonly length: number;
  readonly connections: number;
  readonly requests: number;
  /** Same seed, same ranges. */
  readonly seed: number;
  /** For NTLM, before anything is measured. */
  readonly credentials?: { readonly user: string; readonly password: string } | undefined;
}

/** Seconds that the requests took; throws unless every answer is the range asked for. */
export async function loadRanges(load: RangeLoad): Promise<number> {
  const connections = await Promise.all(Array.from({ length: load.connections }, () => RangeConnection.open(load)));
  try {
    let seed = load.seed;
    let left = load.requests;
    const random = (below: number) => {
      // Numerical Recipes' generator; the range is what matters, not its quality.
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((seed / 2 ** 32) * below);
    };
    const started = performance.now();
    await Promise.all(
      connections.map(async (connection) => {
        while (left-- > 0) {
          const first = random(load.size - load.length);
          const { status, length } = await connection.ask(`Range: bytes=${first}-${first + load.length - 1}\r\n`);
          if (status !== 206 || length !== load.length) throw new Error(`status ${status} with ${length} octets`);
        }
      }),
    );
    return (performance.now() - started) / 1000;
  } finally {
    for (const connection of connections) connection.close();
  }
}

interface Head {
  readonly status: number;
  readonly length: number;
  readonly text: string;
}

class RangeConnection {
  readonly #socket: Socket;
  readonly #path: string;
  #head = '';
  #answer: Head | undefined;
  #missing = 0;
  #resolve: (head: Head) => void = () => {};
  #reject: (error: Error) => void = () => {};

  private constructor(port: number, path: string) {
    this.#path = path;
    const buffer = Buffer.allocUnsafeSlow(1024 * 1024);
    const callback = (bytes: number) => this.#take(buffer.subarray(0, bytes));
    this.#socket = connect({ host: '127.0.0.1', port, onread: { buffer, callback } });
    this.#socket.setNoDelay(true);
    this.#socket.on('error', (error) => this.#reject(error));
    this.#socket.on('close', () => this.#reject(new Error('the server closed the connection')));
  }

  static async open({ port, path, credentials }: RangeLoad): Promise<RangeConnection> {
    const connection = new RangeConnection(port, path);
    if (credentials === undefined) return connection;
    const ask = async (fields: readonly string[]) =>
      (await connection.ask(fields.map((field) => `${field}\r\n`).join(''))).text;
    await logOnWithNtlm(ask, credentials, false);
    return connection;
  }

  /** @param headers whole lines. */
  ask(headers: string): Promise<Head> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#socket.write(`GET ${this.#path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${headers}\r\n`, 'latin1');
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(bytes: Buffer): boolean {
    let body = bytes.length;
    if (this.#answer === undefined) {
      const before = this.#head.length;
      this.#head += bytes.toString('latin1', 0, Math.min(bytes.length, 16_384));
      const end = this.#head.indexOf('\r\n\r\n');
      if (end < 0) return true;
      const text = this.#head.slice(0, end);
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(text)?.[1] ?? 0);
      this.#answer = { status: Number(text.slice(9, 12)), length, text };
      this.#missing = length;
      body = bytes.length - (end + 4 - before);
    }
    this.#missing -= body;
    if (this.#missing > 0) return true;
    const answer = this.#answer;
    this.#answer = undefined;
    this.#head = '';
    if (this.#missing < 0) this.#reject(new Error('more octets than the head says'));
    else this.#resolve(answer);
    return true;
  }
}
