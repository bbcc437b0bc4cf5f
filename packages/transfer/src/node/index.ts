export type { AgentTickets } from '@carmine/auth/node';
export { credentialAuthenticators } from './credentials.ts';
export { type DownloadOptions, download } from './download.ts';
export { nodeDisk } from './node-disk.ts';
export { nodePlatform } from './platform.ts';
export type { UndiciReceiverOptions } from './undici-connection.ts';
export { createUndiciReceiverFactory } from './undici-receiver.ts';
