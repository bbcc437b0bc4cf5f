import { CarmineError } from '@carmine/errors';

/** How a message is written on the wire (DSP0226 section 13.1). */
export type XmlEncoding = 'utf-8' | 'utf-16le' | 'utf-16be';

export interface DecodedText {
  readonly text: string;
  readonly encoding: XmlEncoding;
}

/**
 * Tells the encoding from byte order mark and charset, and decodes. Throws `wsman/malformed` when they contradict each
 * other, say too little, or when the bytes are not of that encoding (R13.1-8: HTTP 400); `wsman/unexpected` for a
 * charset that is not supported (R13.1-5: a fault).
 */
export function decodeText(bytes: Uint8Array, charset: string | undefined): DecodedText {
  const encoding = detectEncoding(bytes, charset?.toLowerCase());
  try {
    return { text: decoders[encoding].decode(bytes), encoding };
  } catch (error) {
    throw new CarmineError('wsman/malformed', { context: { reason: `not ${encoding}` }, cause: error });
  }
}

/** UTF-16 gets a byte order mark, UTF-8 must not have one (R13.1-7). */
export function encodeText(text: string, encoding: XmlEncoding): Uint8Array {
  if (encoding === 'utf-8') {
    // No unit of UTF-16 takes more than three octets.
    const most = text.length * 3;
    if (most > slabOctets / 2) return encoder.encode(text);
    // Memory of its own for each text costs many times what the encoding does: a large piece is cut up, and left to its slices.
    if (slab.length - used < most) {
      slab = new Uint8Array(slabOctets);
      used = 0;
    }
    const { written } = encoder.encodeInto(text, slab.subarray(used));
    used += written;
    return slab.subarray(used - written, used);
  }
  const bytes = new Uint8Array(2 + 2 * text.length);
  const view = new DataView(bytes.buffer);
  const littleEndian = encoding === 'utf-16le';
  view.setUint16(0, 0xfeff, littleEndian);
  for (let i = 0; i < text.length; i++) view.setUint16(2 + 2 * i, text.charCodeAt(i), littleEndian);
  return bytes;
}

/** Octets that `encodeText` gives, without the byte order mark. */
export function encodedLength(text: string, encoding: XmlEncoding): number {
  if (encoding !== 'utf-8') return 2 * text.length;
  let length = text.length;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x80) continue;
    // A surrogate pair is two units and four octets.
    length += code < 0x800 || (code >= 0xd800 && code <= 0xdfff) ? 1 : 2;
  }
  return length;
}

/** The charset parameter as it stands in Content-Type. */
export function charsetName(encoding: XmlEncoding): string {
  return encoding === 'utf-8' ? 'UTF-8' : 'UTF-16';
}

function detectEncoding(bytes: Uint8Array, charset: string | undefined): XmlEncoding {
  const marked = byteOrderMark(bytes);
  switch (charset) {
    case undefined:
      return marked ?? 'utf-8';
    case 'utf-8':
    case 'utf8':
    case 'us-ascii':
      if (marked !== undefined && marked !== 'utf-8') throw contradiction();
      return 'utf-8';
    case 'utf-16':
      if (marked === 'utf-8') throw contradiction();
      if (marked !== undefined) return marked;
      // Without a mark the first "<" tells.
      if (bytes[0] === 0x3c && bytes[1] === 0) return 'utf-16le';
      if (bytes[0] === 0 && bytes[1] === 0x3c) return 'utf-16be';
      throw contradiction();
    case 'utf-16le':
    case 'utf-16be':
      if (marked !== undefined && marked !== charset) throw contradiction();
      return charset;
    default:
      throw new CarmineError('wsman/unexpected', { context: { reason: 'an unknown charset' } });
  }
}

function byteOrderMark(bytes: Uint8Array): XmlEncoding | undefined {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be';
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return 'utf-8';
  return undefined;
}

function contradiction(): CarmineError {
  return new CarmineError('wsman/malformed', { context: { reason: 'charset and byte order mark contradict' } });
}

const encoder = new TextEncoder();
const slabOctets = 65_536;
let slab = new Uint8Array(slabOctets);
let used = 0;
/** They swallow the byte order mark. */
const decoders = {
  'utf-8': new TextDecoder('utf-8', { fatal: true }),
  'utf-16le': new TextDecoder('utf-16le', { fatal: true }),
  'utf-16be': new TextDecoder('utf-16be', { fatal: true }),
} as const;
