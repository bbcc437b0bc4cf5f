import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { CarmineError } from '@carmine/errors';
import type { PushMessage, PushSink, WsmanResponse } from '../server/types.ts';
import { createPushTargets } from './push-targets.ts';
import { readBody } from './read-body.ts';

export interface NodePushSinkOptions {
  /** `host:port` and networks; see `createPushTargets`. */
  readonly allow: readonly string[];
  /** PEM of authorities (or self-signed certificates) to trust; with it those of the system are not. */
  readonly trust?: readonly string[] | undefined;
  /** Milliseconds for a whole delivery; 15 000 unless given. */
  readonly timeout?: number | undefined;
}

export interface NodePushSink extends PushSink {
  close(): void;
}

/**
 * Delivers events over HTTP and HTTPS to the addresses that are allowed. It is a client who names the address, so nothing of this
 * machine goes along but the message: no credentials, no client certificate, no cookies; redirections are not followed, proxies not
 * used, and of an answer only a little is read.
 */
export function createNodePushSink(options: NodePushSinkOptions): NodePushSink {
  const allows = createPushTargets(options.allow);
  const pool = { keepAlive: true, maxSockets: 2, maxTotalSockets: 64, maxFreeSockets: 1, timeout: idleTimeout };
  const http = new HttpAgent(pool);
  const ca = options.trust === undefined ? {} : { ca: [...options.trust] };
  const https = new HttpsAgent({ ...pool, ...ca, minVersion: 'TLSv1.2', rejectUnauthorized: true });
  const timeout = options.timeout ?? 15_000;

  async function send({ url, body, contentType, signal }: PushMessage): Promise<WsmanResponse> {
    if (!allows(url)) throw new CarmineError('auth/access-denied');
    const limit = AbortSignal.any([signal, AbortSignal.timeout(timeout)]);
    const secure = new URL(url).protocol === 'https:';
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const headers = { 'Content-Type': contentType, 'Content-Length': body.length };
      const common = { method: 'POST', headers, signal: limit, maxHeaderSize: 16_384 };
      const request = secure
        ? requestHttps(url, { ...common, agent: https }, resolve)
        : requestHttp(url, { ...common, agent: http }, resolve);
      request.on('error', reject);
      request.end(body);
    });
    const answer = await readBody(response, answerLimit, true);
    if (!(answer instanceof Uint8Array)) {
      response.destroy();
      throw new CarmineError('wsman/unexpected', { context: { reason: `the answer was ${answer}` } });
    }
    return { status: response.statusCode ?? 0, contentType: response.headers['content-type'], body: answer };
  }

  return {
    allows,
    send,
    close() {
      http.destroy();
      https.destroy();
    },
  };
}

/** Octets: an Ack or a fault. */
const answerLimit = 65_536;
/** Milliseconds that a connection waits for the next event. */
const idleTimeout = 60_000;
