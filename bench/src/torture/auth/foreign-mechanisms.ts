import type { SpnegoMechanism } from '@carmine/auth';
import type { SeededRandom } from '@carmine/testkit';
import {
  applicationTag,
  derContext,
  derElement,
  derObjectIdentifier,
  derOctetString,
  derSequence,
} from '@carmine/wire/der';

const kerberosOfMicrosoft = '1.2.840.48018.1.2.2';
const others = [
  kerberosOfMicrosoft,
  '1.2.840.113554.1.2.2',
  '1.3.6.1.4.1.311.2.2.30',
  '1.3.6.1.5.2.5',
  '1.3.6.1.4.1.311.2.2.11',
  '2.999.1',
];

/** A NegTokenInit that offers anything but NTLM, with a token of something. */
export function kerberosAlone(random: SeededRandom): Uint8Array {
  const mechanisms = others.filter(() => random.below(2) === 0);
  const list = mechanisms.length === 0 ? [kerberosOfMicrosoft] : mechanisms;
  const fields = [derContext(0, derSequence(...list.map(derObjectIdentifier)))];
  if (random.below(4) > 0) fields.push(derContext(2, derOctetString(random.bytes(random.below(300)))));
  return derElement(applicationTag(0), derObjectIdentifier('1.3.6.1.5.5.2'), derContext(0, derSequence(...fields)));
}

const unused = (): never => {
  throw new Error('the mechanism that was refused was used');
};

/** A client's first choice that no server here takes; its first token is all there ever is. */
export const refusedMechanism: SpnegoMechanism = {
  oids: [kerberosOfMicrosoft],
  recognises: () => false,
  create: () => ({
    mechanism: 'kerberos',
    complete: false,
    peer: undefined,
    claimedName: undefined,
    sessionKey: new Uint8Array(0),
    step: (input) => (input === undefined ? Uint8Array.of(0x6e, 0x00) : unused()),
    wrap: unused,
    unwrap: unused,
    sign: unused,
    verify: unused,
    pduTokenLength: unused,
    signPdu: unused,
    verifyPdu: unused,
    sealPdu: unused,
    openPdu: unused,
    signMechanismList: unused,
    verifyMechanismList: unused,
  }),
};
