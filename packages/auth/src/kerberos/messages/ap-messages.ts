import { type DerValueOf, derAny, derApplication, derFields, derFixed } from '@carmine/wire/der';
import { authorizationData } from './authorization-data.ts';
import {
  checksum,
  encryptedData,
  encryptionKey,
  kerberosFlags,
  kerberosString,
  microseconds,
  uint32,
} from './basic-types.ts';
import { principalName } from './principal.ts';
import { kerberosTime } from './time.ts';

/** RFC 4120 section 5.5.1. The ticket is kept as it stands. */
export const apReq = derApplication(
  14,
  derFields('AP-REQ', [
    ['pvno', 0, derFixed('pvno', 5)],
    ['msgType', 1, derFixed('msg-type', 14)],
    ['apOptions', 2, kerberosFlags],
    ['ticket', 3, derAny],
    ['authenticator', 4, encryptedData],
  ]),
);

export const apOptions = { useSessionKey: 0x4000_0000, mutualRequired: 0x2000_0000 } as const;

export const authenticator = derApplication(
  2,
  derFields('Authenticator', [
    ['authenticatorVno', 0, derFixed('authenticator-vno', 5)],
    ['crealm', 1, kerberosString],
    ['cname', 2, principalName],
    ['cksum', 3, checksum, 'optional'],
    ['cusec', 4, microseconds],
    ['ctime', 5, kerberosTime],
    ['subkey', 6, encryptionKey, 'optional'],
    ['seqNumber', 7, uint32, 'optional'],
    ['authorizationData', 8, authorizationData, 'optional'],
  ]),
);
export type Authenticator = DerValueOf<typeof authenticator>;

/** RFC 4120 section 5.5.2. */
export const apRep = derApplication(
  15,
  derFields('AP-REP', [
    ['pvno', 0, derFixed('pvno', 5)],
    ['msgType', 1, derFixed('msg-type', 15)],
    ['encPart', 2, encryptedData],
  ]),
);

export const encApRepPart = derApplication(
  27,
  derFields('EncAPRepPart', [
    ['ctime', 0, kerberosTime],
    ['cusec', 1, microseconds],
    ['subkey', 2, encryptionKey, 'optional'],
    ['seqNumber', 3, uint32, 'optional'],
  ]),
);
export type EncApRepPart = DerValueOf<typeof encApRepPart>;
