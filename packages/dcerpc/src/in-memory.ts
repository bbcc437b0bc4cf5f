import { CarmineError } from '@carmine/errors';
import type { RpcDialer, RpcStream } from './client/types.ts';
import type { RpcServerConnection } from './server/connection.ts';
import type { RpcServer } from './server/server.ts';
import type { RpcPeer } from './server/types.ts';

/**
 * A dialer without a network: client and server meet in memory. `servers` by port; octets arrive in a later turn, as they do from a
 * socket.
 */
export function createMemoryDialer(servers: ReadonlyMap<number, RpcServer>, peer: Partial<RpcPeer> = {}): RpcDialer {
  return async ({ host, port }) => {
    const server = servers.get(port);
    if (server === undefined)
      throw new CarmineError('rpc/unreachable', { context: { target: `${host}:${port}`, reason: 'nobody listens' } });
    return link(server.connect({ source: '127.0.0.1', localAddress: '127.0.0.1', localPort: port, ...peer }));
  };
}

function link(server: RpcServerConnection): RpcStream {
  let open = true;
  const drain = (): void => {
    for (let output = server.poll(); output !== undefined; output = server.poll()) {
      if (output === 'close') {
        if (open) queueMicrotask(() => stream.onClose(undefined));
        open = false;
        return;
      }
      const bytes = output.slice();
      queueMicrotask(() => {
        if (open) stream.onData(bytes);
      });
    }
  };
  server.onOutput = drain;
  const stream: RpcStream = {
    send(bytes) {
      queueMicrotask(() => {
        if (!open) return;
        server.receive(bytes.slice());
        drain();
      });
    },
    onData: () => {},
    onClose: () => {},
    close() {
      if (!open) return;
      open = false;
      server.close();
    },
  };
  return stream;
}
