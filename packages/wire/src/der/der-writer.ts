import { concatBytes } from '../byte-arrays.ts';
import { encodeObjectIdentifier } from './object-identifier.ts';
import { contextTag, derTags } from './tags.ts';

/** One element from its identifier octet and its contents, X.690 clause 10. */
export function derElement(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const body = concatBytes(...contents);
  return concatBytes(Uint8Array.of(tag, ...lengthOctets(body.length)), body);
}

export function derSequence(...elements: readonly Uint8Array[]): Uint8Array {
  return derElement(derTags.sequence, ...elements);
}

/** `[number] EXPLICIT` around one element. */
export function derContext(number: number, element: Uint8Array): Uint8Array {
  return derElement(contextTag(number), element);
}

export function derOctetString(contents: Uint8Array): Uint8Array {
  return derElement(derTags.octetString, contents);
}

export function derObjectIdentifier(text: string): Uint8Array {
  return derElement(derTags.objectIdentifier, encodeObjectIdentifier(text));
}

export function derEnumerated(value: number): Uint8Array {
  return derElement(derTags.enumerated, signedOctets(BigInt(value)));
}

export function derInteger(value: bigint | number): Uint8Array {
  return derElement(derTags.integer, signedOctets(BigInt(value)));
}

export function derBoolean(value: boolean): Uint8Array {
  return derElement(derTags.boolean, Uint8Array.of(value ? 0xff : 0));
}

function lengthOctets(length: number): number[] {
  if (length < 0x80) return [length];
  const octets: number[] = [];
  for (let left = length; left > 0; left = Math.floor(left / 256)) octets.unshift(left % 256);
  return [0x80 | octets.length, ...octets];
}

/** Two's complement in the fewest octets. */
function signedOctets(value: bigint): Uint8Array {
  const octets: number[] = [];
  let left = value;
  for (;;) {
    const octet = Number(left & 0xffn);
    octets.unshift(octet);
    left >>= 8n;
    if ((left === 0n && octet < 0x80) || (left === -1n && octet >= 0x80)) return Uint8Array.from(octets);
  }
}
