import type { Token } from '@carmine/security';
import type { CimOperations } from './model.ts';
import type { CimSchema } from './schema.ts';

/** One management call, for the audit: who asked for what, and how it ended. */
export interface AuditEvent {
  readonly token: Token;
  /** `GetInstance`, `EnumerateInstances`, `ExecuteQuery`, `ModifyInstance`, `DeleteInstance`, `Subscribe`, or the method's name. */
  readonly action: string;
  /** Class and keys. */
  readonly object: string;
  readonly outcome: 'allowed' | 'denied' | 'failed';
  /** HRESULT: 0, the return value, or that of the failure. */
  readonly result: number;
}

/**
 * Between the transports and the provider interfaces. The access check stands here and nowhere else: a transport gets
 * at a provider only through `session(token)`, and the default token is nobody, who is refused.
 */
export interface CimDispatcher {
  /** The classes this machine has. Reading it needs no right: it is published. */
  readonly schema: CimSchema;
  /** The calls of one caller; without a token, of nobody. Every one checks the token before anything else happens. */
  session(token?: Token): CimOperations;
  /**
   * Asks whether this caller may do anything at all, so that a transport can refuse before it parses what he sent.
   */
  mayManage(token: Token): boolean;
}
