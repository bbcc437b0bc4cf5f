import type { KerberosContext } from '@carmine/auth';
import {
  apRep,
  apReq,
  authenticator,
  encApRepPart,
  encodePac,
  encTicketPart,
  keyUsages,
  pacData,
  readToken,
  sealTicket,
  ticket as ticketCodec,
  useKey,
} from '@carmine/auth/testing';
import { equalBytes } from '@carmine/wire';
import { decodeDer, encodeDer } from '@carmine/wire/der';
import { BrokenPromise, type FuzzCheck, type FuzzSeed } from '../../target.ts';
import { fuzzEnvironment } from '../accounts.ts';
import {
  apRequest,
  fuzzService,
  type KerberosScene,
  mustBeAdmin,
  newKerberosAcceptor,
  newKerberosInitiator,
  sealWith,
  validationInfo,
} from './scene.ts';

/** AP-REQ at a server and AP-REP at a client, as they are on the wire and from within what is encrypted. */
export function kerberosMessageSeeds(scene: KerberosScene): FuzzSeed[] {
  const { name, ticket, ticketPart, serviceKey, kdc } = scene;
  const { sname, realm } = decodeDer(ticketCodec, ticket.ticket);
  const request = apRequest(scene);
  const oneWay = apRequest(scene, { apOptions: 0 });
  const dce = newKerberosInitiator(scene, true).step()!;
  const answer = newKerberosAcceptor(scene).step(request)!;
  const dceAnswer = newKerberosAcceptor(scene).step(dce)!;
  const third = dceThird(scene, dceAnswer);
  const rc4Key = kdc.key(fuzzService, 23);
  const authorizationData = pacData(encodePac(validationInfo(), 'admin', ticketPart.authtime, rc4Key));
  const rc4 = sealTicket(rc4Key, realm, sname, { ...ticketPart, authorizationData }, fuzzEnvironment.randomBytes);
  const withRc4 = { ...scene, keytab: kdc.keytab(fuzzService).map((entry) => ({ ...entry, key: rc4Key })) };
  const statement = open(
    scene,
    keyUsages.requestAuthenticator,
    decodeDer(apReq, readToken(request).message).authenticator,
  );
  const proof = open(scene, keyUsages.reply, decodeDer(apRep, readToken(answer).message).encPart);
  const sealed = (input: Uint8Array) => sealWith(ticket.sessionKey, keyUsages.reply, input);

  const accept = (of: KerberosScene, valid: Uint8Array, input: Uint8Array): FuzzCheck => {
    const acceptor = newKerberosAcceptor(of);
    acceptor.step(input);
    return () => {
      mustBeAdmin(acceptor);
      if (!sameSecrets(valid, input)) throw new BrokenPromise('a changed AP-REQ was accepted');
    };
  };
  return [
    ...[
      { what: 'AP-REQ', of: scene, input: request },
      { what: 'AP-REQ without mutual authentication', of: scene, input: oneWay },
      { what: 'AP-REQ of DCE style', of: scene, input: dce },
      { what: 'AP-REQ with a ticket under RC4', of: withRc4, input: apRequest(scene, { ticket: rc4 }) },
    ].map(({ what, of, input }) => ({
      name: `${name} ${what}`,
      input,
      feed: (changed: Uint8Array) => accept(of, input, changed),
    })),
    {
      name: `${name} Ticket`,
      input: ticket.ticket,
      feed: (input) => accept(scene, request, apRequest(scene, { ticket: input })),
    },
    {
      name: `${name} Authenticator`,
      input: statement,
      feed(input) {
        const acceptor = newKerberosAcceptor(scene);
        const sealedStatement = sealWith(ticket.sessionKey, keyUsages.requestAuthenticator, input);
        acceptor.step(apRequest(scene, { authenticator: sealedStatement }));
        if (acceptor.complete) acceptor.wrapToken(input);
        return () => {
          mustBeAdmin(acceptor);
          const { crealm, ctime, cksum } = decodeDer(authenticator, input);
          if (
            crealm !== ticketPart.crealm ||
            Math.abs(ctime - fuzzEnvironment.now()) > 300_000 ||
            cksum === undefined
          ) {
            throw new BrokenPromise('an authenticator of another client or time was accepted');
          }
        };
      },
    },
    {
      name: `${name} EncTicketPart`,
      input: encodeDer(encTicketPart, ticketPart),
      feed(input) {
        const acceptor = newKerberosAcceptor(scene);
        const encPart = { ...sealWith(serviceKey, keyUsages.ticket, input), kvno: 3 };
        acceptor.step(apRequest(scene, { ticket: encodeDer(ticketCodec, { realm, sname, encPart }) }));
        return () => {
          mustBeAdmin(acceptor);
          const { endtime, starttime, authtime } = decodeDer(encTicketPart, input);
          const now = fuzzEnvironment.now();
          if (endtime < now - 300_000 || (starttime ?? authtime) > now + 300_000) {
            throw new BrokenPromise('a ticket of another time was accepted');
          }
        };
      },
    },
    {
      name: `${name} AP-REP`,
      input: answer,
      feed: (input) => complete(newKerberosInitiator(scene), answer, input),
    },
    {
      name: `${name} AP-REP of DCE style`,
      input: dceAnswer,
      feed: (input) => complete(newKerberosInitiator(scene, true), dceAnswer, input),
    },
    {
      name: `${name} third leg`,
      input: third,
      feed(input) {
        const acceptor = newKerberosAcceptor(scene);
        acceptor.step(dce);
        acceptor.step(input);
        return () => {
          mustBeAdmin(acceptor);
          if (!sameProof(third, input)) throw new BrokenPromise('a changed third leg was accepted');
        };
      },
    },
    {
      name: `${name} EncAPRepPart`,
      input: proof,
      feed(input) {
        const initiator = newKerberosInitiator(scene);
        initiator.step();
        initiator.step(encodeDer(apRep, { encPart: sealed(input) }));
        if (initiator.complete) initiator.wrapToken(input);
        return () => {
          const [got, wanted] = [decodeDer(encApRepPart, input), decodeDer(encApRepPart, proof)];
          if (got.ctime !== wanted.ctime || got.cusec !== wanted.cusec)
            throw new BrokenPromise('an old AP-REP was accepted');
        };
      },
    },
  ];
}

function complete(initiator: KerberosContext, valid: Uint8Array, input: Uint8Array): FuzzCheck {
  initiator.step();
  initiator.step(input);
  return () => {
    if (initiator.complete && !sameProof(valid, input)) throw new BrokenPromise('a changed AP-REP was accepted');
  };
}

function dceThird(scene: KerberosScene, answer: Uint8Array): Uint8Array {
  const initiator = newKerberosInitiator(scene, true);
  initiator.step();
  return initiator.step(answer)!;
}

function open({ ticket }: KerberosScene, usage: number, { cipher }: { readonly cipher: Uint8Array }): Uint8Array {
  return useKey(ticket.sessionKey, usage).decrypt(cipher);
}

/** Whether ticket and authenticator, which is all that is protected, are the same. */
function sameSecrets(a: Uint8Array, b: Uint8Array): boolean {
  const [one, other] = [a, b].map((token) => decodeDer(apReq, readToken(token).message));
  const tickets = [one!, other!].map(({ ticket }) => decodeDer(ticketCodec, ticket).encPart.cipher);
  return equalBytes(tickets[0]!, tickets[1]!) && equalBytes(one!.authenticator.cipher, other!.authenticator.cipher);
}

function sameProof(a: Uint8Array, b: Uint8Array): boolean {
  const [one, other] = [a, b].map((token) => decodeDer(apRep, readToken(token).message).encPart.cipher);
  return equalBytes(one!, other!);
}
