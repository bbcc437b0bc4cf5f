export { createTcpDialer, type TcpDialerOptions } from './dialer.ts';
export { createRpcListener, type RpcListener, type RpcListenerOptions } from './listener.ts';
