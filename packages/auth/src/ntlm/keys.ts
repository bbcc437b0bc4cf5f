import { concatBytes, encodeUtf16 } from '@carmine/wire';
import { hmacMd5, md5 } from '../crypto/digest.ts';
import { md4 } from '../crypto/md4.ts';

/** NTOWFv1, [MS-NLMP] 3.3.1: MD4 of the UTF-16LE password. */
export function ntOwfV1(password: string): Uint8Array {
  return md4(encodeUtf16(password));
}

/** NTOWFv2, [MS-NLMP] 3.3.2, from NTOWFv1; `domain` exactly as it is sent. */
export function ntOwfV2(ntHash: Uint8Array, user: string, domain: string): Uint8Array {
  return hmacMd5(ntHash, encodeUtf16(upperCase(user) + domain));
}

/** NTProofStr, [MS-NLMP] 3.3.2; `temp` is what follows it in the NT response. */
export function ntProofStr(responseKey: Uint8Array, serverChallenge: Uint8Array, temp: Uint8Array): Uint8Array {
  return hmacMd5(responseKey, serverChallenge, temp);
}

/** SessionBaseKey, which with NTLMv2 is also the KeyExchangeKey, [MS-NLMP] 3.3.2 and 3.4.5.1. */
export function sessionBaseKey(responseKey: Uint8Array, proof: Uint8Array): Uint8Array {
  return hmacMd5(responseKey, proof);
}

/** MIC of the AUTHENTICATE message, [MS-NLMP] 3.1.5.1.2; `authenticate` has zeros where the MIC goes. */
export function messageIntegrityCode(
  exportedSessionKey: Uint8Array,
  negotiate: Uint8Array,
  challenge: Uint8Array,
  authenticate: Uint8Array,
): Uint8Array {
  return hmacMd5(exportedSessionKey, negotiate, challenge, authenticate);
}

export type Direction = 'client-to-server' | 'server-to-client';

/** SIGNKEY with extended session security, [MS-NLMP] 3.4.5.2. */
export function signKey(exportedSessionKey: Uint8Array, direction: Direction): Uint8Array {
  return md5(exportedSessionKey, magic(direction, 'signing'));
}

/** SEALKEY with extended session security and 128-bit keys, [MS-NLMP] 3.4.5.3. */
export function sealKey(exportedSessionKey: Uint8Array, direction: Direction): Uint8Array {
  return md5(exportedSessionKey, magic(direction, 'sealing'));
}

/**
 * The UPPER of [MS-NLMP]: one code unit to one code unit, as RtlUpcaseUnicodeString does, so that `ß` stays.
 * UNSPECIFIED: the document does not name a table; Unicode's simple mapping is used.
 */
export function upperCase(text: string): string {
  let out = '';
  for (let i = 0; i < text.length; i++) {
    const unit = text.charAt(i);
    const upper = unit.toUpperCase();
    out += upper.length === 1 ? upper : unit;
  }
  return out;
}

/** `temp` of [MS-NLMP] 3.3.2, the NTLMv2_CLIENT_CHALLENGE of 2.2.2.7. */
export function clientChallengeBlob(time: bigint, clientChallenge: Uint8Array, avPairs: Uint8Array): Uint8Array {
  const timestamp = new Uint8Array(8);
  new DataView(timestamp.buffer).setBigUint64(0, time, true);
  return concatBytes(
    Uint8Array.of(1, 1, 0, 0, 0, 0, 0, 0),
    timestamp,
    clientChallenge,
    new Uint8Array(4),
    avPairs,
    new Uint8Array(4),
  );
}

/** FILETIME: 100-nanosecond intervals since 1601-01-01, from milliseconds since 1970-01-01. */
export function fileTimeOf(milliseconds: number): bigint {
  return (BigInt(Math.trunc(milliseconds)) + fileTimeEpoch) * 10_000n;
}

/** Milliseconds between 1601-01-01 and 1970-01-01. */
const fileTimeEpoch = 11_644_473_600_000n;

function magic(direction: Direction, purpose: 'signing' | 'sealing'): Uint8Array {
  return new TextEncoder().encode(`session key to ${direction} ${purpose} key magic constant\0`);
}
