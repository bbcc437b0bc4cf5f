import { CarmineError } from '@carmine/errors';
import type { Codec } from './codec.ts';

/** Exactly `length` octets; reading copies them. */
export function bytes(length: number): Codec<Uint8Array> {
  return {
    name: `bytes(${length})`,
    alignment: 1,
    size: length,
    write(writer, value) {
      if (value.length !== length) {
        throw new CarmineError('wire/unencodable', {
          context: { what: `bytes(${length})`, reason: `${value.length} octets were given` },
        });
      }
      writer.bytes(value);
    },
    read: (reader) => reader.take(length).slice(),
  };
}

/** A field whose octets never vary: a signature or a message type. Anything else on the wire is `wire/invalid`. */
export function constant(name: string, value: Uint8Array): Codec<undefined> {
  return {
    name,
    alignment: 1,
    size: value.length,
    write: (writer) => void writer.bytes(value),
    read(reader) {
      const found = reader.take(value.length);
      if (!found.every((byte, i) => byte === value[i])) throw reader.invalid(`${name} is wrong`);
      return undefined;
    },
  };
}
