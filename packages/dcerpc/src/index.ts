export { createRpcClient, type RpcClientConnection } from './client/connection.ts';
export type {
  RpcAnswer,
  RpcClientOptions,
  RpcClientSecurity,
  RpcDialer,
  RpcRequest,
  RpcStream,
} from './client/types.ts';
export { type EndpointEntry, lookUpEndpoints, mapEndpoints } from './epm/client.ts';
export { endpointMapperSyntax, managementSyntax } from './epm/messages.ts';
export { createEndpointMapper, createManagementInterface, type Endpoint } from './epm/server.ts';
export { faultStatus, rpcFault } from './fault.ts';
export { createMemoryDialer } from './in-memory.ts';
export { authLevels, authTypes } from './pdu/protection.ts';
export { type SyntaxId, sameSyntax } from './pdu/syntax.ts';
export type { RpcServerConnection } from './server/connection.ts';
export { createRpcServer, type RpcServer } from './server/server.ts';
export {
  defaultRpcLimits,
  type RpcCall,
  type RpcConnectionInfo,
  type RpcInterface,
  type RpcLimits,
  type RpcPeer,
  type RpcServerOptions,
} from './server/types.ts';
