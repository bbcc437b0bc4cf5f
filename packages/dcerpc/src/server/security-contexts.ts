import { createToken, type RpcSecurityContext } from '@carmine/auth';
import { nobody, type Token } from '@carmine/security';
import { type AuthTrailer, malformed } from '../pdu/header.ts';
import { authLevels, type Protection } from '../pdu/protection.ts';
import type { RpcPeer, RpcServerOptions } from './types.ts';

interface SecurityEntry {
  readonly context: RpcSecurityContext;
  readonly type: number;
  readonly level: number;
  readonly contextId: number;
  /** Of who proved to be somebody; undefined before. */
  token: Token | undefined;
  failed: boolean;
  /** Whether somebody who may not call was told of. */
  denied: boolean;
}

/** The security contexts of one connection, by auth_context_id ([MS-RPCE] 3.3.1.5.4): many may be in use at once. */
export class SecurityContexts {
  readonly #entries = new Map<number, SecurityEntry>();
  readonly #options: RpcServerOptions;
  readonly #peer: RpcPeer;
  readonly #limit: number;
  /** Agreed for the connection, [MS-RPCE] 3.3.1.5.2.2. */
  headerSigning = false;

  constructor(options: RpcServerOptions, peer: RpcPeer, limit: number) {
    this.#options = options;
    this.#peer = peer;
    this.#limit = limit;
  }

  /** Whether anybody has proved who he is on this connection. */
  get authenticated(): boolean {
    return [...this.#entries.values()].some(({ token }) => token !== undefined);
  }

  /**
   * Takes a token of bind, alter_context or auth3: a new context for a number that is new. Returns the answer's token. Throws what
   * the exchange throws; `unknown-type`: an authentication type that is not offered, `limit`: too many contexts.
   */
  step(auth: AuthTrailer): { readonly token: Uint8Array | undefined } | 'unknown-type' | 'limit' {
    let entry = this.#entries.get(auth.contextId);
    if (entry === undefined) {
      if (this.#entries.size >= this.#limit) return 'limit';
      const context = this.#options.accept(auth.type, this.#peer);
      if (context === undefined) return 'unknown-type';
      const { type, level, contextId } = auth;
      entry = { context, type, level, contextId, token: undefined, failed: false, denied: false };
      this.#entries.set(contextId, entry);
    }
    if (entry.type !== auth.type || entry.level !== auth.level) throw malformed('the security context has changed');
    if (entry.failed || entry.token !== undefined) throw malformed('the exchange is over');
    try {
      const token = entry.context.step(auth.token);
      if (entry.context.complete) this.#completed(entry);
      return { token };
    } catch (error) {
      entry.failed = true;
      this.#options.onAuthentication?.({ ...nobody, name: claimed(entry.context), source: this.#peer.source }, false);
      throw error;
    }
  }

  /** The context that protects a call; undefined when it is not there, not complete, or of another type or level. */
  find(
    auth: AuthTrailer,
  ): { readonly protection: Protection; readonly token: Token; readonly entry: object } | undefined {
    const entry = this.#entries.get(auth.contextId);
    if (entry?.token === undefined || entry.failed) return undefined;
    if (entry.type !== auth.type || entry.level !== auth.level) return undefined;
    const { context, type, level, contextId, token } = entry;
    return { protection: { context, type, level, contextId, headerSigning: this.headerSigning }, token, entry };
  }

  /** Whether the caller may call; who may not is told of once. */
  permits(entry: object): boolean {
    const known = entry as SecurityEntry;
    if (known.token === undefined) return false;
    if (this.#options.mayCall?.(known.token) !== false) return true;
    if (!known.denied) {
      known.denied = true;
      this.#options.onDenied?.(known.token);
    }
    return false;
  }

  #completed(entry: SecurityEntry): void {
    const account = entry.context.peer;
    if (account === undefined) throw malformed('nobody was authenticated');
    entry.token = createToken(account, {
      scheme: mechanismOf(entry.context),
      source: this.#peer.source,
      protectedChannel: entry.level === authLevels.privacy,
    });
    this.#options.onAuthentication?.(entry.token, true);
  }
}

function mechanismOf(context: RpcSecurityContext): 'ntlm' | 'kerberos' {
  if (context.mechanism !== 'spnego') return context.mechanism;
  const { chosen } = context as RpcSecurityContext & { readonly chosen?: 'ntlm' | 'kerberos' };
  return chosen ?? 'ntlm';
}

/** The name that the peer claimed, for the audit. */
function claimed(context: RpcSecurityContext): string {
  return (context as RpcSecurityContext & { readonly claimedName?: string }).claimedName ?? '';
}
