import { equalBytes } from '@carmine/wire';
import { decodeDer, encodeDer } from '@carmine/wire/der';
import type { Environment } from '../context.ts';
import { createAsExchange } from '../kerberos/client/as-exchange.ts';
import type { ServiceTicket } from '../kerberos/client/credential.ts';
import type { KdcExchange } from '../kerberos/client/exchange.ts';
import { createTgsExchange } from '../kerberos/client/tgs-exchange.ts';
import { keyUsages } from '../kerberos/crypto/key-usages.ts';
import type { EncryptionKey } from '../kerberos/crypto/profile.ts';
import { findProfile, profileOf, useKey } from '../kerberos/crypto/profiles.ts';
import type { KeytabEntry } from '../kerberos/files/keytab.ts';
import { apReq, authenticator } from '../kerberos/messages/ap-messages.ts';
import type { AuthorizationData } from '../kerberos/messages/authorization-data.ts';
import { encryptedData } from '../kerberos/messages/basic-types.ts';
import {
  asRep,
  asReq,
  encAsRepPart,
  encTgsRepPart,
  type KdcReqBody,
  kdcReqBody,
  tgsRep,
  tgsReq,
} from '../kerberos/messages/kdc-messages.ts';
import { krbError, krbErrors } from '../kerberos/messages/krb-error.ts';
import { etypeInfo2, paDataList, paEncTsEnc, paTypes } from '../kerberos/messages/pa-data.ts';
import { type Principal, type PrincipalName, parsePrincipal } from '../kerberos/messages/principal.ts';
import { type EncTicketPart, encTicketPart, ticket as ticketCodec } from '../kerberos/messages/ticket.ts';

/** 2026-01-01. */
export const start = 1_767_225_600_000;

export interface TestKdcOptions {
  readonly realm: string;
  /** `start` unless given. */
  readonly now?: number | (() => number);
  /** Milliseconds that tickets are good for; ten hours unless given. */
  readonly lifetime?: number;
  readonly randomBytes: (length: number) => Uint8Array;
  /** Principals of the realm (without it) and their passwords. */
  readonly passwords: Readonly<Record<string, string>>;
  /** Types of keys, strongest first. */
  readonly etypes?: readonly number[];
  readonly preauth?: boolean;
  readonly salt?: string;
  readonly iterations?: number;
  /** Service names answered with a referral to a realm; there must be a principal `krbtgt/THERE`. */
  readonly referrals?: Readonly<Record<string, string>>;
  readonly authorizationData?: (name: PrincipalName, authtime: number, serviceKey: EncryptionKey) => AuthorizationData;
}

/** Just enough of a KDC, made of the same codecs: RFC 4120 sections 3.1 and 3.3. */
export class TestKdc {
  readonly #options: TestKdcOptions;
  /** Making keys of passwords takes long. */
  readonly #keys = new Map<string, EncryptionKey>();
  readonly asked: string[] = [];
  /** Changes what comes back, for hostile KDCs. */
  tamper = (part: Parameters<typeof encAsRepPart.write>[0]) => part;

  constructor(options: TestKdcOptions) {
    this.#options = options;
  }

  get #now(): number {
    const { now = start } = this.#options;
    return typeof now === 'number' ? now : now();
  }

  get #etypes(): readonly number[] {
    return this.#options.etypes ?? [20, 19, 18, 17];
  }

  key(name: string, etype: number): EncryptionKey {
    const known = this.#keys.get(`${name} ${etype}`);
    if (known !== undefined) return known;
    const key = this.#makeKey(name, etype);
    this.#keys.set(`${name} ${etype}`, key);
    return key;
  }

  #makeKey(name: string, etype: number): EncryptionKey {
    const profile = findProfile(etype)!;
    const salt = new TextEncoder().encode(this.#options.salt ?? this.#options.realm + name.replaceAll('/', ''));
    const password = this.#options.passwords[name];
    if (password === undefined) throw new Error(`no principal ${name}`);
    // Fewer rounds than the default, so that tests are quick; the least that clients take.
    return { etype, value: profile.stringToKey(password, salt, this.#iterations) };
  }

  get #iterations(): number {
    return this.#options.iterations ?? 4096;
  }

  keytab(...names: readonly string[]): readonly KeytabEntry[] {
    return names.flatMap((name) =>
      this.#etypes.map((etype) => ({
        principal: parsePrincipal(name, this.#options.realm),
        timestamp: 1,
        kvno: 3,
        key: this.key(name, etype),
      })),
    );
  }

  handle(message: Uint8Array): Uint8Array {
    if (message[0] === 0x6a) return this.#as(message);
    return this.#tgs(message);
  }

  #as(message: Uint8Array): Uint8Array {
    const { realm, passwords, preauth = true } = this.#options;
    const { padata = [], reqBody } = decodeDer(asReq, message);
    const body = decodeDer(kdcReqBody, reqBody);
    const name = body.cname!.nameString.join('/');
    this.asked.push(`as ${name}`);
    if (passwords[name] === undefined) return this.#error(krbErrors.KDC_ERR_C_PRINCIPAL_UNKNOWN);
    const etype = this.#etypes.find((candidate) => body.etype.includes(candidate));
    if (etype === undefined) return this.#error(krbErrors.KDC_ERR_ETYPE_NOSUPP);
    const timestamp = padata.find(({ padataType }) => padataType === paTypes.encryptedTimestamp);
    if (timestamp === undefined && preauth) return this.#error(krbErrors.KDC_ERR_PREAUTH_REQUIRED, this.#methods(name));
    if (timestamp !== undefined) {
      const sealed = decodeDer(encryptedData, timestamp.padataValue);
      try {
        const plain = useKey(this.key(name, sealed.etype), keyUsages.encryptedTimestamp).decrypt(sealed.cipher);
        const { patimestamp } = decodeDer(paEncTsEnc, plain);
        if (Math.abs(patimestamp - this.#now) > 300_000) return this.#error(krbErrors.KRB_AP_ERR_SKEW);
      } catch {
        return this.#error(krbErrors.KDC_ERR_PREAUTH_FAILED);
      }
    }
    const sname = { nameType: 2, nameString: ['krbtgt', realm] };
    const ticket = this.#issue(realm, body, { realm, name: body.cname! }, sname, this.#now);
    const cipher = this.#seal(this.key(name, etype), keyUsages.asReply, encAsRepPart.write(this.tamper(ticket.part)));
    return encodeDer(asRep, {
      padata: decodeDer(paDataList, this.#methods(name)).slice(1),
      crealm: realm,
      cname: body.cname!,
      ticket: ticket.octets,
      encPart: { etype, cipher },
    });
  }

  #tgs(message: Uint8Array): Uint8Array {
    const { realm, passwords, referrals = {} } = this.#options;
    const { padata = [], reqBody } = decodeDer(tgsReq, message);
    const body = decodeDer(kdcReqBody, reqBody);
    const request = decodeDer(apReq, padata.find(({ padataType }) => padataType === paTypes.tgsRequest)!.padataValue);
    const granting = decodeDer(ticketCodec, request.ticket);
    const grantingKey = this.key(granting.sname.nameString.join('/'), granting.encPart.etype);
    const part = decodeDer(encTicketPart, useKey(grantingKey, keyUsages.ticket).decrypt(granting.encPart.cipher));
    const sessionKey = { etype: part.key.keytype, value: part.key.keyvalue };
    const plain = useKey(sessionKey, keyUsages.tgsRequestAuthenticator).decrypt(request.authenticator.cipher);
    const statement = decodeDer(authenticator, plain);
    const expected = useKey(sessionKey, keyUsages.tgsRequestChecksum).checksum(reqBody);
    if (!equalBytes(expected, statement.cksum!.checksum)) return this.#error(krbErrors.KRB_AP_ERR_MODIFIED);
    if (Math.abs(statement.ctime - this.#now) > 300_000) return this.#error(krbErrors.KRB_AP_ERR_SKEW);
    const wanted = body.sname!.nameString.join('/');
    this.asked.push(`tgs ${wanted}`);
    const elsewhere = referrals[wanted];
    const sname = elsewhere === undefined ? body.sname! : { nameType: 2, nameString: ['krbtgt', elsewhere] };
    if (passwords[sname.nameString.join('/')] === undefined) return this.#error(krbErrors.KDC_ERR_S_PRINCIPAL_UNKNOWN);
    const client = { realm: part.crealm, name: part.cname };
    const issued = this.#issue(realm, body, client, sname, part.authtime);
    const subkey = { etype: statement.subkey!.keytype, value: statement.subkey!.keyvalue };
    return encodeDer(tgsRep, {
      crealm: client.realm,
      cname: client.name,
      ticket: issued.octets,
      encPart: {
        etype: subkey.etype,
        cipher: this.#seal(subkey, keyUsages.tgsReplySubkey, encTgsRepPart.write(this.tamper(issued.part))),
      },
    });
  }

  #issue(srealm: string, body: KdcReqBody, client: Principal, sname: PrincipalName, authtime: number) {
    const etype = this.#etypes.find((candidate) => body.etype.includes(candidate))!;
    const serviceKey = this.key(sname.nameString.join('/'), etype);
    const key = { keytype: etype, keyvalue: this.#options.randomBytes(findProfile(etype)!.keyLength) };
    const endtime = Math.min(body.till, this.#now + (this.#options.lifetime ?? 36_000_000));
    const times = { authtime, starttime: this.#now, endtime, flags: 0x0020_0000 };
    const ticketPart: EncTicketPart = {
      ...times,
      key,
      crealm: client.realm,
      cname: client.name,
      transited: { trType: 1, contents: new Uint8Array(0) },
      authorizationData: this.#options.authorizationData?.(client.name, authtime, serviceKey),
    };
    return {
      part: { ...times, key, lastReq: [], nonce: body.nonce, srealm, sname },
      octets: sealTicket(serviceKey, srealm, sname, ticketPart, this.#options.randomBytes),
    };
  }

  #methods(name: string): Uint8Array {
    const salt = new TextEncoder().encode(this.#options.salt ?? this.#options.realm + name.replaceAll('/', ''));
    const s2kparams = new Uint8Array(4);
    new DataView(s2kparams.buffer).setUint32(0, this.#iterations);
    const info = this.#etypes.map((etype) => ({ etype, salt, s2kparams }));
    return encodeDer(paDataList, [
      { padataType: paTypes.encryptedTimestamp, padataValue: new Uint8Array(0) },
      { padataType: paTypes.etypeInfo2, padataValue: encodeDer(etypeInfo2, info) },
    ]);
  }

  #seal(key: EncryptionKey, usage: number, plain: Uint8Array): Uint8Array {
    return useKey(key, usage).encrypt(plain, this.#options.randomBytes(profileOf(key).confounderLength));
  }

  #error(errorCode: number, eData?: Uint8Array): Uint8Array {
    const sname = { nameType: 2, nameString: ['krbtgt', this.#options.realm] };
    return encodeDer(krbError, { stime: this.#now, susec: 0, errorCode, realm: this.#options.realm, sname, eData });
  }
}

/** A ticket under a service's key. */
export function sealTicket(
  key: EncryptionKey,
  realm: string,
  sname: PrincipalName,
  part: EncTicketPart,
  random: (length: number) => Uint8Array,
): Uint8Array {
  const confounder = random(profileOf(key).confounderLength);
  const cipher = useKey(key, keyUsages.ticket).encrypt(encodeDer(encTicketPart, part), confounder);
  return encodeDer(ticketCodec, { realm, sname, encPart: { etype: key.etype, kvno: 3, cipher } });
}

/** Runs an exchange against KDCs in memory. */
export function runExchange<R>(exchange: KdcExchange<R>, ...kdcs: readonly (readonly [string, TestKdc])[]): R {
  for (;;) {
    const request = exchange.poll();
    if (request === undefined) break;
    const kdc = kdcs.find(([realm]) => realm === request.realm)?.[1];
    if (kdc === undefined) throw new Error(`no KDC for ${request.realm}`);
    exchange.receive(kdc.handle(request.message));
  }
  return exchange.result!;
}

export const realm = 'CARMINE.TEST';

/** A realm with one user and three services. */
export function testKdc(changes: Partial<TestKdcOptions> & Pick<TestKdcOptions, 'randomBytes'>): TestKdc {
  const passwords = {
    [`krbtgt/${realm}`]: 'tgs',
    admin: 'Pässw0rd',
    'HTTP/files.example': 'http service',
    'host/files.example': 'host service',
    'cifs/files.example': 'cifs service',
  };
  return new TestKdc({ realm, ...changes, passwords: { ...passwords, ...changes.passwords } });
}

/** admin's ticket for a service. */
export function ticketFor(kdc: TestKdc, service: string, environment: Environment): ServiceTicket {
  const client = parsePrincipal('admin', realm);
  const secret = { password: 'Pässw0rd' };
  const { credential, clockOffset } = runExchange(createAsExchange({ client, secret, environment }), [realm, kdc]);
  const { name } = parsePrincipal(service, realm);
  const options = { ticketGrantingTicket: credential, clockOffset, service: name, environment };
  return runExchange(createTgsExchange(options), [realm, kdc]);
}
