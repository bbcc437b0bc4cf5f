import {
  createAsExchange,
  createKerberosInitiator,
  createTgsExchange,
  decodeCredentialCache,
  encodeCredentialCache,
  type KdcExchange,
  type KdcResult,
  type KerberosCredential,
  parsePrincipal,
  type ServiceTicket,
} from '@carmine/auth';
import {
  asRep,
  encKdcRepPart,
  keyUsages,
  profileOf,
  realm,
  start,
  testKdc,
  tgsRep,
  useKey,
} from '@carmine/auth/testing';
import { equalBytes } from '@carmine/wire';
import { decodeDer, encodeDer } from '@carmine/wire/der';
import { BrokenPromise, type FuzzCheck, type FuzzSeed } from '../../target.ts';
import { fuzzEnvironment } from '../accounts.ts';
import { fuzzService, type KerberosScene, sealWith } from './scene.ts';

/**
 * Answers of KDCs, every one of an exchange, and what their encrypted parts hold. The client has a key table: what
 * passwords cost is not for here.
 */
export function kerberosKdcSeeds(scene: KerberosScene): FuzzSeed[] {
  const { name, kdc, serviceKey } = scene;
  const { etype } = serviceKey;
  const { randomBytes } = fuzzEnvironment;
  const late = testKdc({ etypes: [etype], now: start + 7_200_000, randomBytes });
  const newAs = () => {
    const client = parsePrincipal('admin', realm);
    return createAsExchange({ client, secret: { keytab: kdc.keytab('admin') }, environment: fuzzEnvironment });
  };
  const toAs = replies(newAs(), kdc);
  const granting = run(newAs(), toAs).result!.credential;
  const newTgs = () => {
    const options = { ticketGrantingTicket: granting, service: parsePrincipal(fuzzService, realm).name };
    return createTgsExchange({ ...options, environment: fuzzEnvironment });
  };
  const toTgs = replies(newTgs(), kdc);
  const { sessionKey } = run(newTgs(), toTgs).result!;

  const answers = [
    ...toAs.map((input, step) => ({ input, feed: asAnswer(newAs, toAs.slice(0, step), input, granting) })),
    ...replies(newAs(), late).map((input, step, all) => ({
      input,
      feed: asAnswer(newAs, all.slice(0, step), input, granting),
    })),
    { input: toTgs[0]!, feed: tgsAnswer(newTgs, toTgs[0]!, sessionKey.value) },
    { input: late.handle(newTgs().poll()!.message), feed: tgsAnswer(newTgs, toTgs[0]!, sessionKey.value) },
  ];
  const clientKey = kdc.key('admin', etype);
  const granted = decodeDer(asRep, toAs.at(-1)!);
  const subkey = { etype, value: randomBytes(profileOf(serviceKey).keyLength) };
  const issued = decodeDer(tgsRep, toTgs[0]!);
  return [
    ...answers.map(({ input, feed }, index) => ({ name: `${name} answer ${index + 1} of a KDC`, input, feed })),
    {
      name: `${name} EncASRepPart`,
      input: useKey(clientKey, keyUsages.asReply).decrypt(granted.encPart.cipher),
      feed(input) {
        const encPart = sealWith(clientKey, keyUsages.asReply, input);
        const { result } = run(newAs(), [...toAs.slice(0, -1), encodeDer(asRep, { ...granted, encPart })]);
        useGranting(result!);
        return () => mustBeForUs(input, granting);
      },
    },
    {
      name: `${name} EncTGSRepPart`,
      input: useKey(subkey, keyUsages.tgsReplySubkey).decrypt(issued.encPart.cipher),
      feed(input) {
        const encPart = sealWith(subkey, keyUsages.tgsReplySubkey, input);
        const { result } = run(newTgs(), [encodeDer(tgsRep, { ...issued, encPart })]);
        if (result === undefined) return undefined;
        useTicket(result);
        return () => mustBeForUs(input, result);
      },
    },
  ];
}

/** What an honest KDC answers, in turn. */
function replies(exchange: KdcExchange<unknown>, kdc: KerberosScene['kdc']): Uint8Array[] {
  const all: Uint8Array[] = [];
  for (let request = exchange.poll(); request !== undefined; request = exchange.poll()) {
    const reply = kdc.handle(request.message);
    all.push(reply);
    exchange.receive(reply);
  }
  if (exchange.result === undefined) throw new BrokenPromise('the exchange has no result');
  return all;
}

function run<R>(exchange: KdcExchange<R>, answers: readonly Uint8Array[]): KdcExchange<R> {
  for (const answer of answers) {
    exchange.poll();
    exchange.receive(answer);
  }
  return exchange;
}

function asAnswer(
  create: () => KdcExchange<KdcResult<KerberosCredential>>,
  before: readonly Uint8Array[],
  valid: Uint8Array,
  granting: KerberosCredential,
): FuzzSeed['feed'] {
  return (input): FuzzCheck => {
    const exchange = run(create(), [...before, input]);
    exchange.poll();
    const { result } = exchange;
    if (result === undefined) return undefined;
    return () => {
      const [got, wanted] = [input, valid].map((reply) => decodeDer(asRep, reply).encPart.cipher);
      if (!equalBytes(got!, wanted!)) throw new BrokenPromise('a changed AS-REP was accepted');
      if (!equalBytes(result.credential.sessionKey.value, granting.sessionKey.value)) {
        throw new BrokenPromise('another session key');
      }
    };
  };
}

function tgsAnswer(
  create: () => KdcExchange<ServiceTicket>,
  valid: Uint8Array,
  sessionKey: Uint8Array,
): FuzzSeed['feed'] {
  return (input): FuzzCheck => {
    const exchange = run(create(), [input]);
    exchange.poll();
    const { result } = exchange;
    if (result === undefined) return undefined;
    return () => {
      const [got, wanted] = [input, valid].map((reply) => decodeDer(tgsRep, reply).encPart.cipher);
      if (!equalBytes(got!, wanted!)) throw new BrokenPromise('a changed TGS-REP was accepted');
      if (!equalBytes(result.sessionKey.value, sessionKey)) throw new BrokenPromise('another session key');
    };
  };
}

/** A ticket-granting ticket asks for others, and is kept in a file. */
function useGranting({ credential, clockOffset }: KdcResult<KerberosCredential>): void {
  const service = parsePrincipal(fuzzService, realm).name;
  createTgsExchange({ ticketGrantingTicket: credential, clockOffset, service, environment: fuzzEnvironment }).poll();
  keep(credential, clockOffset);
}

/** A ticket for a service is used, and kept. */
function useTicket(ticket: ServiceTicket): void {
  createKerberosInitiator({ ticket, environment: fuzzEnvironment }).step();
  keep(ticket, ticket.clockOffset);
}

function keep(credential: KerberosCredential, clockOffset: number): void {
  decodeCredentialCache(
    encodeCredentialCache({ principal: credential.client, clockOffset, credentials: [credential] }),
  );
}

function mustBeForUs(plain: Uint8Array, credential: KerberosCredential): void {
  const { nonce } = decodeDer(encKdcRepPart, plain);
  const octets = fuzzEnvironment.randomBytes(4);
  const sent = new DataView(octets.buffer, octets.byteOffset).getUint32(0) & 0x3fff_ffff;
  if (nonce !== sent) throw new BrokenPromise('an answer to another request was accepted');
  if (credential.endTime <= fuzzEnvironment.now()) throw new BrokenPromise('a ticket that has ended was accepted');
}
