import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';

/**
 * Octets to a typed value and back: a plain value, so that structures are declared once and read both ways.
 * `size` is the number of octets when it does not depend on the value; `alignment` is what NDR aligns to.
 */
export interface Codec<T> {
  readonly name: string;
  readonly alignment: 1 | 2 | 4 | 8;
  readonly size: number | undefined;
  write(writer: ByteWriter, value: T): void;
  read(reader: ByteReader): T;
}

/** The value type of a codec. */
export type ValueOf<C> = C extends Codec<infer T> ? T : never;

export function encode<T>(codec: Codec<T>, value: T): Uint8Array {
  const writer = new ByteWriter();
  codec.write(writer, value);
  return writer.toBytes();
}

/** Decodes exactly the given octets; what is left over is an error (`wire/trailing`). */
export function decode<T>(codec: Codec<T>, bytes: Uint8Array): T {
  const reader = new ByteReader(bytes, { what: codec.name });
  const value = codec.read(reader);
  reader.expectEnd();
  return value;
}
