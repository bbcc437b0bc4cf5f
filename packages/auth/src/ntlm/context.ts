import { CarmineError } from '@carmine/errors';
import type { AuthenticatedAccount, SealedMessage } from '../context.ts';
import type { MechanismContext, ProtectedPdu } from '../pdu-protection.ts';
import { hasFlag, ntlmFlags } from './flags.ts';
import type { Direction } from './keys.ts';
import { NtlmChannel, ntlmSignatureLength, type SealableMessage } from './sealing.ts';

/** What a completed exchange leaves behind. */
interface Established {
  readonly sessionKey: Uint8Array;
  readonly sealing: boolean;
  readonly send: NtlmChannel;
  readonly receive: NtlmChannel;
}

/** What initiator and acceptor share: the protection of messages once the exchange is complete. */
export abstract class NtlmContext implements MechanismContext {
  readonly mechanism = 'ntlm';
  #established: Established | undefined;
  #broken = false;

  abstract step(input?: Uint8Array): Uint8Array | undefined;
  abstract readonly peer: AuthenticatedAccount | undefined;
  abstract readonly claimedName: string | undefined;

  get complete(): boolean {
    return this.#established !== undefined && !this.#broken;
  }

  get sessionKey(): Uint8Array {
    return this.#use().sessionKey.slice();
  }

  wrap(plaintext: Uint8Array): SealedMessage {
    const { body, signature } = this.#useForSealing().send.seal(bodyOnly(plaintext));
    return { header: signature, data: body };
  }

  unwrap(message: SealedMessage): Uint8Array {
    const { receive } = this.#useForSealing();
    return this.#guarded(() => receive.open(bodyOnly(message.data), message.header));
  }

  sign(data: Uint8Array): Uint8Array {
    return this.#use().send.sign(bodyOnly(data));
  }

  verify(data: Uint8Array, signature: Uint8Array): void {
    const { receive } = this.#use();
    this.#guarded(() => receive.verify(bodyOnly(data), signature));
  }

  pduTokenLength(): number {
    return ntlmSignatureLength;
  }

  signPdu(pdu: ProtectedPdu): Uint8Array {
    return this.#use().send.sign(pdu);
  }

  verifyPdu(pdu: ProtectedPdu, token: Uint8Array): void {
    const { receive } = this.#use();
    this.#guarded(() => receive.verify(pdu, token));
  }

  sealPdu(pdu: ProtectedPdu): { readonly body: Uint8Array; readonly token: Uint8Array } {
    const { body, signature } = this.#useForSealing().send.seal(pdu);
    return { body, token: signature };
  }

  openPdu(pdu: ProtectedPdu, token: Uint8Array): Uint8Array {
    const { receive } = this.#useForSealing();
    return this.#guarded(() => receive.open(pdu, token));
  }

  signMechanismList(list: Uint8Array): Uint8Array {
    return this.#use().send.signMechanismList(list);
  }

  verifyMechanismList(list: Uint8Array, mic: Uint8Array): void {
    const { receive } = this.#use();
    this.#guarded(() => receive.verifyMechanismList(list, mic));
  }

  protected establish(sessionKey: Uint8Array, flags: number, sends: Direction, receives: Direction): void {
    this.#established = {
      sessionKey,
      sealing: hasFlag(flags, ntlmFlags.seal),
      send: new NtlmChannel(sessionKey, sends),
      receive: new NtlmChannel(sessionKey, receives),
    };
  }

  #use(): Established {
    if (this.#established === undefined || this.#broken) {
      throw new CarmineError('auth/required', { message: 'NTLM: the exchange is not complete' });
    }
    return this.#established;
  }

  #useForSealing(): Established {
    const established = this.#use();
    if (!established.sealing) throw ntlmPolicy('sealing was not negotiated');
    return established;
  }

  /** After one message that does not verify, the key streams no longer agree and nothing is accepted any more. */
  #guarded<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      this.#broken = true;
      throw error;
    }
  }
}

export function ntlmPolicy(reason: string): CarmineError {
  return new CarmineError('auth/policy', { context: { mechanism: 'ntlm', reason } });
}

export function ntlmProtocol(reason: string, cause?: unknown): CarmineError {
  return new CarmineError('auth/protocol', {
    context: { mechanism: 'ntlm', reason },
    ...(cause === undefined ? {} : { cause }),
  });
}

function bodyOnly(body: Uint8Array): SealableMessage {
  return { header: none, body, trailer: none };
}

const none = new Uint8Array(0);
