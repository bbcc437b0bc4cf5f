import { CarmineError } from '@carmine/errors';

/** UTF-16LE without a byte order mark; unpaired surrogates pass through, as Windows strings allow them. */
export function encodeUtf16(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length * 2);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    bytes[2 * i] = unit & 0xff;
    bytes[2 * i + 1] = unit >>> 8;
  }
  return bytes;
}

/** The reverse of encodeUtf16; an odd number of octets is `wire/invalid`. */
export function decodeUtf16(bytes: Uint8Array, what = 'UTF-16 string'): string {
  if (bytes.length % 2 !== 0) {
    throw new CarmineError('wire/invalid', { context: { what, reason: 'odd number of octets' } });
  }
  let text = '';
  // In pieces: a call takes only so many arguments.
  for (let start = 0; start < bytes.length; start += 8192) {
    const piece = bytes.subarray(start, start + 8192);
    const units: number[] = [];
    for (let i = 0; i < piece.length; i += 2) units.push(piece[i]! | (piece[i + 1]! << 8));
    text += String.fromCharCode(...units);
  }
  return text;
}
