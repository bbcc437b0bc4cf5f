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
  carmineUrlClass,
  userAccountClass,
} from './carmine-classes.ts';
export type { AuditEvent, CimDispatcher } from './dispatcher-types.ts';
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
