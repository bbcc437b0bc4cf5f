export { defaultWsmanLimits, type WsmanLimits } from './server/limits.ts';
export { createWsmanServer, type WsmanServer } from './server/server.ts';
export type {
  WsmanEnvironment,
  WsmanHandler,
  WsmanIdentity,
  WsmanRequest,
  WsmanResponse,
  WsmanServerOptions,
} from './server/types.ts';
export { requestLimits, responseLimits, type XmlLimits } from './xml/limits.ts';
