import { CarmineError } from '@carmine/errors';
import type { AuthenticatedAccount, Environment, SealedMessage } from '../../context.ts';
import type { MechanismContext, ProtectedPdu } from '../../pdu-protection.ts';
import type { EncryptionKey } from '../crypto/profile.ts';
import { findAesProfile } from '../crypto/profiles.ts';
import { kerberosPolicy } from '../errors.ts';
import { CfxChannel, type Side } from './cfx.ts';

/**
 * A Kerberos context; besides what every context does it makes and takes whole Wrap tokens (RFC 4121 section 4.2.6.2).
 */
export interface KerberosContext extends MechanismContext {
  readonly mechanism: 'kerberos';
  /** Encrypts into one token, as gss_wrap does. */
  wrapToken(plaintext: Uint8Array): Uint8Array;
  /** Takes a token of gss_wrap with confidentiality; throws `auth/bad-signature`. */
  unwrapToken(token: Uint8Array): Uint8Array;
}

/** What the exchange agreed on. */
export interface Agreement {
  readonly key: EncryptionKey;
  readonly acceptorSubkey: boolean;
  readonly dceStyle: boolean;
  /** First sequence numbers of either side. */
  readonly initiatorSequence: number;
  readonly acceptorSequence: number;
}

interface Established {
  readonly agreement: Agreement;
  readonly send: CfxChannel;
  readonly receive: CfxChannel;
}

/** What initiator and acceptor share: the protection of messages once the exchange is complete. */
export abstract class KerberosContextBase implements KerberosContext {
  readonly mechanism = 'kerberos';
  protected readonly environment: Environment;
  #established: Established | undefined;
  #broken = false;

  constructor(environment: Environment) {
    this.environment = environment;
  }

  abstract step(input?: Uint8Array): Uint8Array | undefined;
  abstract readonly peer: AuthenticatedAccount | undefined;
  abstract readonly claimedName: string | undefined;

  get complete(): boolean {
    return this.#established !== undefined && !this.#broken;
  }

  get sessionKey(): Uint8Array {
    return this.#use().agreement.key.value.slice();
  }

  wrap(plaintext: Uint8Array): SealedMessage {
    const { header, parts } = this.#use().send.seal([{ bytes: plaintext, encrypt: true }], this.#confounder());
    return { header, data: parts[0]! };
  }

  unwrap(message: SealedMessage): Uint8Array {
    const { receive } = this.#use();
    return this.#guarded(() => receive.open({ header: message.header, parts: [message.data] }, [true])[0]!);
  }

  wrapToken(plaintext: Uint8Array): Uint8Array {
    return this.#use().send.sealToken(plaintext, this.#confounder());
  }

  unwrapToken(token: Uint8Array): Uint8Array {
    const { receive } = this.#use();
    return this.#guarded(() => receive.openToken(token));
  }

  sign(data: Uint8Array): Uint8Array {
    return this.#use().send.sign(data);
  }

  verify(data: Uint8Array, signature: Uint8Array): void {
    const { receive } = this.#use();
    this.#guarded(() => receive.verify(signature, data));
  }

  pduTokenLength(level: 'integrity' | 'privacy'): number {
    const { send } = this.#use();
    return level === 'integrity' ? send.micLength : send.sealedHeaderLength;
  }

  signPdu(pdu: ProtectedPdu): Uint8Array {
    return this.#use().send.sign(...signedParts(pdu));
  }

  verifyPdu(pdu: ProtectedPdu, token: Uint8Array): void {
    const { receive } = this.#use();
    this.#guarded(() => receive.verify(token, ...signedParts(pdu)));
  }

  sealPdu(pdu: ProtectedPdu): { readonly body: Uint8Array; readonly token: Uint8Array } {
    const { send } = this.#use();
    const parts = signedParts(pdu).map((bytes, i) => ({ bytes, encrypt: i === bodyIndex(pdu) }));
    const sealed = send.seal(parts, this.#confounder());
    return { body: sealed.parts[bodyIndex(pdu)]!, token: sealed.header };
  }

  openPdu(pdu: ProtectedPdu, token: Uint8Array): Uint8Array {
    const { receive } = this.#use();
    const parts = signedParts(pdu);
    const encrypted = parts.map((_, i) => i === bodyIndex(pdu));
    return this.#guarded(() => receive.open({ header: token, parts }, encrypted)[bodyIndex(pdu)]!);
  }

  signMechanismList(list: Uint8Array): Uint8Array {
    return this.sign(list);
  }

  verifyMechanismList(list: Uint8Array, mic: Uint8Array): void {
    this.verify(list, mic);
  }

  protected establish(side: Side, agreement: Agreement): void {
    const channel = (sender: Side) =>
      new CfxChannel({
        key: agreement.key,
        sender,
        acceptorSubkey: agreement.acceptorSubkey,
        dceStyle: agreement.dceStyle,
        firstSequenceNumber: sender === 'initiator' ? agreement.initiatorSequence : agreement.acceptorSequence,
      });
    this.#established = {
      agreement,
      send: channel(side),
      receive: channel(side === 'initiator' ? 'acceptor' : 'initiator'),
    };
  }

  #confounder(): Uint8Array {
    return this.environment.randomBytes(16);
  }

  #use(): Established {
    if (this.#established === undefined || this.#broken) {
      throw new CarmineError('auth/required', { message: 'Kerberos: the exchange is not complete' });
    }
    return this.#established;
  }

  /** After one message that does not verify nothing is accepted any more, as with NTLM. */
  #guarded<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      this.#broken = true;
      throw error;
    }
  }
}

/** A key of the context's own for messages; throws `auth/policy` where messages cannot be protected with the type. */
export function makeSubkey(etype: number, environment: Environment): EncryptionKey {
  const profile = findAesProfile(etype);
  if (profile === undefined) throw kerberosPolicy(`messages cannot be protected with encryption type ${etype}`);
  return { etype, value: environment.randomBytes(profile.keyLength) };
}

/** Below 2^30, so that peers that take it for a signed number and count on agree with us. */
export function makeSequenceNumber(environment: Environment): number {
  const octets = environment.randomBytes(4);
  return new DataView(octets.buffer, octets.byteOffset, 4).getUint32(0) & 0x3fff_ffff;
}

/** [MS-RPCE] 3.3.1.5.2.2: header and sec_trailer are covered when header signing was agreed on. */
function signedParts(pdu: ProtectedPdu): readonly Uint8Array[] {
  return pdu.headerSigning ? [pdu.header, pdu.body, pdu.trailer] : [pdu.body];
}

function bodyIndex(pdu: ProtectedPdu): number {
  return pdu.headerSigning ? 1 : 0;
}
