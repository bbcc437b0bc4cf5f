import type { NdrReader } from './ndr-reader.ts';
import type { NdrType, NdrValue } from './ndr-type.ts';
import type { NdrWriter } from './ndr-writer.ts';

// biome-ignore lint/suspicious/noExplicitAny: the value type is inferred per field below.
type AnyType = NdrType<any>;
/** `countOf`: the number of elements of the field named, which is therefore no field of the value. */
export type NdrField = readonly [name: string, type: AnyType, correlation?: { readonly countOf: string }];

export type NdrStructValue<F extends readonly NdrField[]> = {
  readonly [E in F[number] as E extends readonly [string, AnyType] ? E[0] : never]: NdrValue<E[1]>;
};

/** A structure (C706 14.3.3): aligned as its widest field; pointers in it are deferred. */
export function ndrStruct<const F extends readonly NdrField[]>(name: string, fields: F): NdrType<NdrStructValue<F>> {
  const alignment = Math.max(1, ...fields.map(([, type]) => type.alignment)) as 1 | 2 | 4 | 8;
  return {
    name,
    alignment,
    size: fields.reduce((sum, [, type]) => sum + type.size, 0),
    write(writer, value) {
      writer.align(alignment);
      for (const field of fields) writeField(writer, field, value);
    },
    read(reader, set) {
      reader.align(alignment);
      const values: Record<string, unknown> = {};
      const counts: [string, number][] = [];
      for (const field of fields) readField(reader, field, values, counts);
      set(values as NdrStructValue<F>);
      // Arrays behind pointers are there only at the end of the construct.
      if (counts.length > 0) reader.defer(() => checkCounts(reader, values, counts));
    },
  };
}

/** The parameters of an operation: each one's pointers are followed before the next begins (C706 14.3.12.3). */
export interface NdrParameters<T> {
  readonly name: string;
  write(writer: NdrWriter, value: T): void;
  /** Octets after the last parameter are left alone. */
  read(reader: NdrReader): T;
}

export function ndrParameters<const F extends readonly NdrField[]>(
  name: string,
  fields: F,
): NdrParameters<NdrStructValue<F>> {
  return {
    name,
    write(writer, value) {
      for (const field of fields) {
        writeField(writer, field, value);
        writer.flush();
      }
    },
    read(reader) {
      const values: Record<string, unknown> = {};
      const counts: [string, number][] = [];
      for (const field of fields) {
        readField(reader, field, values, counts);
        reader.flush();
      }
      checkCounts(reader, values, counts);
      return values as NdrStructValue<F>;
    },
  };
}

function writeField(writer: NdrWriter, [name, type, correlation]: NdrField, value: object): void {
  const values = value as Record<string, unknown>;
  if (correlation === undefined) type.write(writer, values[name]);
  else type.write(writer, lengthOf(values[correlation.countOf]));
}

function readField(
  reader: NdrReader,
  [name, type, correlation]: NdrField,
  values: Record<string, unknown>,
  counts: [string, number][],
): void {
  type.read(reader, (value: unknown) => {
    if (correlation === undefined) values[name] = value;
    else counts.push([correlation.countOf, Number(value)]);
  });
}

function checkCounts(reader: NdrReader, values: Record<string, unknown>, counts: readonly [string, number][]): void {
  for (const [name, count] of counts)
    if (lengthOf(values[name]) !== count) throw reader.invalid(`${name} has not as many elements as is said`);
}

function lengthOf(value: unknown): number {
  return (value as { readonly length: number } | null | undefined)?.length ?? 0;
}
