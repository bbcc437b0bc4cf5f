import { type DerValueOf, decodeDer, derFields, derListOf, derOctets } from '@carmine/wire/der';
import { int32 } from './basic-types.ts';

/** AuthorizationData, RFC 4120 section 5.2.6. */
export const authorizationData = derListOf(
  derFields('AuthorizationData', [
    ['adType', 0, int32],
    ['adData', 1, derOctets],
  ]),
  64,
);
export type AuthorizationData = DerValueOf<typeof authorizationData>;

/** RFC 4120 section 7.5.4. */
export const adTypes = { ifRelevant: 1, win2kPac: 128 } as const;

/** The PAC in a ticket's authorisation data ([MS-PAC] 3.1: AD-WIN2K-PAC inside AD-IF-RELEVANT); undefined when there is none. */
export function findPac(data: AuthorizationData | undefined): Uint8Array | undefined {
  for (const { adType, adData } of data ?? []) {
    if (adType !== adTypes.ifRelevant) continue;
    const pac = decodeDer(authorizationData, adData).find((element) => element.adType === adTypes.win2kPac);
    if (pac !== undefined) return pac.adData;
  }
  return undefined;
}
