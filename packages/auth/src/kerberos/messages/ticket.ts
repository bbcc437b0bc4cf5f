import { type DerValueOf, derApplication, derFields, derFixed, derOctets } from '@carmine/wire/der';
import { authorizationData } from './authorization-data.ts';
import { encryptedData, encryptionKey, hostAddresses, int32, kerberosFlags, kerberosString } from './basic-types.ts';
import { principalName } from './principal.ts';
import { kerberosTime } from './time.ts';

/** RFC 4120 section 5.3. */
export const ticket = derApplication(
  1,
  derFields('Ticket', [
    ['tktVno', 0, derFixed('tkt-vno', 5)],
    ['realm', 1, kerberosString],
    ['sname', 2, principalName],
    ['encPart', 3, encryptedData],
  ]),
);
export type Ticket = DerValueOf<typeof ticket>;

export const encTicketPart = derApplication(
  3,
  derFields('EncTicketPart', [
    ['flags', 0, kerberosFlags],
    ['key', 1, encryptionKey],
    ['crealm', 2, kerberosString],
    ['cname', 3, principalName],
    [
      'transited',
      4,
      derFields('TransitedEncoding', [
        ['trType', 0, int32],
        ['contents', 1, derOctets],
      ]),
    ],
    ['authtime', 5, kerberosTime],
    ['starttime', 6, kerberosTime, 'optional'],
    ['endtime', 7, kerberosTime],
    ['renewTill', 8, kerberosTime, 'optional'],
    ['caddr', 9, hostAddresses, 'optional'],
    ['authorizationData', 10, authorizationData, 'optional'],
  ]),
);
export type EncTicketPart = DerValueOf<typeof encTicketPart>;

/** TicketFlags, RFC 4120 section 5.3: those that matter here. */
export const ticketFlags = { invalid: 0x0100_0000, initial: 0x0040_0000, preAuthenticated: 0x0020_0000 } as const;
