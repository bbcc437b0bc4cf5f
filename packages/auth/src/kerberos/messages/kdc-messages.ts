import {
  type DerCodec,
  type DerValueOf,
  derAny,
  derApplication,
  derFields,
  derFixed,
  derListOf,
} from '@carmine/wire/der';
import {
  encryptedData,
  encryptionKey,
  hostAddresses,
  int32,
  kerberosFlags,
  kerberosString,
  uint32,
} from './basic-types.ts';
import { paDataList } from './pa-data.ts';
import { principalName } from './principal.ts';
import { kerberosTime } from './time.ts';

/** KDC-REQ-BODY, RFC 4120 section 5.4.1. */
export const kdcReqBody = derFields('KDC-REQ-BODY', [
  ['kdcOptions', 0, kerberosFlags],
  ['cname', 1, principalName, 'optional'],
  ['realm', 2, kerberosString],
  ['sname', 3, principalName, 'optional'],
  ['from', 4, kerberosTime, 'optional'],
  ['till', 5, kerberosTime],
  ['rtime', 6, kerberosTime, 'optional'],
  ['nonce', 7, uint32],
  ['etype', 8, derListOf(int32, 64)],
  ['addresses', 9, hostAddresses, 'optional'],
  ['encAuthorizationData', 10, encryptedData, 'optional'],
  ['additionalTickets', 11, derListOf(derAny, 16), 'optional'],
]);
export type KdcReqBody = DerValueOf<typeof kdcReqBody>;

/** KDC-REQ. The body is kept as it stands, for the checksum over it; kdcReqBody reads it. */
function kdcReq(messageType: number) {
  return derApplication(
    messageType,
    derFields('KDC-REQ', [
      ['pvno', 1, derFixed('pvno', 5)],
      ['msgType', 2, derFixed('msg-type', messageType)],
      ['padata', 3, paDataList, 'optional'],
      ['reqBody', 4, derAny],
    ]),
  );
}

export const asReq = kdcReq(10);
export const tgsReq = kdcReq(12);

/** KDC-REP, RFC 4120 section 5.4.2. The ticket is kept as it stands: it is the service's, not ours. */
function kdcRep(messageType: number) {
  return derApplication(
    messageType,
    derFields('KDC-REP', [
      ['pvno', 0, derFixed('pvno', 5)],
      ['msgType', 1, derFixed('msg-type', messageType)],
      ['padata', 2, paDataList, 'optional'],
      ['crealm', 3, kerberosString],
      ['cname', 4, principalName],
      ['ticket', 5, derAny],
      ['encPart', 6, encryptedData],
    ]),
  );
}

export const asRep = kdcRep(11);
export const tgsRep = kdcRep(13);

const encKdcRepFields = derFields('EncKDCRepPart', [
  ['key', 0, encryptionKey],
  [
    'lastReq',
    1,
    derListOf(
      derFields('LastReq', [
        ['lrType', 0, int32],
        ['lrValue', 1, kerberosTime],
      ]),
      64,
    ),
  ],
  ['nonce', 2, uint32],
  ['keyExpiration', 3, kerberosTime, 'optional'],
  ['flags', 4, kerberosFlags],
  ['authtime', 5, kerberosTime],
  ['starttime', 6, kerberosTime, 'optional'],
  ['endtime', 7, kerberosTime],
  ['renewTill', 8, kerberosTime, 'optional'],
  ['srealm', 9, kerberosString],
  ['sname', 10, principalName],
  ['caddr', 11, hostAddresses, 'optional'],
  ['encryptedPaData', 12, paDataList, 'optional'],
]);
export type EncKdcRepPart = DerValueOf<typeof encKdcRepFields>;

export const encAsRepPart = derApplication(25, encKdcRepFields);
export const encTgsRepPart = derApplication(26, encKdcRepFields);

/**
 * Either of the two. RFC 4120 section 5.4.2: "Some implementations unconditionally send an encrypted EncTGSRepPart … in
 * this field regardless of whether the reply is an AS-REP or a TGS-REP."
 */
export const encKdcRepPart: DerCodec<EncKdcRepPart> = {
  name: 'EncKDCRepPart',
  write: (value) => encTgsRepPart.write(value),
  read: (reader) => (reader.peekTag() === 0x79 ? encAsRepPart : encTgsRepPart).read(reader),
};

/** KDCOptions, RFC 4120 section 5.4.1; canonicalize is RFC 6806's. */
export const kdcOptions = { canonicalize: 0x0001_0000 } as const;
