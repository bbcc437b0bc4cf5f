import { CarmineError } from '@carmine/errors';
import type { Codec } from './codec.ts';

/**
 * A UUID in the octets of DCE (C706 appendix A): u32, u16, u16 in the byte order of the message, then eight octets as they are
 * written. Lower case without braces.
 */
export const guid: Codec<string> = {
  name: 'GUID',
  alignment: 4,
  size: 16,
  write(writer, value) {
    const match = /^([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})$/i.exec(value);
    if (match === null)
      throw new CarmineError('wire/unencodable', { context: { what: 'GUID', reason: `"${value}" is none` } });
    const [, low = '', middle = '', high = '', sequence = '', node = ''] = match;
    writer.u32(Number.parseInt(low, 16)).u16(Number.parseInt(middle, 16)).u16(Number.parseInt(high, 16));
    const rest = sequence + node;
    for (let at = 0; at < 16; at += 2) writer.u8(Number.parseInt(rest.slice(at, at + 2), 16));
  },
  read(reader) {
    const [low, middle, high] = [reader.u32(), reader.u16(), reader.u16()];
    const rest = Array.from(reader.take(8), hex2).join('');
    return `${hex(low, 8)}-${hex(middle, 4)}-${hex(high, 4)}-${rest.slice(0, 4)}-${rest.slice(4)}`;
  },
};

export const nilGuid = '00000000-0000-0000-0000-000000000000';

/** A random UUID (RFC 9562 version 4) out of 16 random octets. */
export function guidOf(random: Uint8Array): string {
  const octets = random.slice(0, 16);
  octets[6] = (octets[6]! & 0x0f) | 0x40;
  octets[8] = (octets[8]! & 0x3f) | 0x80;
  const text = Array.from(octets, hex2).join('');
  return `${text.slice(0, 8)}-${text.slice(8, 12)}-${text.slice(12, 16)}-${text.slice(16, 20)}-${text.slice(20)}`;
}

function hex2(octet: number): string {
  return hex(octet, 2);
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
