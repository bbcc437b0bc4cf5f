import { CarmineError } from '@carmine/errors';
import { decodeDer, encodeDer } from '@carmine/wire/der';
import type { Environment } from '../../context.ts';
import { keyUsages } from '../crypto/key-usages.ts';
import type { EncryptionKey } from '../crypto/profile.ts';
import { allowedEtypes, profileOf, useKey } from '../crypto/profiles.ts';
import { kerberosInbound, kerberosProtocol } from '../errors.ts';
import { apReq, authenticator } from '../messages/ap-messages.ts';
import { encKdcRepPart, kdcOptions, kdcReqBody, tgsRep, tgsReq } from '../messages/kdc-messages.ts';
import { type KrbError, krbErrors } from '../messages/krb-error.ts';
import { paTypes } from '../messages/pa-data.ts';
import { formatName, krbtgtName, type PrincipalName, sameName } from '../messages/principal.ts';
import { credentialOf, type KerberosCredential, type ServiceTicket } from './credential.ts';
import { asKrbError, clockOffsetOf, type KdcExchange, KdcExchangeBase, kdcRefusal, makeNonce } from './exchange.ts';

export interface TgsExchangeOptions {
  /** A ticket-granting ticket: for `krbtgt/REALM`. */
  readonly ticketGrantingTicket: KerberosCredential;
  readonly service: PrincipalName;
  /** The service's realm where it is known; else the client's KDC is asked, which may refer to another. */
  readonly serviceRealm?: string | undefined;
  readonly environment: Environment;
  /** As the AS exchange found it, in milliseconds. */
  readonly clockOffset?: number | undefined;
  readonly allowRc4?: boolean | undefined;
}

/**
 * A ticket for a service, RFC 4120 section 3.3, following referrals to other realms (RFC 6806 section 8). Throws
 * `auth/no-ticket` when no such service is known, `auth/kdc-refused` for other refusals.
 */
export function createTgsExchange(options: TgsExchangeOptions): KdcExchange<ServiceTicket> {
  return new TgsExchange(options);
}

/** One request that is under way. */
interface Pending {
  readonly name: PrincipalName;
  readonly nonce: number;
  readonly subkey: EncryptionKey;
}

class TgsExchange extends KdcExchangeBase<ServiceTicket> {
  readonly #options: TgsExchangeOptions;
  readonly #visited: string[] = [];
  #granting: KerberosCredential;
  #clockOffset: number;
  #clockCorrected = false;
  #pending: Pending;

  constructor(options: TgsExchangeOptions) {
    super();
    this.#options = options;
    this.#granting = options.ticketGrantingTicket;
    this.#clockOffset = options.clockOffset ?? 0;
    this.#visited.push(this.#realm);
    this.#pending = this.#request();
  }

  /** The realm whose KDC is asked. */
  get #realm(): string {
    const [service, realm] = this.#granting.server.name.nameString;
    if (service !== 'krbtgt' || realm === undefined) {
      throw new CarmineError('usage/invalid', { context: { reason: 'not a ticket-granting ticket' } });
    }
    return realm;
  }

  protected answered(reply: Uint8Array): void {
    kerberosInbound(() => {
      const error = asKrbError(reply);
      if (error === undefined) this.#granted(reply);
      else this.#refused(error);
    });
  }

  #request(): Pending {
    const { environment, service, serviceRealm, allowRc4 } = this.#options;
    const realm = this.#realm;
    const onTheWay = serviceRealm !== undefined && !this.#visited.includes(serviceRealm);
    const name = onTheWay ? krbtgtName(serviceRealm) : service;
    const nonce = makeNonce(environment.randomBytes(4));
    const { sessionKey } = this.#granting;
    const subkey = { etype: sessionKey.etype, value: environment.randomBytes(profileOf(sessionKey).keyLength) };
    const reqBody = encodeDer(kdcReqBody, {
      kdcOptions: kdcOptions.canonicalize,
      realm,
      sname: name,
      till: this.#granting.endTime,
      nonce,
      etype: allowedEtypes(allowRc4),
    });
    const padataValue = this.#tgsRequest(reqBody, subkey);
    this.send({
      realm,
      message: encodeDer(tgsReq, { padata: [{ padataType: paTypes.tgsRequest, padataValue }], reqBody }),
    });
    return { name, nonce, subkey };
  }

  /** PA-TGS-REQ, RFC 4120 section 5.2.7.1: an AP-REQ to the KDC with a checksum over the body of the request. */
  #tgsRequest(reqBody: Uint8Array, subkey: EncryptionKey): Uint8Array {
    const { environment } = this.#options;
    const { client, sessionKey, ticket } = this.#granting;
    const profile = profileOf(sessionKey);
    const now = Math.floor(environment.now() + this.#clockOffset);
    const plain = encodeDer(authenticator, {
      crealm: client.realm,
      cname: client.name,
      cksum: {
        cksumtype: profile.checksumType,
        checksum: useKey(sessionKey, keyUsages.tgsRequestChecksum).checksum(reqBody),
      },
      ctime: now,
      cusec: (now % 1000) * 1000,
      subkey: { keytype: subkey.etype, keyvalue: subkey.value },
    });
    const confounder = environment.randomBytes(profile.confounderLength);
    const cipher = useKey(sessionKey, keyUsages.tgsRequestAuthenticator).encrypt(plain, confounder);
    return encodeDer(apReq, { apOptions: 0, ticket, authenticator: { etype: sessionKey.etype, cipher } });
  }

  #refused(error: KrbError): void {
    switch (error.errorCode) {
      case krbErrors.KRB_AP_ERR_SKEW:
        if (this.#clockCorrected) throw kdcRefusal(error, this.#realm);
        this.#clockCorrected = true;
        this.#clockOffset = clockOffsetOf(error.stime + error.susec / 1000, this.#options.environment.now());
        this.#pending = this.#request();
        return;
      case krbErrors.KDC_ERR_S_PRINCIPAL_UNKNOWN: {
        const reason = `the KDC of ${this.#realm} knows no service ${formatName(this.#pending.name)}`;
        throw new CarmineError('auth/no-ticket', { context: { reason } });
      }
      default:
        throw kdcRefusal(error, this.#realm);
    }
  }

  #granted(reply: Uint8Array): void {
    const { service } = this.#options;
    const { nonce, subkey } = this.#pending;
    const { client } = this.#granting;
    const { crealm, cname, ticket, encPart } = decodeDer(tgsRep, reply);
    if (crealm !== client.realm || !sameName(cname, client.name)) {
      throw kerberosProtocol('the ticket is for another client');
    }
    if (encPart.etype !== subkey.etype) throw kerberosProtocol('the answer is encrypted with another key');
    const plain = useKey(subkey, keyUsages.tgsReplySubkey).decrypt(encPart.cipher);
    const part = decodeDer(encKdcRepPart, plain);
    if (part.nonce !== nonce) throw kerberosProtocol('the answer is to another request');
    if (part.endtime <= this.#options.environment.now() + this.#clockOffset) {
      throw kerberosProtocol('the ticket has ended already');
    }
    const credential = credentialOf(client, ticket, part);
    profileOf(credential.sessionKey);

    const [first, next] = part.sname.nameString;
    if (sameName(part.sname, service)) {
      this.result = { ...credential, clockOffset: this.#clockOffset };
    } else if (first === 'krbtgt' && next !== undefined && part.sname.nameString.length === 2) {
      // RFC 6806 section 8: instead of the ticket, one for the KDC of a realm that is closer to the service.
      if (this.#visited.includes(next) || this.#visited.length > maxHops) {
        throw kerberosProtocol('the referrals between realms lead nowhere');
      }
      this.#visited.push(next);
      this.#granting = credential;
      this.#pending = this.#request();
    } else {
      throw kerberosProtocol('the ticket is for another service');
    }
  }
}

const maxHops = 8;
