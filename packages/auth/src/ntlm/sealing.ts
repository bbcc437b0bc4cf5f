import { CarmineError } from '@carmine/errors';
import { concatBytes } from '@carmine/wire';
import { equalSecrets, hmacMd5 } from '../crypto/digest.ts';
import { Rc4 } from '../crypto/rc4.ts';
import { type Direction, sealKey, signKey } from './keys.ts';

/** Octets of an NTLMSSP_MESSAGE_SIGNATURE, [MS-NLMP] 2.2.2.9. */
export const ntlmSignatureLength = 16;

/** What one signature covers; only `body` is encrypted. The parts are signed in this order. */
export interface SealableMessage {
  readonly header: Uint8Array;
  readonly body: Uint8Array;
  readonly trailer: Uint8Array;
}

/**
 * Signing and sealing in one direction with extended session security and key exchange, [MS-NLMP] 3.4.4.2: an RC4 state
 * that runs on over all messages, and a sequence number from 0. Both ends hold one per direction.
 *
 *     signature = 01000000 | RC4(HMAC_MD5(signKey, seq | header | body | trailer)[0..8]) | seq
 */
export class NtlmChannel {
  readonly #signKey: Uint8Array;
  readonly #initial: Rc4;
  #handle: Rc4;
  #sequence = 0;

  constructor(exportedSessionKey: Uint8Array, direction: Direction) {
    this.#signKey = signKey(exportedSessionKey, direction);
    this.#initial = new Rc4(sealKey(exportedSessionKey, direction));
    this.#handle = this.#initial.clone();
  }

  /** Signature over header, body and trailer, nothing encrypted. */
  sign(message: SealableMessage): Uint8Array {
    return this.#signature(message);
  }

  /** Encrypts the body first, then the checksum, on the same RC4 state ([MS-NLMP] 3.4.3). */
  seal(message: SealableMessage): { readonly body: Uint8Array; readonly signature: Uint8Array } {
    const body = this.#handle.apply(message.body);
    return { body, signature: this.#signature(message) };
  }

  verify(message: SealableMessage, signature: Uint8Array): void {
    if (!equalSecrets(this.#signature(message), signature)) throw new CarmineError('auth/bad-signature');
  }

  /** Decrypts the body and verifies; returns the plain body. */
  open(message: SealableMessage, signature: Uint8Array): Uint8Array {
    const body = this.#handle.apply(message.body);
    this.verify({ header: message.header, body, trailer: message.trailer }, signature);
    return body;
  }

  /**
   * SPNEGO's mechListMIC uses up sequence number 0 but leaves the RC4 state as it was ([MS-SPNG] 3.2.5.1, 3.3.5.1), so
   * that the next message has number 1 and a fresh key stream.
   */
  signMechanismList(list: Uint8Array): Uint8Array {
    const signature = this.#signature({ header: none, body: list, trailer: none });
    this.#handle = this.#initial.clone();
    return signature;
  }

  verifyMechanismList(list: Uint8Array, signature: Uint8Array): void {
    if (!equalSecrets(this.signMechanismList(list), signature)) throw new CarmineError('auth/bad-signature');
  }

  #signature({ header, body, trailer }: SealableMessage): Uint8Array {
    const sequence = new Uint8Array(4);
    new DataView(sequence.buffer).setUint32(0, this.#sequence, true);
    // A sequence number that comes again would repeat a signature's input; [MS-NLMP] lets it wrap, we stop.
    if (this.#sequence === 0xffff_ffff) {
      throw new CarmineError('auth/policy', { context: { mechanism: 'ntlm', reason: 'sequence numbers are used up' } });
    }
    this.#sequence++;
    const checksum = hmacMd5(this.#signKey, sequence, header, body, trailer).subarray(0, 8);
    return concatBytes(versionOctets, this.#handle.apply(checksum), sequence);
  }
}

const none = new Uint8Array(0);
const versionOctets = Uint8Array.of(1, 0, 0, 0);
