export type { AccountDirectory, AccountInfo } from './account-directory.ts';
export { parseXmlDateTime } from './calendar.ts';
export { type CallOptions, type Filetime, fromFiletime, type SuccessCode, sizeUnknown, toFiletime } from './call.ts';
export type { CertificateStore, StoredCertificate } from './certificate-store.ts';
export { formatHttpDate, parseHttpDate } from './http-date.ts';
export {
  checkResume,
  failureEvent,
  isFinalJobState,
  type JobEffect,
  type JobEvent,
  type JobTransition,
  jobEvents,
  jobTransition,
  jobTransitions,
} from './job-machine.ts';
export type { JobExtensions, JobProvider } from './job-provider.ts';
export * from './job-types.ts';
export {
  type UrlGroupEffect,
  type UrlGroupEvent,
  type UrlGroupState,
  type UrlGroupTransition,
  urlGroupEvents,
  urlGroupStates,
  urlGroupTransition,
  urlGroupTransitions,
} from './url-group-machine.ts';
export * from './url-group-provider.ts';
export { parseUrlPrefix, type UrlPrefix, type UrlPrefixCategory, urlPrefixCategories } from './url-prefix.ts';
