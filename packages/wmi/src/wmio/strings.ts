import { CarmineError } from '@carmine/errors';
import { type ByteReader, type ByteWriter, decodeUtf16, encodeUtf16 } from '@carmine/wire';

/** Encoded-String, [MS-WMIO] 2.2.78: `00`, 8-bit characters, `00`; or `01`, UTF-16, `0000`. Both forms are read. */
export function readEncodedString(reader: ByteReader): string {
  const kind = reader.u8();
  if (kind > 1) throw reader.invalid('kind of a string');
  const start = reader.position;
  if (kind === 1) {
    while (reader.u16() !== 0);
    const length = reader.position - start;
    reader.seek(start);
    return decodeUtf16(reader.take(length)).slice(0, -1);
  }
  while (reader.u8() !== 0);
  const length = reader.position - start;
  reader.seek(start);
  return latin1(reader.take(length).subarray(0, -1));
}

/** Eight-bit characters where they are enough, as the document has it. */
export function writeEncodedString(writer: ByteWriter, text: string): void {
  if (/\0/.test(text))
    throw new CarmineError('wire/unencodable', { context: { what: 'string', reason: 'a NUL within' } });
  if (isLatin1(text)) {
    writer.u8(0);
    for (let i = 0; i < text.length; i++) writer.u8(text.charCodeAt(i));
    writer.u8(0);
  } else writer.u8(1).bytes(encodeUtf16(text)).u16(0);
}

/** Octets that a string takes. */
export function encodedStringLength(text: string): number {
  return isLatin1(text) ? text.length + 2 : 2 * text.length + 3;
}

function isLatin1(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0xff) return false;
  return true;
}

function latin1(octets: Uint8Array): string {
  let text = '';
  for (let at = 0; at < octets.length; at += 4096) text += String.fromCharCode(...octets.subarray(at, at + 4096));
  return text;
}

/** Dictionary references, [MS-WMIO] 2.2.80: 0x80000000 and the place here. */
export const dictionary: readonly string[] = [
  '"',
  'key',
  '',
  'read',
  'write',
  'volatile',
  'provider',
  'dynamic',
  'cimwin32',
  'DWORD',
  'CIMTYPE',
];
export const dictionaryFlag = 0x8000_0000;
export const nullReference = 0xffff_ffff;
