export { type BodyResult, Exchange } from './exchange.ts';
export { defaultHttp1Limits, type Http1Limits } from './limits.ts';
export { isLocal } from './local-peer.ts';
export { descriptorOf } from './native-socket.ts';
export { createHttp1Server, type Http1Server, type Http1ServerOptions } from './server.ts';
export { atTurnEnd } from './turn-end.ts';
