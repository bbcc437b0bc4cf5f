export {
  bitsClientFileClass,
  bitsClientJobClass,
  bitsCompactServerUrlGroupClass,
  bitsNamespace,
} from './bits-classes.ts';
export {
  accountNamespace,
  carmineEndedJobClass,
  carmineJobFileClass,
  carmineNamespace,
  carmineTransferClass,
  carmineUrlClass,
  carmineUrlGroupClass,
  userAccountClass,
} from './carmine-classes.ts';
export type { EventTimers } from './class-watcher.ts';
export { createDispatcher, type DispatcherOptions, type Providers } from './dispatcher.ts';
export type { AuditEvent, CimDispatcher } from './dispatcher-types.ts';
export { eventClasses, type InstanceEventName } from './event-classes.ts';
export type { EventOptions } from './event-hub.ts';
export type {
  CimClass,
  CimElement,
  CimInstance,
  CimMethod,
  CimOperations,
  CimParameter,
  CimProperty,
  CimType,
  CimValue,
  MethodResult,
  ObjectPath,
} from './model.ts';
export { writeMof } from './mof.ts';
export { formatObjectPath, parseObjectPath, resolveKeys } from './object-path.ts';
export { createProxy, type MachineProxy } from './proxy.ts';
export {
  type CimQualifier,
  classQualifiers,
  methodQualifiers,
  parameterQualifiers,
  propertyQualifiers,
} from './qualifiers.ts';
export {
  type Right,
  type Role,
  type RolesOf,
  roles,
  roleTable,
  type SecuredAction,
  type SecuredObject,
} from './roles.ts';
export {
  CimSchema,
  findByName,
  inParameters,
  keyProperties,
  normaliseNamespace,
  outParameters,
  returnValueElement,
} from './schema.ts';
export { checkValue, formatScalar, isInstance, parseScalar } from './values.ts';
export {
  parseEventWql,
  parseWql,
  type WqlConstant,
  type WqlEventQuery,
  type WqlExpression,
  type WqlOperator,
  type WqlQuery,
} from './wql.ts';
export { checkQuery, matches, project } from './wql-match.ts';
