import { CarmineError } from '@carmine/errors';
import { ByteReader, type Codec } from '@carmine/wire';

/** GUID, [MS-DTYP] 2.3.4: three little-endian numbers and eight octets; text in lower case without braces. */
export const guidCodec: Codec<string> = {
  name: 'GUID',
  alignment: 4,
  size: 16,
  write(writer, value) {
    const match = /^([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})$/.exec(value);
    if (match === null) throw new CarmineError('wire/unencodable', { context: { what: 'GUID', reason: value } });
    const [, a, b, c, d, e] = match as unknown as [string, string, string, string, string, string];
    writer.u32(Number.parseInt(a, 16)).u16(Number.parseInt(b, 16)).u16(Number.parseInt(c, 16));
    for (const octet of (d + e).matchAll(/../g)) writer.u8(Number.parseInt(octet[0], 16));
  },
  read: (reader) => formatGuid(reader.take(16)),
};

/** 16 octets to text. */
export function formatGuid(bytes: Uint8Array): string {
  const reader = new ByteReader(bytes, { what: 'GUID' });
  const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0');
  const head = [hex(reader.u32(), 8), hex(reader.u16(), 4), hex(reader.u16(), 4)];
  const tail = Array.from(reader.take(8), (octet) => hex(octet, 2)).join('');
  return [...head, tail.slice(0, 4), tail.slice(4)].join('-');
}
