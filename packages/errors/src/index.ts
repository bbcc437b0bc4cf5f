export { CarmineError, type CarmineErrorOptions, isCarmineError } from './carmine-error.ts';
export { type ErrorCode, type ErrorContext, type ErrorDefinition, type ErrorKind, errorDefinitions } from './codes.ts';
export { errnoToHresult } from './errno.ts';
export { type Explanation, explain } from './explain.ts';
export { errorFromHresult } from './from-hresult.ts';
export {
  formatHresult,
  type HresultEntry,
  hresultEntries,
  hresultFromHttpStatus,
  hresultFromWin32,
  isFailure,
  lookUpHresult,
} from './hresult.ts';
