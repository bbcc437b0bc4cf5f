export { credentialAuthenticators } from './credentials.ts';
export { type DownloadOptions, download } from './download.ts';
export { nodeDisk } from './node-disk.ts';
export { nodePlatform } from './platform.ts';
export { createUndiciReceiverFactory, type UndiciReceiverOptions } from './undici-receiver.ts';
