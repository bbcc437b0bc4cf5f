import { createCipheriv, createHash, createHmac, randomBytes } from 'node:crypto';
import { ntOwfV1 } from '@carmine/auth';
import { concatBytes, encodeUtf16 } from '@carmine/wire';
import { DerReader, derContext, derOctetString, derSequence } from '@carmine/wire/der';

/** NTLM messages that our own client would never send, [MS-NLMP] 2.2.1 and 3.3. */

/** NEGOTIATE flags, [MS-NLMP] 2.2.2.5, of a client that offers everything. */
const flags = 0xe208_8235;
const anonymousFlag = 0x0000_0800;
const extendedSecurityFlag = 0x0008_0000;
/** NTLMSSP_NEGOTIATE_LM_KEY. */
const lmKeyFlag = 0x0000_0080;

/** Octets of AUTHENTICATE: flags, MIC, and behind both the payload. */
export const authenticateParts = { flags: 60, mic: { start: 72, end: 88 } } as const;
/** Octets of the server's challenge and of the flags in CHALLENGE, and of the flags in NEGOTIATE. */
export const challengeParts = { flags: 20, nonce: { start: 24, end: 32 } } as const;
export const negotiateParts = { flags: 12 } as const;

export type ForgedKind = 'ntlmv1' | 'ntlmv1 with extended security' | 'lm' | 'anonymous' | 'guest' | 'no mic';

/** An AUTHENTICATE whose responses are right as far as its kind goes: only policy can refuse it. */
export function forgeAuthenticate(kind: ForgedKind, challenge: Uint8Array, user: string, password: string): Uint8Array {
  const nonce = challenge.subarray(challengeParts.nonce.start, challengeParts.nonce.end);
  const hash = ntOwfV1(password);
  const clientChallenge = randomBytes(8);
  const key = randomBytes(16);
  switch (kind) {
    case 'ntlmv1': {
      const response = desResponse(hash, nonce);
      return build({ flags: flags & ~extendedSecurityFlag, user, lm: response, nt: response, key });
    }
    case 'ntlmv1 with extended security': {
      const session = createHash('md5').update(nonce).update(clientChallenge).digest().subarray(0, 8);
      const lm = concatBytes(clientChallenge, new Uint8Array(16));
      return build({ flags, user, lm, nt: desResponse(hash, session), key });
    }
    case 'lm':
      return build({ flags: flags | lmKeyFlag, user, lm: desResponse(lmHash(password), nonce), nt: none, key });
    case 'anonymous':
      return build({ flags: flags | anonymousFlag, user: '', lm: Uint8Array.of(0), nt: none, key });
    case 'guest':
      return build({ flags, user: 'guest', lm: none, nt: none, key });
    case 'no mic': {
      const nt = ntlmV2Response(hash, user, nonce, targetInfo(challenge), clientChallenge);
      return build({ flags, user, lm: new Uint8Array(24), nt, key });
    }
  }
}

/** NTLMv2, [MS-NLMP] 3.3.2, with the server's AV pairs as they are: nothing announces a MIC. */
function ntlmV2Response(
  hash: Uint8Array,
  user: string,
  nonce: Uint8Array,
  pairs: Uint8Array,
  clientChallenge: Uint8Array,
): Uint8Array {
  const time = new Uint8Array(8);
  new DataView(time.buffer).setBigUint64(0, (BigInt(Date.now()) + 11_644_473_600_000n) * 10_000n, true);
  const start = Uint8Array.of(1, 1, 0, 0, 0, 0, 0, 0);
  const temp = concatBytes(start, time, clientChallenge, new Uint8Array(4), pairs, new Uint8Array(4));
  const responseKey = createHmac('md5', hash).update(encodeUtf16(user.toUpperCase())).digest();
  return concatBytes(createHmac('md5', responseKey).update(nonce).update(temp).digest(), temp);
}

/** DESL, [MS-NLMP] 6: three times DES with the parts of the hash as keys. One key three times makes 3DES plain DES. */
export function desResponse(hash: Uint8Array, nonce: Uint8Array): Uint8Array {
  const padded = concatBytes(hash, new Uint8Array(5));
  return concatBytes(...[0, 7, 14].map((at) => des(padded.subarray(at, at + 7), nonce)));
}

function des(key: Uint8Array, block: Uint8Array): Uint8Array {
  const bits = key.reduce((all, byte) => (all << 8n) | BigInt(byte), 0n);
  const spread = Uint8Array.from({ length: 8 }, (_, i) => Number((bits >> BigInt(49 - 7 * i)) & 0x7fn) << 1);
  const cipher = createCipheriv('des-ede3', concatBytes(spread, spread, spread), null).setAutoPadding(false);
  return concatBytes(cipher.update(block), cipher.final());
}

/** LMOWFv1, [MS-NLMP] 3.3.1. */
export function lmHash(password: string): Uint8Array {
  const padded = new Uint8Array(14);
  padded.set(Buffer.from(password.toUpperCase(), 'latin1').subarray(0, 14));
  const magic = new TextEncoder().encode('KGS!@#$%');
  return concatBytes(des(padded.subarray(0, 7), magic), des(padded.subarray(7), magic));
}

interface Parts {
  readonly flags: number;
  readonly user: string;
  readonly lm: Uint8Array;
  readonly nt: Uint8Array;
  readonly key: Uint8Array;
}

function build({ flags: value, user, lm, nt, key }: Parts): Uint8Array {
  const payloads = [lm, nt, none, encodeUtf16(user), none, key];
  const header = new Uint8Array(authenticateParts.mic.end);
  const view = new DataView(header.buffer);
  header.set(new TextEncoder().encode('NTLMSSP\0'));
  view.setUint32(8, 3, true);
  let offset = header.length;
  for (const [index, payload] of payloads.entries()) {
    view.setUint16(12 + 8 * index, payload.length, true);
    view.setUint16(14 + 8 * index, payload.length, true);
    view.setUint32(16 + 8 * index, offset, true);
    offset += payload.length;
  }
  view.setUint32(authenticateParts.flags, value >>> 0, true);
  return concatBytes(header, ...payloads);
}

function targetInfo(challenge: Uint8Array): Uint8Array {
  const view = new DataView(challenge.buffer, challenge.byteOffset, challenge.byteLength);
  const offset = view.getUint32(44, true);
  return challenge.slice(offset, offset + view.getUint16(40, true));
}

/** The MIC's octets are cut out and everything behind them moves up. */
export function withoutMic(authenticate: Uint8Array): Uint8Array {
  const { start, end } = authenticateParts.mic;
  const copy = concatBytes(authenticate.subarray(0, start), authenticate.subarray(end));
  const view = new DataView(copy.buffer);
  for (let index = 0; index < 6; index++) {
    const at = 16 + 8 * index;
    view.setUint32(at, view.getUint32(at, true) - (end - start), true);
  }
  return copy;
}

/** A NegTokenResp without its mechListMIC, RFC 4178 section 4.2.2. */
export function withoutListMic(token: Uint8Array): Uint8Array {
  const fields = new DerReader(token).enter(0xa1).sequence();
  fields.enterIf(0xa0);
  const inner = fields.enter(0xa2).octetString();
  return derContext(1, derSequence(derContext(2, derOctetString(inner))));
}

const none = new Uint8Array(0);
