import { CarmineError, isCarmineError } from '@carmine/errors';
import { decodeDer, encodeDer } from '@carmine/wire/der';
import type { Environment } from '../../context.ts';
import type { ServiceTicket } from '../client/credential.ts';
import { keyUsages } from '../crypto/key-usages.ts';
import type { EncryptionKey } from '../crypto/profile.ts';
import { profileOf, useKey } from '../crypto/profiles.ts';
import { kerberosInbound, kerberosProtocol } from '../errors.ts';
import { apOptions, apRep, apReq, authenticator, type EncApRepPart, encApRepPart } from '../messages/ap-messages.ts';
import { krbError, krbErrorName } from '../messages/krb-error.ts';
import { encodeGssChecksum, gssChecksumType, gssFlags } from './checksum.ts';
import { type KerberosContext, KerberosContextBase, makeSequenceNumber, makeSubkey } from './context.ts';
import { frameToken, readToken } from './framing.ts';

export interface KerberosInitiatorOptions {
  /** For the service that is talked to; see obtainServiceTicket in ./node. */
  readonly ticket: ServiceTicket;
  readonly environment: Environment;
  /** See tlsServerEndPoint. */
  readonly channelBinding?: Uint8Array | undefined;
  /** RPC's way ([MS-KILE] 3.4.5.1): messages without frame, and a third leg that answers the server's. */
  readonly dceStyle?: boolean | undefined;
  /** Asks for signatures only, as RPC does at level PKT_INTEGRITY: servers reckon with shorter tokens then. */
  readonly signOnly?: boolean | undefined;
}

/**
 * RFC 4121 as a client: AP-REQ with a subkey, then AP-REP, which proves the server. Throws `auth/failed` when the
 * server does not take the ticket or is not the one it is for.
 */
export function createKerberosInitiator(options: KerberosInitiatorOptions): KerberosContext {
  return new KerberosInitiator(options);
}

/** What was sent and has to come back. */
interface Sent {
  readonly ctime: number;
  readonly cusec: number;
  readonly subkey: EncryptionKey;
  readonly sequence: number;
}

class KerberosInitiator extends KerberosContextBase {
  readonly peer = undefined;
  readonly claimedName = undefined;
  readonly #options: KerberosInitiatorOptions;
  #sent: Sent | undefined;
  #finished = false;

  constructor(options: KerberosInitiatorOptions) {
    super(options.environment);
    this.#options = options;
  }

  step(input?: Uint8Array): Uint8Array | undefined {
    if (this.#finished) throw kerberosProtocol('the exchange is over');
    const sent = this.#sent;
    if (sent === undefined) {
      if (input !== undefined && input.length > 0) throw kerberosProtocol('a token came before the first one was sent');
      return this.#request();
    }
    this.#finished = true;
    if (input === undefined) throw kerberosProtocol('the server sent no token');
    return kerberosInbound(() => this.#answer(sent, input));
  }

  #request(): Uint8Array {
    const { ticket, environment, channelBinding, dceStyle = false } = this.#options;
    const { client, sessionKey } = ticket;
    const now = Math.floor(environment.now() + ticket.clockOffset);
    const sent: Sent = {
      ctime: Math.floor(now / 1000) * 1000,
      cusec: (now % 1000) * 1000 + (environment.randomBytes(1)[0]! % 1000),
      subkey: makeSubkey(sessionKey.etype, environment),
      sequence: makeSequenceNumber(environment),
    };
    const flags =
      baseFlags | (dceStyle ? gssFlags.dceStyle : 0) | (this.#options.signOnly === true ? 0 : gssFlags.confidentiality);
    const plain = encodeDer(authenticator, {
      crealm: client.realm,
      cname: client.name,
      cksum: { cksumtype: gssChecksumType, checksum: encodeGssChecksum(flags, channelBinding) },
      ctime: sent.ctime,
      cusec: sent.cusec,
      subkey: { keytype: sent.subkey.etype, keyvalue: sent.subkey.value },
      seqNumber: sent.sequence,
    });
    this.#sent = sent;
    const message = encodeDer(apReq, {
      apOptions: apOptions.mutualRequired,
      ticket: ticket.ticket,
      authenticator: this.#encrypt(keyUsages.requestAuthenticator, plain),
    });
    return dceStyle ? message : frameToken('ap-req', message);
  }

  #answer(sent: Sent, input: Uint8Array): Uint8Array | undefined {
    const { kind, message } = readToken(input);
    if (kind === 'error') {
      const { errorCode } = decodeDer(krbError, message);
      const context = { name: krbErrorName(errorCode), number: errorCode };
      throw new CarmineError('auth/failed', { context });
    }
    if (kind !== 'ap-rep') throw kerberosProtocol('not an AP-REP');
    const part = this.#decrypt(decodeDer(apRep, message).encPart);
    // RFC 4120 section 3.2.5: the time stamp of the authenticator comes back.
    if (part.ctime !== sent.ctime || part.cusec !== sent.cusec) throw new CarmineError('auth/failed');
    const { dceStyle = false } = this.#options;
    this.establish('initiator', {
      key: part.subkey === undefined ? sent.subkey : { etype: part.subkey.keytype, value: part.subkey.keyvalue },
      acceptorSubkey: part.subkey !== undefined,
      dceStyle,
      initiatorSequence: sent.sequence,
      acceptorSequence: part.seqNumber ?? 0,
    });
    return dceStyle ? this.#thirdLeg(part) : undefined;
  }

  /** [MS-KILE] 3.4.5.1: an AP-REP of ours with the server's sequence number. */
  #thirdLeg(part: EncApRepPart): Uint8Array {
    const { environment, ticket } = this.#options;
    const now = Math.floor(environment.now() + ticket.clockOffset);
    const plain = encodeDer(encApRepPart, { ctime: now, cusec: (now % 1000) * 1000, seqNumber: part.seqNumber ?? 0 });
    return encodeDer(apRep, { encPart: this.#encrypt(keyUsages.reply, plain) });
  }

  #encrypt(usage: number, plain: Uint8Array): { etype: number; cipher: Uint8Array } {
    const { sessionKey } = this.#options.ticket;
    const confounder = this.#options.environment.randomBytes(profileOf(sessionKey).confounderLength);
    return { etype: sessionKey.etype, cipher: useKey(sessionKey, usage).encrypt(plain, confounder) };
  }

  #decrypt(encPart: { readonly etype: number; readonly cipher: Uint8Array }): EncApRepPart {
    const { sessionKey } = this.#options.ticket;
    try {
      return decodeDer(encApRepPart, useKey(sessionKey, keyUsages.reply).decrypt(encPart.cipher));
    } catch (error) {
      // Whoever answers does not know the session key: not the service that the ticket is for.
      if (isCarmineError(error, 'auth/bad-signature')) throw new CarmineError('auth/failed', { cause: error });
      throw error;
    }
  }
}

const baseFlags = gssFlags.mutual | gssFlags.replay | gssFlags.sequence | gssFlags.integrity;
