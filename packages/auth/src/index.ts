export { answeredKeys, type ImportedKeys, type ServiceKeySummary } from './accounts/service-keys.ts';
export { type AttemptLimiterOptions, createAttemptLimiter } from './attempt-limiter.ts';
export type { AttemptGate } from './attempts.ts';
export { tlsServerEndPoint } from './channel-binding.ts';
export type {
  Account,
  AccountLookup,
  AuthenticatedAccount,
  Environment,
  PasswordCredentials,
  SealedMessage,
  SecurityContext,
} from './context.ts';
export { createHttpAcceptor } from './http/acceptor.ts';
export { type Challenge, parseChallenges } from './http/challenges.ts';
export { createHttpInitiator } from './http/initiator.ts';
export type {
  HttpAcceptor,
  HttpAcceptorOptions,
  HttpAuthOutcome,
  HttpInitiator,
  HttpInitiatorOptions,
  HttpRequestLine,
  HttpScheme,
} from './http/types.ts';
export { type AsExchangeOptions, createAsExchange } from './kerberos/client/as-exchange.ts';
export type { ClientSecret } from './kerberos/client/client-keys.ts';
export type { KerberosCredential, ServiceTicket } from './kerberos/client/credential.ts';
export type { KdcExchange, KdcRequest, KdcResult } from './kerberos/client/exchange.ts';
export { createTgsExchange, type TgsExchangeOptions } from './kerberos/client/tgs-exchange.ts';
export type { EncryptionKey } from './kerberos/crypto/profile.ts';
export { type CredentialCache, decodeCredentialCache, encodeCredentialCache } from './kerberos/files/ccache.ts';
export { decodeKeytab, encodeKeytab, type KeytabEntry } from './kerberos/files/keytab.ts';
export {
  type KerberosConfiguration,
  parseKerberosConfiguration,
  realmOfHost,
} from './kerberos/files/krb5-conf.ts';
export { createKerberosAcceptor, type KerberosAcceptorOptions } from './kerberos/gss/acceptor.ts';
export type { KerberosContext } from './kerberos/gss/context.ts';
export { createKerberosInitiator, type KerberosInitiatorOptions } from './kerberos/gss/initiator.ts';
export { createReplayCache, type ReplayCache, type ReplayCacheOptions } from './kerberos/gss/replay-cache.ts';
export {
  createKerberosService,
  type KerberosAccounts,
  type KerberosService,
  type KerberosServiceOptions,
} from './kerberos/gss/service.ts';
export { formatPrincipal, type Principal, type PrincipalName, parsePrincipal } from './kerberos/messages/principal.ts';
export {
  type CertificateLogon,
  cacheTickets,
  type KerberosLogon,
  type Logon,
  type PasswordLogon,
  type TicketRequest,
  type TicketSource,
} from './logon.ts';
export { createNtlmAcceptor, type NtlmAcceptorOptions } from './ntlm/acceptor.ts';
export { createNtlmInitiator, type NtlmInitiatorOptions } from './ntlm/initiator.ts';
export { ntOwfV1 } from './ntlm/keys.ts';
export type { MechanismContext, ProtectedPdu, RpcSecurityContext } from './pdu-protection.ts';
export { createSpnegoAcceptor, type SpnegoAcceptorOptions } from './spnego/acceptor.ts';
export type { SpnegoContext } from './spnego/context.ts';
export { createSpnegoInitiator, type SpnegoInitiator, type SpnegoInitiatorOptions } from './spnego/initiator.ts';
export {
  kerberosAcceptorMechanism,
  kerberosInitiatorMechanism,
  ntlmAcceptorMechanism,
  ntlmInitiatorMechanism,
  type SpnegoMechanism,
} from './spnego/mechanism.ts';
export { createToken, type TokenOptions } from './token.ts';
