import { connect, type Socket } from 'node:net';
import { CarmineError } from '@carmine/errors';
import { fieldValues, type HttpHead, headEnd, maximumHead, parseHttpHead, staysOpen } from '../http-head.ts';
import { statusError } from '../http-status.ts';
import type { HttpProxy } from '../proxies.ts';
import type { ConnectionLogon } from './connection-logon.ts';

export interface TunnelOptions {
  readonly proxy: HttpProxy;
  /** `host:port`, where it leads. */
  readonly authority: string;
  readonly userAgent: string;
  readonly logon: ConnectionLogon;
  /** Milliseconds, for everything. */
  readonly timeout: number;
  /** Nobody wants it any more. */
  readonly signal: AbortSignal;
}

/** A connection through a proxy (RFC 9110, section 9.3.6: CONNECT), logged on there if it asks for that. */
export async function openTunnel(options: TunnelOptions): Promise<Socket> {
  const { logon, proxy } = options;
  const end = performance.now() + options.timeout;
  let line: TunnelLine | undefined;
  let authorization: string | undefined;
  try {
    for (let legs = 0; ; legs++) {
      if (line === undefined) {
        logon.reconnect();
        line = await TunnelLine.open(proxy, end, options.signal);
        logon.connected(line.socket);
      }
      authorization ??= (logon.authenticator ?? logon.newAuthenticator())?.initial(requestLine(options));
      const head = await line.ask(options, authorization, end);
      if (head.status >= 200 && head.status < 300) {
        // Proxies that are used say nothing more once they agree, so they need not prove who they are; who says something must be right.
        const last = fieldValues(head, 'proxy-authenticate');
        if (last.length > 0) logon.authenticator?.finish(last);
        return line.release();
      }
      if (head.status !== 407) throw statusError(head.status);
      if (!logon.possible || legs >= maximumLegs) throw new CarmineError('transfer/proxy-authentication');
      authorization = await answer(logon, fieldValues(head, 'proxy-authenticate'), requestLine(options));
      if (!(await line.skipBody(head, end))) {
        line.socket.destroy();
        line = undefined;
      }
    }
  } catch (thrown) {
    line?.socket.destroy();
    throw thrown;
  }
}

async function answer(
  logon: ConnectionLogon,
  challenges: readonly string[],
  request: { readonly method: string; readonly uri: string },
): Promise<string> {
  try {
    let authenticator = logon.authenticator;
    if (authenticator === undefined || authenticator.complete) authenticator = logon.newAuthenticator();
    if (authenticator === undefined) throw new CarmineError('transfer/proxy-authentication');
    logon.answered++;
    return await authenticator.next(challenges, request);
  } catch (cause) {
    logon.authenticator = undefined;
    throw new CarmineError('transfer/proxy-authentication', { cause });
  }
}

function requestLine({ authority }: TunnelOptions) {
  return { method: 'CONNECT', uri: authority };
}

/** One connection to the proxy, read only as far as its answers go. */
class TunnelLine {
  readonly socket: Socket;
  #bytes = new Uint8Array(0);
  #wake: () => void = () => undefined;
  #over: Error | undefined;

  private constructor(socket: Socket, signal: AbortSignal) {
    this.socket = socket;
    signal.addEventListener('abort', () => socket.destroy());
    socket.on('data', this.#take);
    socket.on('error', this.#end);
    socket.on('close', this.#end);
  }

  static async open({ host, port }: HttpProxy, end: number, signal: AbortSignal): Promise<TunnelLine> {
    const socket = connect({ host, port, noDelay: true, keepAlive: true });
    const line = new TunnelLine(socket, signal);
    try {
      await line.#until(
        () => !socket.connecting,
        end,
        (wake) => socket.once('connect', wake),
      );
      return line;
    } catch (thrown) {
      socket.destroy();
      throw thrown;
    }
  }

  async ask(
    { authority, userAgent }: TunnelOptions,
    authorization: string | undefined,
    end: number,
  ): Promise<HttpHead> {
    const lines = [`CONNECT ${authority} HTTP/1.1`, `host: ${authority}`, `user-agent: ${userAgent}`];
    if (authorization !== undefined) lines.push(`proxy-authorization: ${authorization}`);
    this.socket.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
    for (;;) {
      let length: number | undefined;
      await this.#until(() => {
        length = headEnd(this.#bytes.subarray(0, maximumHead), 0, 'the proxy');
        return length !== undefined;
      }, end);
      const head = parseHttpHead(this.#bytes.subarray(0, length), 'the proxy');
      this.#bytes = this.#bytes.slice(length);
      if (head.status >= 200) return head;
    }
  }

  /** True when what follows the refusal has passed and the connection can be asked again. */
  async skipBody(head: HttpHead, end: number): Promise<boolean> {
    const [value] = fieldValues(head, 'content-length');
    const length = value !== undefined && /^\d{1,6}$/.test(value) ? Number(value) : Number.NaN;
    if (!staysOpen(head) || !(length <= longestBody) || fieldValues(head, 'transfer-encoding').length > 0) return false;
    await this.#until(() => this.#bytes.length >= length, end);
    this.#bytes = this.#bytes.slice(length);
    return true;
  }

  /** The connection itself; what came behind the answer is nobody's: at the other end nobody speaks first. */
  release(): Socket {
    if (this.#bytes.length > 0) {
      throw new CarmineError('transfer/invalid-response', { context: { origin: 'the proxy', reason: 'it goes on' } });
    }
    const { socket } = this;
    socket.off('data', this.#take).off('error', this.#end).off('close', this.#end).pause();
    return socket;
  }

  readonly #take = (chunk: Buffer): void => {
    const joined = new Uint8Array(this.#bytes.length + chunk.length);
    joined.set(this.#bytes);
    joined.set(chunk, this.#bytes.length);
    this.#bytes = joined;
    this.#wake();
  };

  readonly #end = (reason?: unknown): void => {
    this.#over ??= reason instanceof Error ? reason : new Error('the proxy closed the connection');
    this.#wake();
  };

  async #until(holds: () => boolean, end: number, listen?: (wake: () => void) => void): Promise<void> {
    while (!holds()) {
      if (this.#over !== undefined) throw this.#over;
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        listen?.(resolve);
        timer = setTimeout(() => {
          this.#over ??= Object.assign(new Error('the proxy took too long'), { code: 'ETIMEDOUT' });
          resolve();
        }, end - performance.now());
      });
      clearTimeout(timer);
    }
  }
}

const maximumLegs = 6;
/** Bytes of a refusal that are worth waiting for. */
const longestBody = 64 * 1024;
