export type { AccountDirectory, AccountInfo } from './account-directory.ts';
export { type CallOptions, type Filetime, fromFiletime, type SuccessCode, sizeUnknown, toFiletime } from './call.ts';
export type { CertificateStore, StoredCertificate } from './certificate-store.ts';
export type { JobExtensions, JobProvider } from './job-provider.ts';
export * from './job-types.ts';
export * from './url-group-provider.ts';
export { parseUrlPrefix, type UrlPrefix, type UrlPrefixCategory, urlPrefixCategories } from './url-prefix.ts';
