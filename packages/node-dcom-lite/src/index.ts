export { createDcomClient, type DcomClient, isGone, type RemoteObject } from './client/client.ts';
export type { DcomClientOptions, InvokeOptions, SecurityProvider } from './client/types.ts';
export { iids } from './identifiers.ts';
export {
  type AnyMethod,
  defineInterface,
  defineMethod,
  type InterfaceDefinition,
  type OrpcMethod,
  type RequestOf,
  type ResponseOf,
} from './interface.ts';
export type { SecurityBinding } from './messages/dual-string-array.ts';
export { portOf } from './messages/dual-string-array.ts';
export { type ObjRef, readObjRef, writeObjRef } from './messages/objref.ts';
export { hresult, interfaceParameter, interfacePointer } from './messages/orpc.ts';
export { createDcomServer, type DcomServer } from './server/server.ts';
export {
  type DcomClass,
  type DcomLimits,
  type DcomObject,
  type DcomServerOptions,
  emptyInterface,
  type Implementation,
  implement,
  noParameters,
  type OrpcCall,
} from './server/types.ts';
export { comStatus } from './status.ts';
