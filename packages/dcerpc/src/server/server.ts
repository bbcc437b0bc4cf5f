import { Associations } from './associations.ts';
import { type RpcServerConnection, ServerConnection } from './connection.ts';
import { defaultRpcLimits, type RpcPeer, type RpcServerOptions, type Shared } from './types.ts';

/** An RPC server without sockets: one `connect` for each connection that arrives. */
export interface RpcServer {
  connect(peer: RpcPeer): RpcServerConnection;
}

export function createRpcServer(options: RpcServerOptions): RpcServer {
  const shared: Shared = {
    options,
    limits: { ...defaultRpcLimits, ...options.limits },
    associations: new Associations(options.firstAssociation),
  };
  let next = 0;
  return { connect: (peer) => new ServerConnection(shared, peer, ++next) };
}
