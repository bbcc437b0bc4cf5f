import type { Codec, ValueOf } from './codec.ts';

// biome-ignore lint/suspicious/noExplicitAny: the value type is inferred per field below.
type Field = readonly [name: string, codec: Codec<any>];

/** The value of a structure: fields whose value is always undefined (constants) may be left out. */
export type StructValue<F extends readonly Field[]> = {
  readonly [E in F[number] as ValueOf<E[1]> extends undefined ? never : E[0]]: ValueOf<E[1]>;
};

/** Fields one after the other, without padding. */
export function struct<const F extends readonly Field[]>(name: string, fields: F): Codec<StructValue<F>> {
  let size: number | undefined = 0;
  let alignment: 1 | 2 | 4 | 8 = 1;
  for (const [, codec] of fields) {
    size = size === undefined || codec.size === undefined ? undefined : size + codec.size;
    if (codec.alignment > alignment) alignment = codec.alignment;
  }
  return {
    name,
    alignment,
    size,
    write(writer, value) {
      const values = value as Record<string, unknown>;
      for (const [field, codec] of fields) codec.write(writer, values[field]);
    },
    read(reader) {
      const value: Record<string, unknown> = {};
      for (const [field, codec] of fields) {
        const read: unknown = codec.read(reader);
        if (read !== undefined) value[field] = read;
      }
      return value as StructValue<F>;
    },
  };
}
