export { createWmiClient, type WmiClient, type WmiClientOptions } from './client.ts';
export { systemWmiEnvironment } from './environment.ts';
export { createWmiTcpServer, type WmiServerOptions, type WmiTcpServer } from './server.ts';
