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
export { createNtlmAcceptor, type NtlmAcceptorOptions } from './ntlm/acceptor.ts';
export { createNtlmInitiator, type NtlmInitiatorOptions } from './ntlm/initiator.ts';
export { ntOwfV1 } from './ntlm/keys.ts';
export type { MechanismContext, ProtectedPdu, RpcSecurityContext } from './pdu-protection.ts';
export { createSpnegoAcceptor, type SpnegoAcceptorOptions } from './spnego/acceptor.ts';
export type { SpnegoContext } from './spnego/context.ts';
export { createSpnegoInitiator, type SpnegoInitiator, type SpnegoInitiatorOptions } from './spnego/initiator.ts';
export { ntlmAcceptorMechanism, ntlmInitiatorMechanism, type SpnegoMechanism } from './spnego/mechanism.ts';
export { createToken, type TokenOptions } from './token.ts';
