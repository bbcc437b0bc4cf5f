import { type DerValueOf, derFields, derListOf, derOctets } from '@carmine/wire/der';
import { derBool, int32, kerberosOctets, microseconds } from './basic-types.ts';
import { kerberosTime } from './time.ts';

/** PA-DATA and METHOD-DATA, RFC 4120 sections 5.2.7 and 5.9.1. Fields start at 1. */
export const paDataList = derListOf(
  derFields('PA-DATA', [
    ['padataType', 1, int32],
    ['padataValue', 2, derOctets],
  ]),
  64,
);
export type PaDataList = DerValueOf<typeof paDataList>;

/** RFC 4120 section 7.5.2, [MS-KILE] 2.2.3. */
export const paTypes = { tgsRequest: 1, encryptedTimestamp: 2, etypeInfo2: 19, pacRequest: 128 } as const;

/** RFC 4120 section 5.2.7.2. */
export const paEncTsEnc = derFields('PA-ENC-TS-ENC', [
  ['patimestamp', 0, kerberosTime],
  ['pausec', 1, microseconds, 'optional'],
]);

/** ETYPE-INFO2, RFC 4120 section 5.2.7.5. */
export const etypeInfo2 = derListOf(
  derFields('ETYPE-INFO2-ENTRY', [
    ['etype', 0, int32],
    ['salt', 1, kerberosOctets, 'optional'],
    ['s2kparams', 2, derOctets, 'optional'],
  ]),
  64,
);
export type EtypeInfo2 = DerValueOf<typeof etypeInfo2>;

/** KERB-PA-PAC-REQUEST, [MS-KILE] 2.2.3. */
export const paPacRequest = derFields('KERB-PA-PAC-REQUEST', [['includePac', 0, derBool]]);
