export type { AgentTickets } from '@carmine/auth/node';
export type { HttpReceiverOptions } from './connection.ts';
export { credentialAuthenticators } from './credentials.ts';
export { type Download, type DownloadOptions, download } from './download.ts';
export { type DownloadAllOptions, type DownloadItem, type DownloadOutcome, downloadAll } from './download-all.ts';
export { createHttpReceiverFactory, type HttpReceiverFactory } from './http-receiver.ts';
export { nodeDisk } from './node-disk.ts';
export { createRateLimit, nodePlatform } from './platform.ts';
export type { TlsPolicy } from './tls-policy.ts';
