import { CarmineError, isCarmineError } from '@carmine/errors';
import { decodeDer, encodeDer } from '@carmine/wire/der';
import type { Environment } from '../../context.ts';
import { keyUsages } from '../crypto/key-usages.ts';
import type { EncryptionKey } from '../crypto/profile.ts';
import { allowedEtypes, profileOf, useKey } from '../crypto/profiles.ts';
import { kerberosInbound, kerberosPolicy, kerberosProtocol } from '../errors.ts';
import { encryptedData } from '../messages/basic-types.ts';
import { asRep, asReq, encKdcRepPart, type KdcReqBody, kdcReqBody } from '../messages/kdc-messages.ts';
import { type KrbError, krbErrors } from '../messages/krb-error.ts';
import {
  type EtypeInfo2,
  etypeInfo2,
  type PaDataList,
  paDataList,
  paEncTsEnc,
  paPacRequest,
  paTypes,
} from '../messages/pa-data.ts';
import { krbtgtName, type Principal, sameName } from '../messages/principal.ts';
import { type ClientSecret, clientKey, usableEtypes } from './client-keys.ts';
import { credentialOf, type KerberosCredential } from './credential.ts';
import {
  asKrbError,
  clockOffsetOf,
  type KdcExchange,
  KdcExchangeBase,
  type KdcResult,
  kdcRefusal,
  makeNonce,
} from './exchange.ts';

export interface AsExchangeOptions {
  readonly client: Principal;
  readonly secret: ClientSecret;
  readonly environment: Environment;
  /** Milliseconds; ten hours unless given. The KDC may grant less. */
  readonly lifetime?: number | undefined;
  readonly allowRc4?: boolean | undefined;
  /** Asks for (or for no) authorisation data of Windows; the KDC's habit unless given. */
  readonly requestPac?: boolean | undefined;
}

/**
 * The ticket-granting ticket of a client, RFC 4120 section 3.1: a request without pre-authentication, then, as the KDC
 * asks, one with an encrypted time stamp. A clock that differs is corrected once by what the KDC says. Throws
 * `auth/failed` when the KDC does not know the client or the secret is wrong, `auth/kdc-refused` for its other
 * refusals.
 */
export function createAsExchange(options: AsExchangeOptions): KdcExchange<KdcResult<KerberosCredential>> {
  return new AsExchange(options);
}

class AsExchange extends KdcExchangeBase<KdcResult<KerberosCredential>> {
  readonly #options: AsExchangeOptions;
  readonly #etypes: readonly number[];
  #body: KdcReqBody;
  #clockOffset = 0;
  #clockCorrected = false;
  #info: EtypeInfo2 = [];
  /** The key of the time stamp that was sent. */
  #preauthenticated: EncryptionKey | undefined;

  constructor(options: AsExchangeOptions) {
    super();
    this.#options = options;
    this.#etypes = usableEtypes(options.secret, options.client, allowedEtypes(options.allowRc4));
    if (this.#etypes.length === 0) {
      throw new CarmineError('auth/no-ticket', { context: { reason: 'there is no key of the client in the keytab' } });
    }
    this.#body = this.#makeBody();
    this.#request();
  }

  protected answered(reply: Uint8Array): void {
    kerberosInbound(() => {
      const error = asKrbError(reply);
      if (error === undefined) this.#granted(reply);
      else this.#refused(error);
    });
  }

  #now(): number {
    return this.#options.environment.now() + this.#clockOffset;
  }

  #makeBody(): KdcReqBody {
    const { client, environment, lifetime = defaultLifetime } = this.#options;
    return {
      // Nothing is delegated: the plainest ticket will do.
      kdcOptions: 0,
      cname: client.name,
      realm: client.realm,
      sname: krbtgtName(client.realm),
      till: this.#now() + lifetime,
      nonce: makeNonce(environment.randomBytes(4)),
      etype: this.#etypes,
    };
  }

  #request(): void {
    const { client, requestPac } = this.#options;
    this.#body = this.#makeBody();
    const padata: { padataType: number; padataValue: Uint8Array }[] = [];
    if (this.#preauthenticated !== undefined) {
      padata.push({ padataType: paTypes.encryptedTimestamp, padataValue: this.#timestamp(this.#preauthenticated) });
    }
    if (requestPac !== undefined) {
      padata.push({ padataType: paTypes.pacRequest, padataValue: encodeDer(paPacRequest, { includePac: requestPac }) });
    }
    const message = encodeDer(asReq, {
      padata: padata.length === 0 ? undefined : padata,
      reqBody: encodeDer(kdcReqBody, this.#body),
    });
    this.send({ realm: client.realm, message });
  }

  /** PA-ENC-TIMESTAMP, RFC 4120 section 5.2.7.2. */
  #timestamp(key: EncryptionKey): Uint8Array {
    const now = Math.floor(this.#now());
    const plain = encodeDer(paEncTsEnc, { patimestamp: now, pausec: (now % 1000) * 1000 });
    const confounder = this.#options.environment.randomBytes(profileOf(key).confounderLength);
    const cipher = useKey(key, keyUsages.encryptedTimestamp).encrypt(plain, confounder);
    return encodeDer(encryptedData, { etype: key.etype, cipher });
  }

  #refused(error: KrbError): void {
    const { environment } = this.#options;
    switch (error.errorCode) {
      case krbErrors.KDC_ERR_PREAUTH_REQUIRED:
        if (this.#preauthenticated !== undefined) throw new CarmineError('auth/failed');
        this.#preauthenticated = this.#chooseKey(decodeDer(paDataList, error.eData ?? noPaData));
        this.#request();
        return;
      case krbErrors.KRB_AP_ERR_SKEW:
        if (this.#clockCorrected) throw kdcRefusal(error, this.#options.client.realm);
        this.#clockCorrected = true;
        this.#clockOffset = clockOffsetOf(error.stime + error.susec / 1000, environment.now());
        this.#request();
        return;
      case krbErrors.KDC_ERR_PREAUTH_FAILED:
      case krbErrors.KDC_ERR_C_PRINCIPAL_UNKNOWN:
        throw new CarmineError('auth/failed', { context: { text: error.eText } });
      default:
        throw kdcRefusal(error, this.#options.client.realm);
    }
  }

  /** Our strongest type of those that the KDC has a key for. */
  #chooseKey(methods: PaDataList): EncryptionKey {
    if (!methods.some(({ padataType }) => padataType === paTypes.encryptedTimestamp)) {
      throw kerberosPolicy('the KDC asks for a kind of pre-authentication that is not supported');
    }
    this.#takeInfo(methods);
    const { client, secret } = this.#options;
    const etype = this.#etypes.find((candidate) => this.#info.some((entry) => entry.etype === candidate));
    const key = etype === undefined ? undefined : clientKey(secret, client, etype, this.#info);
    if (key === undefined) throw kerberosPolicy('the KDC has no key of a type that is allowed');
    return key;
  }

  #takeInfo(padata: PaDataList | undefined): void {
    const info = padata?.find(({ padataType }) => padataType === paTypes.etypeInfo2);
    if (info !== undefined) this.#info = decodeDer(etypeInfo2, info.padataValue);
  }

  #granted(reply: Uint8Array): void {
    const { client, secret, environment } = this.#options;
    const { crealm, cname, ticket, encPart, padata } = decodeDer(asRep, reply);
    // QUIRK: Windows takes the realm in any case and answers with its own spelling, which counts from then on.
    if (crealm.toUpperCase() !== client.realm.toUpperCase() || !sameName(cname, client.name)) {
      throw kerberosProtocol('the ticket is for another client');
    }
    if (!this.#etypes.includes(encPart.etype)) throw kerberosProtocol('an encryption type that was not asked for');
    this.#takeInfo(padata);
    const key = clientKey(secret, client, encPart.etype, this.#info);
    if (key === undefined) throw kerberosPolicy('there is no key for the answer');
    const part = decodeDer(encKdcRepPart, this.#decrypt(key, encPart.cipher));
    if (part.nonce !== this.#body.nonce) throw kerberosProtocol('the answer is to another request');
    const granting = [krbtgtName(crealm), krbtgtName(client.realm)];
    if (part.srealm !== crealm || !granting.some((name) => sameName(part.sname, name))) {
      throw kerberosProtocol('the ticket is for another service');
    }
    // Now that the KDC has proved itself its time may be believed.
    if (Math.abs(part.authtime - this.#now()) > noticeableSkew) {
      this.#clockOffset = clockOffsetOf(part.authtime, environment.now());
    }
    if (part.endtime <= this.#now()) throw kerberosProtocol('the ticket has ended already');
    const sname = krbtgtName(crealm);
    const credential = credentialOf({ realm: crealm, name: cname }, ticket, { ...part, sname });
    this.result = {
      credential,
      clockOffset: this.#clockOffset,
    };
  }

  #decrypt(key: EncryptionKey, cipher: Uint8Array): Uint8Array {
    try {
      return useKey(key, keyUsages.asReply).decrypt(cipher);
    } catch (error) {
      if (isCarmineError(error, 'auth/bad-signature')) throw new CarmineError('auth/failed', { cause: error });
      throw error;
    }
  }
}

const defaultLifetime = 10 * 3_600_000;
const noticeableSkew = 60_000;
const noPaData = Uint8Array.of(0x30, 0);
