import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An origin that lets bytes out only up to a limit, so that a test decides how far a transfer gets. */
export class GatedOrigin {
  readonly content: Uint8Array;
  /** First byte of every GET. */
  readonly starts: number[] = [];
  /** False: it sends the whole file whatever is asked for. */
  ranges = true;
  #limit = 0;
  #waiting: (() => void)[] = [];
  readonly #server: Server;

  private constructor(content: Uint8Array) {
    this.content = content;
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  static async start(content: Uint8Array): Promise<GatedOrigin> {
    const origin = new GatedOrigin(content);
    await new Promise<void>((resolve) => origin.#server.listen(0, '127.0.0.1', resolve));
    return origin;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/file`;
  }

  open(limit: number): void {
    this.#limit = limit;
    for (const go of this.#waiting.splice(0)) go();
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { length } = this.content;
    // Whatever comes after it: a job's files need URLs of their own.
    if (request.url?.startsWith('/file') !== true) {
      response.writeHead(404).end();
      return;
    }
    const match = this.ranges ? /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') : null;
    const start = match === null ? 0 : Number(match[1]);
    const end = match === null ? length : Number(match[2]) + 1;
    response.writeHead(match === null ? 200 : 206, {
      etag: '"1"',
      'accept-ranges': 'bytes',
      'content-length': end - start,
      ...(match === null ? {} : { 'content-range': `bytes ${start}-${end - 1}/${length}` }),
    });
    if (request.method === 'HEAD') {
      response.end();
      return;
    }
    this.starts.push(start);
    let position = start;
    response.flushHeaders();
    const send = () => {
      const until = Math.min(end, this.#limit);
      if (until > position) response.write(this.content.subarray(position, until));
      position = Math.max(position, until);
      if (position === end) response.end();
      else if (!response.destroyed) this.#waiting.push(send);
    };
    send();
  }
}
