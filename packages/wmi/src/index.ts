export { createWmiOperations, type WmiOperations, type WmiOperationsOptions } from './client/operations.ts';
export { createWmiSecurity, type WmiSecurityOptions } from './client/security.ts';
export { createWmiHost, type WmiHost, type WmiHostEnvironment, type WmiHostOptions } from './server/host.ts';
export { createSinkConnector, type SinkConnectorOptions } from './server/sink-connector.ts';
export { decodeObject, encodeObject } from './wmio/object.ts';
