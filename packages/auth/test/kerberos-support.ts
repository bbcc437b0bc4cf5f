import { SeededRandom } from '@carmine/testkit';
import { ByteWriter, concatBytes, encodeUtf16 } from '@carmine/wire';
import { decodeDer, encodeDer } from '@carmine/wire/der';
import type { Environment, KdcExchange, KeytabEntry, Principal, ServiceTicket } from '../src/index.ts';
import { createAsExchange, createTgsExchange, parsePrincipal } from '../src/index.ts';
import { keyUsages } from '../src/kerberos/crypto/key-usages.ts';
import type { EncryptionKey } from '../src/kerberos/crypto/profile.ts';
import { findProfile, profileOf, useKey } from '../src/kerberos/crypto/profiles.ts';
import { apReq, authenticator } from '../src/kerberos/messages/ap-messages.ts';
import { type AuthorizationData, adTypes, authorizationData } from '../src/kerberos/messages/authorization-data.ts';
import { encryptedData } from '../src/kerberos/messages/basic-types.ts';
import {
  asRep,
  asReq,
  encAsRepPart,
  encTgsRepPart,
  type KdcReqBody,
  kdcReqBody,
  tgsRep,
  tgsReq,
} from '../src/kerberos/messages/kdc-messages.ts';
import { krbError, krbErrors } from '../src/kerberos/messages/krb-error.ts';
import { etypeInfo2, paDataList, paEncTsEnc, paTypes } from '../src/kerberos/messages/pa-data.ts';
import type { PrincipalName } from '../src/kerberos/messages/principal.ts';
import { type EncTicketPart, encTicketPart, ticket as ticketCodec } from '../src/kerberos/messages/ticket.ts';

export const start = Date.UTC(2026, 0, 1);

export interface TestKdcOptions {
  readonly realm: string;
  readonly now?: number;
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
  readonly #random = new SeededRandom(77);
  readonly asked: string[] = [];
  /** Changes what comes back, for hostile KDCs. */
  tamper = (part: Parameters<typeof encAsRepPart.write>[0]) => part;

  constructor(options: TestKdcOptions) {
    this.#options = options;
  }

  get #now(): number {
    return this.#options.now ?? start;
  }

  get #etypes(): readonly number[] {
    return this.#options.etypes ?? [20, 19, 18, 17];
  }

  key(name: string, etype: number): EncryptionKey {
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
    if (!Buffer.from(expected).equals(statement.cksum!.checksum)) return this.#error(krbErrors.KRB_AP_ERR_MODIFIED);
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
    const key = { keytype: etype, keyvalue: this.#random.bytes(findProfile(etype)!.keyLength) };
    const endtime = Math.min(body.till, this.#now + 36_000_000);
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
      octets: sealTicket(serviceKey, srealm, sname, ticketPart, (length) => this.#random.bytes(length)),
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
    return useKey(key, usage).encrypt(plain, this.#random.bytes(profileOf(key).confounderLength));
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

export function testKdc(changes: Partial<TestKdcOptions> = {}): TestKdc {
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

export interface TestPac {
  readonly user?: string;
  readonly domain?: string;
  readonly userId?: number;
  readonly primaryGroupId?: number;
  readonly groups?: readonly (readonly [id: number, attributes: number])[];
  readonly extraSids?: readonly (readonly [octets: string, attributes: number])[];
  readonly userFlags?: number;
}

/** KERB_VALIDATION_INFO as Windows lays it out; SIDs of domain S-1-5-21-1-2-3 are all it knows besides `S-1-5-9` like ones. */
export function encodeValidationInfo(info: TestPac): Uint8Array {
  const { user = 'admin', domain = 'CARMINE', userId = 1105, primaryGroupId = 513 } = info;
  const { groups = [[513, 7]], extraSids = [], userFlags = extraSids.length > 0 ? 0x20 : 0 } = info;
  const body = new ByteWriter();
  let referent = 0x0002_0000;
  const pointer = () => {
    referent += 4;
    return referent;
  };
  const header = (text: string) => {
    const length = text.length * 2;
    body
      .u16(length)
      .u16(length)
      .u32(text === '' ? 0 : pointer());
  };
  const characters = (text: string) => {
    if (text === '') return;
    body.u32(text.length).u32(0).u32(text.length).bytes(encodeUtf16(text)).align(4);
  };
  const sid = (parts: readonly number[]) => {
    body
      .u32(parts.length)
      .u8(1)
      .u8(parts.length)
      .bytes(Uint8Array.of(0, 0, 0, 0, 0, 5));
    for (const part of parts) body.u32(part);
  };
  const texts = [user, 'Full Name', '', '', '', ''];
  body.u32(pointer()).zeros(48);
  for (const text of texts) header(text);
  body.u16(1).u16(0).u32(userId).u32(primaryGroupId);
  body
    .u32(groups.length)
    .u32(groups.length === 0 ? 0 : pointer())
    .u32(userFlags)
    .zeros(16);
  header('DC1');
  header(domain);
  body.u32(pointer()).zeros(40);
  body.u32(extraSids.length).u32(extraSids.length === 0 ? 0 : pointer());
  body.u32(0).u32(0).u32(0);
  for (const text of texts) characters(text);
  if (groups.length > 0) body.u32(groups.length);
  for (const [id, attributes] of groups) body.u32(id).u32(attributes);
  characters('DC1');
  characters(domain);
  sid([21, 1, 2, 3]);
  if (extraSids.length > 0) body.u32(extraSids.length);
  for (const [, attributes] of extraSids) body.u32(pointer()).u32(attributes);
  for (const [text] of extraSids) sid(text.split('-').slice(3).map(Number));
  const object = body.align(8).toBytes();
  return new ByteWriter().u8(1).u8(0x10).u16(8).u32(0xcccc_cccc).u32(object.length).u32(0).bytes(object).toBytes();
}

/** PACTYPE with logon information, client information and signatures made with the service's key. */
export function encodePac(
  logonInfo: Uint8Array | undefined,
  name: string,
  authtime: number,
  key: EncryptionKey,
): Uint8Array {
  const { checksumLength, checksumType } = profileOf(key);
  const nameOctets = encodeUtf16(name);
  const time = BigInt(authtime) * 10_000n + 116_444_736_000_000_000n;
  const clientInfo = new ByteWriter().u64(time).u16(nameOctets.length).bytes(nameOctets).toBytes();
  const signature = () =>
    new ByteWriter()
      .u32(checksumType >>> 0)
      .zeros(checksumLength)
      .toBytes();
  const buffers: (readonly [number, Uint8Array])[] = [
    [10, clientInfo],
    [6, signature()],
    [7, signature()],
  ];
  if (logonInfo !== undefined) buffers.unshift([1, logonInfo]);
  const head = new ByteWriter().u32(buffers.length).u32(0);
  const body = new ByteWriter();
  const offsets = new Map<number, number>();
  for (const [type, data] of buffers) {
    const offset = 8 + 16 * buffers.length + body.length;
    offsets.set(type, offset);
    head.u32(type).u32(data.length).u64(BigInt(offset));
    body.bytes(data).align(8);
  }
  const pac = concatBytes(head.toBytes(), body.toBytes());
  pac.set(useKey(key, keyUsages.pacSignature).checksum(pac), offsets.get(6)! + 4);
  return pac;
}

/** A PAC in a ticket's authorisation data. */
export function pacData(pac: Uint8Array): AuthorizationData {
  const inner = encodeDer(authorizationData, [{ adType: adTypes.win2kPac, adData: pac }]);
  return [{ adType: adTypes.ifRelevant, adData: inner }];
}
