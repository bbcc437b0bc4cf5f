import { ByteReader, type Codec } from '@carmine/wire';
import type { RequestHead } from './call.ts';
import { nativeRepresentation, type Pdu } from './header.ts';
import { ndrSyntax, type SyntaxId, syntaxId } from './syntax.ts';

/** What the trailer of a request is compared with. */
export interface Verified {
  readonly pdu: Pdu;
  readonly head: RequestHead;
  readonly abstractSyntax: SyntaxId;
}

/**
 * Verification trailer, [MS-RPCE] 2.2.2.13: repeats, under the signature of the stub, what headers say that may not be signed.
 * Little-endian, whatever the stub is in, as Samba writes it. Returns the stub without it. `refused`: it says other things, or something unknown that must be understood.
 */
export function takeVerificationTrailer(
  stub: Uint8Array,
  { pdu, head, abstractSyntax }: Verified,
): { readonly stub: Uint8Array } | 'refused' {
  const start = findTrailer(stub);
  if (start === undefined) return { stub };
  const reader = new ByteReader(stub, { what: 'verification trailer' });
  reader.seek(start + signature.length);
  for (let last = false; !last; ) {
    if (reader.remaining < 4) return 'refused';
    const command = reader.u16();
    const length = reader.u16();
    if (length > reader.remaining) return 'refused';
    const data = reader.sub(length);
    last = (command & endFlag) !== 0;
    switch (command & 0x3fff) {
      case 1:
        if (length !== 4) return 'refused';
        break;
      case 2:
        if (length !== 40 || !sameSyntaxes(syntaxId, data, abstractSyntax)) return 'refused';
        break;
      case 3: {
        if (length !== 16) return 'refused';
        const type = data.u8();
        data.skip(3);
        const representation = data.take(4);
        const same = pdu.littleEndian ? representation.every((octet, i) => octet === nativeRepresentation[i]) : true;
        if (type !== pdu.type || !same || data.u32() !== pdu.callId) return 'refused';
        if (data.u16() !== head.contextId || data.u16() !== head.opnum) return 'refused';
        break;
      }
      default:
        if ((command & mustProcessFlag) !== 0) return 'refused';
    }
  }
  return { stub: stub.subarray(0, start) };
}

function sameSyntaxes(codec: Codec<SyntaxId>, data: ByteReader, abstractSyntax: SyntaxId): boolean {
  const given = [codec.read(data), codec.read(data)];
  return [abstractSyntax, ndrSyntax].every(
    (wanted, i) =>
      wanted.uuid === given[i]?.uuid && wanted.major === given[i]?.major && wanted.minor === given[i]?.minor,
  );
}

/** It stands 4-aligned at the end of the stub and has at most three commands that are known. */
function findTrailer(stub: Uint8Array): number | undefined {
  const earliest = Math.max(0, stub.length - searched);
  for (let at = (stub.length - signature.length) & ~3; at >= earliest; at -= 4)
    if (signature.every((octet, i) => stub[at + i] === octet)) return at;
  return undefined;
}

const signature = Uint8Array.of(0x8a, 0xe3, 0x13, 0x71, 0x02, 0xf4, 0x36, 0x71);
const endFlag = 0x4000;
const mustProcessFlag = 0x8000;
const searched = 1024;
