import { CarmineError, isCarmineError } from '@carmine/errors';
import { decodeDer, encodeDer } from '@carmine/wire/der';
import { channelBindingHash } from '../../channel-binding.ts';
import type { AuthenticatedAccount } from '../../context.ts';
import { claimedNameOf } from '../../credentials.ts';
import { equalSecrets } from '../../crypto/digest.ts';
import { keyUsages } from '../crypto/key-usages.ts';
import type { EncryptionKey } from '../crypto/profile.ts';
import { allowedEtypes, profileOf, useKey } from '../crypto/profiles.ts';
import { kerberosInbound, kerberosPolicy, kerberosProtocol } from '../errors.ts';
import {
  type Authenticator,
  apOptions,
  apRep,
  apReq,
  authenticator as authenticatorCodec,
  encApRepPart,
} from '../messages/ap-messages.ts';
import { alwaysBindsChannel, findPac } from '../messages/authorization-data.ts';
import type { EncryptedData } from '../messages/basic-types.ts';
import { formatName, sameName } from '../messages/principal.ts';
import { type EncTicketPart, ticket as ticketCodec, ticketFlags } from '../messages/ticket.ts';
import { accountOfPac } from '../pac/account.ts';
import { decodeGssChecksum, gssChecksumType, gssFlags } from './checksum.ts';
import {
  type Agreement,
  type KerberosContext,
  KerberosContextBase,
  makeSequenceNumber,
  makeSubkey,
} from './context.ts';
import { frameToken, readToken } from './framing.ts';
import type { KerberosService } from './service.ts';
import { type OpenedTicket, openTicket } from './ticket-keys.ts';

export interface KerberosAcceptorOptions {
  readonly service: KerberosService;
  /** Of this connection, see tlsServerEndPoint. A peer that states another one is refused. */
  readonly channelBinding?: Uint8Array | undefined;
  /** Also refuses peers that state none. */
  readonly requireChannelBinding?: boolean | undefined;
}

/**
 * RFC 4121 as a server. The ticket must be for a service of the key table and valid now, the authenticator fresh, never
 * seen before and bound to this connection where the peer says so; the account comes from the PAC or from the
 * configured map. Three legs when the client asks for DCE style. Throws `auth/failed` for tickets and authenticators
 * that do not decrypt and clients without an account, `auth/policy` for the rest.
 */
export function createKerberosAcceptor(options: KerberosAcceptorOptions): KerberosContext {
  return new KerberosAcceptor(options);
}

/** first token → (DCE style: third leg) → over */
type State =
  | { readonly kind: 'first' }
  | { readonly kind: 'third'; readonly sessionKey: EncryptionKey; readonly agreement: Agreement }
  | { readonly kind: 'over' };

class KerberosAcceptor extends KerberosContextBase {
  readonly #options: KerberosAcceptorOptions;
  #state: State = { kind: 'first' };
  #account: AuthenticatedAccount | undefined;
  #claimedName: string | undefined;

  constructor(options: KerberosAcceptorOptions) {
    super(options.service.environment);
    if (options.requireChannelBinding === true && options.channelBinding === undefined) {
      throw new CarmineError('usage/invalid', {
        context: { reason: 'channel binding is required but this listener has none' },
      });
    }
    this.#options = options;
  }

  get peer(): AuthenticatedAccount | undefined {
    return this.complete ? this.#account : undefined;
  }

  get claimedName(): string | undefined {
    return this.#claimedName;
  }

  step(input?: Uint8Array): Uint8Array | undefined {
    const state = this.#state;
    // Whatever goes wrong from here ends the exchange.
    this.#state = { kind: 'over' };
    if (input === undefined) throw kerberosProtocol('a token is missing');
    return kerberosInbound(() => {
      switch (state.kind) {
        case 'first':
          return this.#request(input);
        case 'third':
          return this.#thirdLeg(state.sessionKey, state.agreement, input);
        case 'over':
          throw kerberosProtocol('the exchange is over');
      }
    });
  }

  #request(input: Uint8Array): Uint8Array | undefined {
    const { kind, message, framed } = readToken(input);
    if (kind !== 'ap-req') throw kerberosProtocol('not an AP-REQ');
    const request = decodeDer(apReq, message);
    if ((request.apOptions & apOptions.useSessionKey) !== 0) throw kerberosPolicy('user-to-user is not supported');
    const { service } = this.#options;
    const opened = openTicket(service, decodeDer(ticketCodec, request.ticket));
    const { part } = opened;
    this.#claimedName = claimedNameOf(`${formatName(part.cname)}@${part.crealm}`, '');
    this.#checkTicket(part);
    const sessionKey = { etype: part.key.keytype, value: part.key.keyvalue };
    if (!allowedEtypes(service.allowRc4).includes(sessionKey.etype)) {
      throw kerberosPolicy(`session keys of type ${sessionKey.etype} are not allowed`);
    }
    const statement = this.#openAuthenticator(sessionKey, request.authenticator, part);
    const flags = this.#checkStatement(statement, request.authenticator.cipher);
    this.#account = this.#findAccount(opened);

    const subkey =
      statement.subkey === undefined
        ? sessionKey
        : { etype: statement.subkey.keytype, value: statement.subkey.keyvalue };
    const initiatorSequence = statement.seqNumber ?? 0;
    const dceStyle = (flags & gssFlags.dceStyle) !== 0;
    if ((request.apOptions & apOptions.mutualRequired) === 0) {
      if (dceStyle) throw kerberosProtocol('DCE style without mutual authentication');
      // Without AP-REP there is nowhere to state a number of ours: the peer's counts for both.
      const acceptorSequence = initiatorSequence;
      this.establish('acceptor', { key: subkey, acceptorSubkey: false, dceStyle, initiatorSequence, acceptorSequence });
      return undefined;
    }
    const own = makeSubkey(subkey.etype, this.environment);
    const acceptorSequence = makeSequenceNumber(this.environment);
    const agreement = { key: own, acceptorSubkey: true, dceStyle, initiatorSequence, acceptorSequence };
    const reply = this.#reply(sessionKey, statement, own, acceptorSequence);
    if (dceStyle) this.#state = { kind: 'third', sessionKey, agreement };
    else this.establish('acceptor', agreement);
    return framed && !dceStyle ? frameToken('ap-rep', reply) : reply;
  }

  /** [MS-KILE] 3.4.5.1: the client's AP-REP repeats our sequence number, under the session key. */
  #thirdLeg(sessionKey: EncryptionKey, agreement: Agreement, input: Uint8Array): undefined {
    const { kind, message } = readToken(input);
    if (kind !== 'ap-rep') throw kerberosProtocol('not an AP-REP');
    const plain = decryptOrRefuse(sessionKey, keyUsages.reply, decodeDer(apRep, message).encPart);
    if (decodeDer(encApRepPart, plain).seqNumber !== agreement.acceptorSequence) throw new CarmineError('auth/failed');
    this.establish('acceptor', agreement);
  }

  /** RFC 4120 section 3.2.3. UNSPECIFIED: addresses in tickets are not compared; behind NAT they are never right. */
  #checkTicket(part: EncTicketPart): void {
    const { environment, maxSkew } = this.#options.service;
    const now = environment.now();
    if ((part.flags & ticketFlags.invalid) !== 0) throw kerberosPolicy('the ticket is not valid');
    if ((part.starttime ?? part.authtime) > now + maxSkew) throw kerberosPolicy('the ticket is not valid yet');
    if (part.endtime < now - maxSkew) throw kerberosPolicy('the ticket has ended');
  }

  #openAuthenticator(sessionKey: EncryptionKey, sealed: EncryptedData, part: EncTicketPart): Authenticator {
    const plain = decryptOrRefuse(sessionKey, keyUsages.requestAuthenticator, sealed);
    const statement = decodeDer(authenticatorCodec, plain);
    if (statement.crealm !== part.crealm || !sameName(statement.cname, part.cname)) {
      throw kerberosPolicy('the authenticator and the ticket name different clients');
    }
    return statement;
  }

  /** Freshness and channel binding; returns the flags of the context. */
  #checkStatement(statement: Authenticator, cipher: Uint8Array): number {
    const { service, channelBinding, requireChannelBinding } = this.#options;
    const { environment, maxSkew, replayCache } = service;
    const now = environment.now();
    const made = statement.ctime + statement.cusec / 1000;
    const client = `${formatName(statement.cname)}@${statement.crealm}`;
    if (Math.abs(now - made) > maxSkew) throw kerberosPolicy('the clocks differ too much');
    if (statement.cksum?.cksumtype !== gssChecksumType) throw kerberosPolicy('the authenticator states no context');
    const stated = decodeGssChecksum(statement.cksum.checksum);
    const binds = channelBinding !== undefined && alwaysBindsChannel(statement.authorizationData);
    if ((requireChannelBinding === true || binds) && stated.channelBinding === undefined) {
      throw kerberosPolicy('channel binding is missing');
    }
    if (
      channelBinding !== undefined &&
      stated.channelBinding !== undefined &&
      !equalSecrets(stated.channelBinding, channelBindingHash(channelBinding))
    ) {
      throw kerberosPolicy('channel binding is for another connection');
    }
    if (!replayCache.add(client, cipher, now, made + maxSkew))
      throw kerberosPolicy('the authenticator was seen before');
    return stated.flags;
  }

  #findAccount({ part, key }: OpenedTicket): AuthenticatedAccount {
    const octets = findPac(part.authorizationData);
    const pac = octets === undefined ? undefined : accountOfPac(octets, key, part);
    const account = this.#options.service.accounts(formatName(part.cname), part.crealm, pac);
    if (account === undefined) throw new CarmineError('auth/failed');
    return { name: account.name, userSid: account.userSid, groupSids: account.groupSids };
  }

  #reply(sessionKey: EncryptionKey, { ctime, cusec }: Authenticator, subkey: EncryptionKey, sequence: number) {
    const plain = encodeDer(encApRepPart, {
      ctime,
      cusec,
      subkey: { keytype: subkey.etype, keyvalue: subkey.value },
      seqNumber: sequence,
    });
    const confounder = this.environment.randomBytes(profileOf(sessionKey).confounderLength);
    const cipher = useKey(sessionKey, keyUsages.reply).encrypt(plain, confounder);
    return encodeDer(apRep, { encPart: { etype: sessionKey.etype, cipher } });
  }
}

/** What does not decrypt was not made by who the ticket was given to. */
function decryptOrRefuse(key: EncryptionKey, usage: number, { cipher }: EncryptedData): Uint8Array {
  try {
    return useKey(key, usage).decrypt(cipher);
  } catch (error) {
    if (isCarmineError(error, 'auth/bad-signature')) throw new CarmineError('auth/failed', { cause: error });
    throw error;
  }
}
