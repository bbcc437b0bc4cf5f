export { systemWsmanEnvironment } from './environment.ts';
export { createWsmanClient, type WsmanClient, type WsmanClientOptions } from './http-client.ts';
export {
  type ConnectionInfo,
  createWsmanHttpServer,
  defaultWsmanHttpLimits,
  type WsmanHttpLimits,
  type WsmanHttpServer,
  type WsmanHttpServerOptions,
} from './http-server.ts';
export { createNodePushSink, type NodePushSink, type NodePushSinkOptions } from './push-sink.ts';
