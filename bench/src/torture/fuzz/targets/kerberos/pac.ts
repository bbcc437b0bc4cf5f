import {
  decodePac,
  encodePac,
  keyUsages,
  pacData,
  pacTypes,
  profileOf,
  sealTicket,
  ticket as ticketCodec,
  useKey,
} from '@carmine/auth/testing';
import { parseSid } from '@carmine/security';
import { equalBytes } from '@carmine/wire';
import { decodeDer } from '@carmine/wire/der';
import { BrokenPromise, type FuzzSeed } from '../../target.ts';
import { fuzzEnvironment } from '../accounts.ts';
import { apRequest, type KerberosScene, mustBeAdmin, newKerberosAcceptor, validationInfo } from './scene.ts';

/** Authorisation data in a ticket: as somebody in between might change them, and as somebody with the service's key might. */
export function kerberosPacSeeds(scene: KerberosScene): FuzzSeed[] {
  const { name, ticket, ticketPart, serviceKey } = scene;
  const { sname, realm } = decodeDer(ticketCodec, ticket.ticket);
  const [relevant] = ticketPart.authorizationData!;
  const { authtime } = ticketPart;
  const pac = encodePac(validationInfo(), 'admin', authtime, serviceKey);
  const accept = (authorizationData: typeof ticketPart.authorizationData) => {
    const part = { ...ticketPart, authorizationData };
    const sealed = sealTicket(serviceKey, realm, sname, part, fuzzEnvironment.randomBytes);
    const acceptor = newKerberosAcceptor(scene);
    acceptor.step(apRequest(scene, { ticket: sealed }));
    return acceptor;
  };
  const acceptSigned = (octets: Uint8Array) => {
    const acceptor = accept(pacData(octets));
    return () => {
      for (const sid of [acceptor.peer!.userSid, ...acceptor.peer!.groupSids]) parseSid(sid);
    };
  };
  return [
    {
      name: `${name} AD-IF-RELEVANT`,
      input: relevant!.adData,
      feed(input) {
        const acceptor = accept([{ ...relevant!, adData: input }]);
        return () => mustBeAdmin(acceptor);
      },
    },
    {
      name: `${name} PAC`,
      input: pac,
      feed(input) {
        const acceptor = accept(pacData(input));
        return () => {
          mustBeAdmin(acceptor);
          if (!equalBytes(withoutKdcSignature(pac), withoutKdcSignature(input))) {
            throw new BrokenPromise('a changed PAC was accepted');
          }
        };
      },
    },
    { name: `${name} PAC, signed again`, input: pac, feed: (input) => acceptSigned(signedAgain(scene, input)) },
    {
      name: `${name} KERB_VALIDATION_INFO`,
      input: validationInfo(),
      feed: (input) => acceptSigned(encodePac(input, 'admin', authtime, serviceKey)),
    },
  ];
}

/** [MS-PAC] 2.8.1; what does not decode stays as it is. */
function signedAgain({ serviceKey }: KerberosScene, input: Uint8Array): Uint8Array {
  try {
    const { checksumLength } = profileOf(serviceKey);
    const pac = input.slice();
    const buffers = decodePac(pac).filter(
      ({ type }) => type === pacTypes.serverSignature || type === pacTypes.kdcSignature,
    );
    for (const { offset } of buffers) pac.fill(0, offset + 4, offset + 4 + checksumLength);
    const server = buffers.find(({ type }) => type === pacTypes.serverSignature);
    pac.set(useKey(serviceKey, keyUsages.pacSignature).checksum(pac), (server?.offset ?? pac.length) + 4);
    return pac;
  } catch {
    return input;
  }
}

/** The KDC's signature is under a key that a service does not have. */
function withoutKdcSignature(input: Uint8Array): Uint8Array {
  const pac = input.slice();
  const { offset, data } = decodePac(pac).find(({ type }) => type === pacTypes.kdcSignature)!;
  return pac.fill(0, offset + 4, offset + data.length);
}
