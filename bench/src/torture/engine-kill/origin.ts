import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A file of the origin's, and what it says of it. */
export interface Published {
  readonly content: Buffer;
  readonly fields: Readonly<Record<string, string>>;
}

/** What one GET was sent. */
export interface Sent {
  readonly start: number;
  /** Exclusive; what was given to the socket. */
  end: number;
}

/** A slow, good origin: `/N` is the file that slot N publishes. */
export class SlowOrigin {
  readonly files = new Map<string, Published>();
  /** By path, since it was last emptied. */
  readonly sent = new Map<string, Sent[]>();
  readonly #server: Server;
  readonly #pause: () => number;

  private constructor(pause: () => number) {
    this.#pause = pause;
    this.#server = createServer((request, response) => {
      const file = this.files.get(request.url ?? '');
      if (file === undefined) response.writeHead(404).end();
      else this.#answer(request.method ?? '', request.url ?? '', request.headers, file, response);
    });
  }

  /** `pause`: milliseconds between two parts of an answer. */
  static async start(pause: () => number): Promise<SlowOrigin> {
    const origin = new SlowOrigin(pause);
    await new Promise<void>((resolve) => origin.#server.listen(0, '127.0.0.1', resolve));
    return origin;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(
    method: string,
    path: string,
    headers: Readonly<Record<string, string | string[] | undefined>>,
    { content, fields }: Published,
    response: ServerResponse,
  ): void {
    const match = /^bytes=(\d+)-(\d+)$/.exec(String(headers['range'] ?? ''));
    const [start, end] = match === null ? [0, content.length] : [Number(match[1]), Number(match[2]) + 1];
    const range = match === null ? {} : { 'content-range': `bytes ${start}-${end - 1}/${content.length}` };
    response.writeHead(match === null ? 200 : 206, {
      ...fields,
      ...range,
      'accept-ranges': 'bytes',
      'content-length': end - start,
    });
    if (method === 'HEAD') {
      response.end();
      return;
    }
    const sent: Sent = { start, end: start };
    this.sent.set(path, [...(this.sent.get(path) ?? []), sent]);
    const next = () => {
      if (response.destroyed) return;
      const to = Math.min(end, sent.end + part);
      const piece = content.subarray(sent.end, to);
      sent.end = to;
      if (to === end) response.end(piece);
      else if (response.write(piece)) setTimeout(next, this.#pause());
      else response.once('drain', next);
    };
    next();
  }
}

const part = 64 * 1024;
