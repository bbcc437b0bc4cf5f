import { CarmineError } from '@carmine/errors';
import { NdrReader } from './ndr-reader.ts';
import type { NdrType } from './ndr-type.ts';
import { NdrWriter } from './ndr-writer.ts';

/**
 * Type Serialization Version 1, [MS-RPCE] 2.2.6: one value with its own headers, in which alignment begins anew.
 *
 *     01 10 0800 cccccccc | u32 ObjectBufferLength, u32 filler | value, padded to 8
 */
export function encodeSerialized<T>(type: NdrType<T>, value: T): Uint8Array {
  const body = new NdrWriter();
  type.write(body, value);
  body.flush();
  body.align(8);
  const octets = body.toBytes();
  return new NdrWriter().bytes(commonHeader).u32(octets.length).u32(0).bytes(octets).toBytes();
}

/** Reads one value from the front. Lengths that are no multiple of eight, and any filler, are taken (impacket has both). */
export function decodeSerialized<T>(type: NdrType<T>, bytes: Uint8Array): T {
  const reader = new NdrReader(bytes, { what: type.name });
  const [version, endianness, headerLength] = [reader.u8(), reader.u8(), reader.u16()];
  if (version !== 1 || endianness !== 0x10 || headerLength !== 8) throw reader.invalid('not type serialization 1');
  reader.skip(4);
  const length = reader.u32();
  reader.skip(4);
  const body = new NdrReader(reader.take(length), { what: type.name });
  let value: { readonly value: T } | undefined;
  type.read(body, (read) => {
    value = { value: read };
  });
  body.flush();
  if (value === undefined)
    throw new CarmineError('wire/invalid', { context: { what: type.name, reason: 'nothing there' } });
  return value.value;
}

/** Octets of the headers. */
export const serializationHeaderLength = 16;

const commonHeader = Uint8Array.of(1, 0x10, 8, 0, 0xcc, 0xcc, 0xcc, 0xcc);
