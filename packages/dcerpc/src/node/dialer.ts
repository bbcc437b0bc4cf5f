import { connect } from 'node:net';
import { CarmineError } from '@carmine/errors';
import type { RpcDialer, RpcStream } from '../client/types.ts';
import { octetsOf } from './octets.ts';

export interface TcpDialerOptions {
  /** Milliseconds until a connection has to stand; 15 s unless given. */
  readonly connectTimeout?: number | undefined;
}

/** Streams over TCP. */
export function createTcpDialer({ connectTimeout = 15_000 }: TcpDialerOptions = {}): RpcDialer {
  return ({ host, port }, signal) =>
    new Promise((resolve, reject) => {
      const deadline = AbortSignal.timeout(connectTimeout);
      const either = signal === undefined ? deadline : AbortSignal.any([signal, deadline]);
      const socket = connect({ host, port, noDelay: true, keepAlive: true });
      const fail = (cause: unknown) => {
        socket.destroy();
        if (signal?.aborted === true) reject(new CarmineError('internal/aborted', { cause }));
        else if (deadline.aborted)
          reject(new CarmineError('rpc/timed-out', { context: { milliseconds: connectTimeout }, cause }));
        else {
          const reason = (cause as Error).message;
          reject(new CarmineError('rpc/unreachable', { context: { target: `${host}:${port}`, reason }, cause }));
        }
      };
      const abort = () => fail(either.reason);
      if (either.aborted) {
        abort();
        return;
      }
      either.addEventListener('abort', abort, { once: true });
      socket.once('error', fail);
      socket.once('connect', () => {
        either.removeEventListener('abort', abort);
        socket.off('error', fail);
        let failure: unknown;
        const stream: RpcStream = {
          send: (bytes) => void socket.write(bytes),
          onData: () => {},
          onClose: () => {},
          close: () => void socket.destroy(),
        };
        socket.on('data', (chunk: Buffer) => stream.onData(octetsOf(chunk)));
        socket.on('error', (error) => {
          failure = error;
        });
        socket.on('close', () => stream.onClose(failure));
        resolve(stream);
      });
    });
}
