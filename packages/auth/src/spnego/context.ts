import { CarmineError } from '@carmine/errors';
import type { AuthenticatedAccount, SealedMessage } from '../context.ts';
import type { MechanismContext, ProtectedPdu, RpcSecurityContext } from '../pdu-protection.ts';

/** A security context that agreed on its mechanism through SPNEGO (or was given a raw token of one). */
export interface SpnegoContext extends RpcSecurityContext {
  readonly mechanism: 'spnego';
  /** What was chosen; undefined before. */
  readonly chosen: 'ntlm' | 'kerberos' | undefined;
  /** Acceptor: the name the peer claimed, proven or not, for audit. */
  readonly claimedName: string | undefined;
}

/** Protects with the chosen mechanism's context once the negotiation is complete. */
export abstract class SpnegoBase implements SpnegoContext {
  readonly mechanism = 'spnego';
  protected inner: MechanismContext | undefined;
  protected concluded = false;

  abstract step(input?: Uint8Array): Uint8Array | undefined;

  get complete(): boolean {
    return this.concluded && this.inner?.complete === true;
  }

  get chosen(): 'ntlm' | 'kerberos' | undefined {
    return this.inner?.mechanism;
  }

  get claimedName(): string | undefined {
    return this.inner?.claimedName;
  }

  get peer(): AuthenticatedAccount | undefined {
    return this.complete ? this.inner?.peer : undefined;
  }

  get sessionKey(): Uint8Array {
    return this.#use().sessionKey;
  }

  wrap(plaintext: Uint8Array): SealedMessage {
    return this.#use().wrap(plaintext);
  }

  unwrap(message: SealedMessage): Uint8Array {
    return this.#use().unwrap(message);
  }

  sign(data: Uint8Array): Uint8Array {
    return this.#use().sign(data);
  }

  verify(data: Uint8Array, signature: Uint8Array): void {
    this.#use().verify(data, signature);
  }

  pduTokenLength(level: 'integrity' | 'privacy'): number {
    return this.#use().pduTokenLength(level);
  }

  signPdu(pdu: ProtectedPdu): Uint8Array {
    return this.#use().signPdu(pdu);
  }

  verifyPdu(pdu: ProtectedPdu, token: Uint8Array): void {
    this.#use().verifyPdu(pdu, token);
  }

  sealPdu(pdu: ProtectedPdu): { readonly body: Uint8Array; readonly token: Uint8Array } {
    return this.#use().sealPdu(pdu);
  }

  openPdu(pdu: ProtectedPdu, token: Uint8Array): Uint8Array {
    return this.#use().openPdu(pdu, token);
  }

  #use(): MechanismContext {
    if (!this.complete || this.inner === undefined) {
      throw new CarmineError('auth/required', { message: 'SPNEGO: the exchange is not complete' });
    }
    return this.inner;
  }
}

export function spnegoProtocol(reason: string): CarmineError {
  return new CarmineError('auth/protocol', { context: { mechanism: 'spnego', reason } });
}

export function spnegoPolicy(reason: string): CarmineError {
  return new CarmineError('auth/policy', { context: { mechanism: 'spnego', reason } });
}
