export { formatAddress, isLoopback, type ListenAddress, parseAddress } from './address.ts';
export { type AuditRecord, auditRecord } from './audit-record.ts';
export {
  type AgentConfiguration,
  type AgentRole,
  type ChannelBindingPolicy,
  type ConfigurationSources,
  configurationWarnings,
  type ManagementScheme,
  parseConfiguration,
} from './configuration.ts';
export { defaultConfiguration } from './default-configuration.ts';
