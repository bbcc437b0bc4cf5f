export { createAccountDirectory } from './account-directory.ts';
export {
  type AgentContext,
  type AgentOptions,
  type AgentService,
  type ReadyLine,
  type RunningAgent,
  startAgent,
} from './agent.ts';
export { runAgentProgram } from './agent-cli.ts';
export { type AuditLog, openAuditLog, verifyAuditLog } from './audit-log.ts';
export { type AuthenticationObserver, auditedAcceptor } from './audited-acceptor.ts';
export { type CertificateFiles, type CertificateListing, openCertificateFiles } from './certificate-files.ts';
export { type CertificateLogon, openCertificateLogon } from './certificate-logon.ts';
export type { AgentProgram } from './command-line.ts';
export { makeStateFolder, replaceFile } from './files.ts';
export { type GeneratedCertificate, generateCertificate } from './generate-certificate.ts';
export { loadConfiguration } from './load-configuration.ts';
export { createLog, type Log } from './log.ts';
export { type Management, type ManagementOptions, netbiosName, openManagement } from './management.ts';
export { CallCounter, type MetricsServer, type MetricsSource, serveMetrics } from './metrics.ts';
export { type PasswordSource, readPassword } from './password.ts';
export { createRoleSource } from './role-source.ts';
export { lockState, type StateLock } from './state-lock.ts';
export { openTickets } from './tickets.ts';
export { readTrust } from './trust-files.ts';
