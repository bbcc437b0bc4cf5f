export { type AuditLog, openAuditLog } from './audit-log.ts';
export { type CertificateFiles, type CertificateListing, openCertificateFiles } from './certificate-files.ts';
export { makeStateFolder, replaceFile } from './files.ts';
export { type GeneratedCertificate, generateCertificate } from './generate-certificate.ts';
export { loadConfiguration } from './load-configuration.ts';
export { createLog, type Log } from './log.ts';
export { CallCounter, type MetricsServer, type MetricsSource, serveMetrics } from './metrics.ts';
export { type PasswordSource, readPassword } from './password.ts';
export { lockState, type StateLock } from './state-lock.ts';
