import {
  decodeSecurityDescriptor,
  decodeSid,
  encodeSecurityDescriptor,
  encodeSid,
  formatSddl,
  parseSddl,
  type SecurityDescriptor,
} from '@carmine/security';
import { equalBytes } from '@carmine/wire';
import { BrokenPromise, bytesOf, type FuzzSeed, type FuzzTarget, remoteOnly, textOf } from '../target.ts';

const domainSid = 'S-1-5-21-1-2-3';

const texts = [
  'D:(A;;FR;;;AU)',
  'O:BAG:SYD:PAI(D;OICIIO;0x1200a9;;;S-1-5-21-1-2-3-1001)(A;;GAGR;;;WD)(A;ID;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;OW)',
  'O:LAD:NO_ACCESS_CONTROLS:AR(AU;SAFA;FA;;;BA)(ML;;NWNR;;;HI)',
  'D:(OA;CI;RP;BF967ABA-0de6-11d0-a285-00aa003049e2;;DA)(OD;;WP;;00000000-0000-0000-0000-000000000001;AN)',
  'O:S-1-0x123456789abc-4294967295-0D:',
];

/** SDDL texts, binary descriptors and SIDs; what is read is written and read again. */
export function securityTarget(): FuzzTarget {
  const seeds: FuzzSeed[] = texts.flatMap((text) => [
    {
      name: 'sddl text',
      input: bytesOf(text),
      feed(input: Uint8Array) {
        const read = parseSddl(textOf(input), { domainSid });
        return () => {
          const written = formatSddl(read);
          if (formatSddl(parseSddl(written)) !== written)
            throw new BrokenPromise(`${written} is read as something else`);
          checkRoundTrip(read);
        };
      },
    },
    {
      name: 'binary descriptor',
      input: encodeSecurityDescriptor(parseSddl(text, { domainSid })),
      feed: (input: Uint8Array) => {
        const read = decodeSecurityDescriptor(input);
        return () => checkRoundTrip(read);
      },
    },
  ]);
  seeds.push({
    name: 'binary SID',
    input: encodeSid('S-1-5-21-4294967295-2-3-500'),
    feed(input) {
      const sid = decodeSid(input);
      return () => {
        if (!equalBytes(encodeSid(sid), input)) throw new BrokenPromise('a SID has one form only');
      };
    },
  });
  const dictionary = ['(A;;', ';;;WD)', 'O:', 'G:', 'D:', 'S:', 'S-1-5-', 'NO_ACCESS_CONTROL', '0x', 'FA', '-1', '('];
  return { seeds, dictionary, maximum: 300_000, documented: remoteOnly };
}

function checkRoundTrip(descriptor: SecurityDescriptor): void {
  const octets = encodeSecurityDescriptor(descriptor);
  if (!equalBytes(encodeSecurityDescriptor(decodeSecurityDescriptor(octets)), octets)) {
    throw new BrokenPromise('a descriptor is not the same after a round trip');
  }
}
