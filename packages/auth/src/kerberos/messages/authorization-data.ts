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

/** RFC 4120 section 7.5.4, [MS-KILE] 2.2. */
export const adTypes = { ifRelevant: 1, win2kPac: 128, apOptions: 143 } as const;

/**
 * The PAC in a ticket's authorisation data ([MS-PAC] 3.1: AD-WIN2K-PAC inside AD-IF-RELEVANT); undefined when there is
 * none.
 */
export function findPac(data: AuthorizationData | undefined): Uint8Array | undefined {
  return findRelevant(data, adTypes.win2kPac);
}

/**
 * AD-AUTH-DATA-AP-OPTIONS with KERB_AP_OPTIONS_CBT, [MS-KILE] 3.2.5.8: a client that would state the binding of its
 * channel if there was one. Without a statement its authenticator is not for a channel that has one.
 */
export function alwaysBindsChannel(data: AuthorizationData | undefined): boolean {
  const options = findRelevant(data, adTypes.apOptions);
  return options?.length === 4 && (new DataView(options.buffer, options.byteOffset).getUint32(0, true) & 0x4000) !== 0;
}

/** The contents of the first element of a type inside AD-IF-RELEVANT. */
function findRelevant(data: AuthorizationData | undefined, type: number): Uint8Array | undefined {
  for (const { adType, adData } of data ?? []) {
    if (adType !== adTypes.ifRelevant) continue;
    const found = decodeDer(authorizationData, adData).find((element) => element.adType === type);
    if (found !== undefined) return found.adData;
  }
  return undefined;
}
