import { isDeepStrictEqual } from 'node:util';
import {
  type AuthenticatedAccount,
  createKerberosAcceptor,
  createKerberosInitiator,
  createKerberosService,
  type EncryptionKey,
  type KerberosContext,
  type KeytabEntry,
  type ServiceTicket,
} from '@carmine/auth';
import {
  apReq,
  encodePac,
  encodeValidationInfo,
  encTicketPart,
  frameToken,
  keyUsages,
  pacData,
  profileOf,
  readToken,
  type TestKdc,
  testKdc,
  ticket as ticketCodec,
  ticketFor,
  useKey,
} from '@carmine/auth/testing';
import { type DerValueOf, decodeDer, encodeDer } from '@carmine/wire/der';
import { BrokenPromise } from '../../target.ts';
import { fuzzEnvironment } from '../accounts.ts';

/** One realm with keys of one type, admin's ticket, and the keys that a test may know. Keys of passwords are made here only. */
export interface KerberosScene {
  readonly name: string;
  readonly kdc: TestKdc;
  readonly keytab: readonly KeytabEntry[];
  readonly serviceKey: EncryptionKey;
  readonly ticket: ServiceTicket;
  readonly ticketPart: DerValueOf<typeof encTicketPart>;
}

/** Who the PAC of the ticket says it is. */
const account: AuthenticatedAccount = {
  name: 'CARMINE\\admin',
  userSid: 'S-1-5-21-1-2-3-1105',
  groupSids: ['S-1-5-21-1-2-3-513', 'S-1-5-21-1-2-3-9', 'S-1-5-21-7-8-9-512'],
};
export const fuzzService = 'HTTP/files.example';

export function kerberosScene(etype: number): KerberosScene {
  const kdc = testKdc({
    etypes: [etype],
    randomBytes: fuzzEnvironment.randomBytes,
    authorizationData: (_name, authtime, key) => pacData(encodePac(validationInfo(), 'admin', authtime, key)),
  });
  const serviceKey = kdc.key(fuzzService, etype);
  const ticket = ticketFor(kdc, fuzzService, fuzzEnvironment);
  const { encPart } = decodeDer(ticketCodec, ticket.ticket);
  const ticketPart = decodeDer(encTicketPart, useKey(serviceKey, keyUsages.ticket).decrypt(encPart.cipher));
  const keytab = kdc.keytab(fuzzService);
  return { name: profileOf(serviceKey).name, kdc, keytab, serviceKey, ticket, ticketPart };
}

export function validationInfo(): Uint8Array {
  const groups = [[513, 7] as const, [9, 7] as const];
  return encodeValidationInfo({ groups, extraSids: [['S-1-5-21-7-8-9-512', 7]] });
}

export function newKerberosAcceptor({ keytab }: KerberosScene): KerberosContext {
  // A memory of authenticators of its own: the same one may come again and again.
  return createKerberosAcceptor({
    service: createKerberosService({ keytab, environment: fuzzEnvironment, allowRc4: true }),
  });
}

export function newKerberosInitiator({ ticket }: KerberosScene, dceStyle = false): KerberosContext {
  return createKerberosInitiator({ ticket, environment: fuzzEnvironment, dceStyle });
}

/** Both ends of a finished exchange, always with the same keys. */
export function kerberosPair(scene: KerberosScene, dceStyle = false) {
  const [initiator, acceptor] = [newKerberosInitiator(scene, dceStyle), newKerberosAcceptor(scene)];
  const answer = acceptor.step(initiator.step());
  const third = initiator.step(answer);
  if (third !== undefined) acceptor.step(third);
  if (!initiator.complete || !acceptor.complete) throw new BrokenPromise('the exchange did not complete');
  return { initiator, acceptor };
}

/** Encrypts what somebody who knows the key might. */
export function sealWith(key: EncryptionKey, usage: number, plain: Uint8Array): { etype: number; cipher: Uint8Array } {
  const confounder = fuzzEnvironment.randomBytes(profileOf(key).confounderLength);
  return { etype: key.etype, cipher: useKey(key, usage).encrypt(plain, confounder) };
}

/** The initiator's AP-REQ, and the same with another ticket or authenticator. */
export function apRequest(scene: KerberosScene, changes: Partial<DerValueOf<typeof apReq>> = {}): Uint8Array {
  const { message } = readToken(newKerberosInitiator(scene).step() ?? new Uint8Array(0));
  return frameToken('ap-req', encodeDer(apReq, { ...decodeDer(apReq, message), ...changes }));
}

/** Whoever logged on must be the one whom the KDC's PAC names. */
export function mustBeAdmin(acceptor: KerberosContext): void {
  if (acceptor.peer !== undefined && !isDeepStrictEqual(acceptor.peer, account)) {
    throw new BrokenPromise(`${acceptor.peer.name} (${acceptor.peer.userSid}) logged on`);
  }
}
