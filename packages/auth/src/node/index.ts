export type { NamedSid } from '../accounts/model.ts';
export {
  type AccountDatabase,
  type AccountDatabaseOptions,
  type AccountSummary,
  hasAccountDatabase,
  openAccountDatabase,
} from './account-database.ts';
export { type KdcConnectionOptions, runKdcExchange } from './kdc-connection.ts';
export {
  type OpenKeytabOptions,
  openKeytab,
  readCredentialCache,
  readKerberosConfiguration,
  readKeytab,
  writeCredentialCache,
  writeKeytab,
} from './kerberos-files.ts';
export {
  type ObtainServiceTicketOptions,
  type ObtainTicketOptions,
  obtainGrantingTicket,
  obtainServiceTicket,
} from './service-ticket.ts';
export { systemEnvironment } from './system-environment.ts';
export {
  type AgentTickets,
  type AgentTicketsOptions,
  createAgentTickets,
  createTicketSource,
  principalOfUser,
  type TicketSourceOptions,
} from './ticket-source.ts';
export { verifiedClientCertificate } from './verified-certificate.ts';
