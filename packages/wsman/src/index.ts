export { createWsmanOperations } from './client/operations.ts';
export type {
  ExchangeRequest,
  ExchangeResponse,
  IdentifyResult,
  WsmanExchange,
  WsmanOperations,
  WsmanOperationsOptions,
} from './client/types.ts';
export {
  createWsmanConnection,
  type HttpDecision,
  type HttpHead,
  type HttpReply,
  type WsmanAcceptor,
  type WsmanAuthOutcome,
  type WsmanConnection,
  type WsmanConnectionOptions,
} from './server/connection.ts';
export { defaultWsmanLimits, type WsmanLimits } from './server/limits.ts';
export { createWsmanServer, type WsmanServer } from './server/server.ts';
export type {
  PushMessage,
  PushSink,
  WsmanEnvironment,
  WsmanHandler,
  WsmanIdentity,
  WsmanRequest,
  WsmanResponse,
  WsmanServerOptions,
} from './server/types.ts';
export { requestLimits, responseLimits, type XmlLimits } from './xml/limits.ts';
