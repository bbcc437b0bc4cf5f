import { CarmineError } from '@carmine/errors';
import { concatBytes } from '../byte-arrays.ts';
import { DerReader } from './der-reader.ts';
import { derContext, derElement, derInteger, derOctetString, derSequence } from './der-writer.ts';
import { applicationTag, contextTag, derTags } from './tags.ts';

/** One ASN.1 type: its element to a typed value and back, a plain value so that messages are declared once. */
export interface DerCodec<T> {
  readonly name: string;
  /** The whole element. */
  write(value: T): Uint8Array;
  /** Takes the next element; what is not of this type is `wire/invalid`. */
  read(reader: DerReader): T;
}

/** The value type of a codec. */
export type DerValueOf<C> = C extends DerCodec<infer T> ? T : never;

export function encodeDer<T>(codec: DerCodec<T>, value: T): Uint8Array {
  return codec.write(value);
}

/** Decodes exactly the given octets; what is left over is `wire/trailing`. Octets in the value are copies. */
export function decodeDer<T>(codec: DerCodec<T>, bytes: Uint8Array): T {
  const reader = new DerReader(bytes, codec.name);
  const value = codec.read(reader);
  reader.expectEnd();
  return value;
}

export const derOctets: DerCodec<Uint8Array> = {
  name: 'OCTET STRING',
  write: derOctetString,
  read: (reader) => reader.octetString().slice(),
};

/** INTEGER within bounds; others are `wire/invalid`. */
export function derRange(name: string, minimum: number, maximum: number): DerCodec<number> {
  return {
    name,
    write(value) {
      if (!Number.isInteger(value) || value < minimum || value > maximum) unencodable(name, `${value} is out of range`);
      return derInteger(value);
    },
    read(reader) {
      const value = reader.integer();
      if (value < minimum || value > maximum) throw invalid(name, `${value} is out of range`);
      return Number(value);
    },
  };
}

/** An INTEGER that never varies, like a version: it is written by itself, and anything else is `wire/invalid`. */
export function derFixed(name: string, value: number): DerCodec<undefined> {
  return {
    name,
    write: () => derInteger(value),
    read(reader) {
      const found = reader.integer();
      if (found !== BigInt(value)) throw invalid(name, `${found} is not ${value}`);
      return undefined;
    },
  };
}

/** Any element, as it stands: for parts that are forwarded or signed. */
export const derAny: DerCodec<Uint8Array> = {
  name: 'ANY',
  write: (value) => value,
  read: (reader) => reader.element().raw.slice(),
};

/** SEQUENCE OF at most `limit` elements; more are `wire/limit`. */
export function derListOf<T>(codec: DerCodec<T>, limit: number): DerCodec<readonly T[]> {
  const name = `SEQUENCE OF ${codec.name}`;
  return {
    name,
    write: (values) => derSequence(...values.map((value) => codec.write(value))),
    read(reader) {
      const entries = reader.sequence();
      const values: T[] = [];
      while (!entries.atEnd) {
        if (values.length === limit) {
          throw new CarmineError('wire/limit', { context: { what: name, actual: limit + 1, limit } });
        }
        values.push(codec.read(entries));
      }
      return values;
    },
  };
}

/** `[APPLICATION number] EXPLICIT` around one element. */
export function derApplication<T>(number: number, codec: DerCodec<T>): DerCodec<T> {
  return {
    name: codec.name,
    write: (value) => derElement(applicationTag(number), codec.write(value)),
    read(reader) {
      const inner = reader.enter(applicationTag(number));
      const value = codec.read(inner);
      inner.expectEnd();
      return value;
    },
  };
}

// biome-ignore lint/suspicious/noExplicitAny: the value type is inferred per field below.
type Field = readonly [name: string, number: number, codec: DerCodec<any>, presence?: 'optional'];

type NameIf<E extends Field, P, Wanted> = DerValueOf<E[2]> extends undefined ? never : P extends Wanted ? E[0] : never;

/** The value of a SEQUENCE: fields whose value is always undefined (versions) are not in it. */
export type DerFieldsValue<F extends readonly Field[]> = {
  readonly [E in F[number] as NameIf<E, E['length'], 3>]: DerValueOf<E[2]>;
} & {
  readonly [E in F[number] as NameIf<E, E['length'], 4>]?: DerValueOf<E[2]> | undefined;
};

/**
 * A SEQUENCE of `[number] EXPLICIT` fields in this order, as Kerberos writes all of its own. Fields that are not declared, and
 * fields out of order, are errors.
 */
export function derFields<const F extends readonly Field[]>(name: string, fields: F): DerCodec<DerFieldsValue<F>> {
  return {
    name,
    write(value) {
      const values = value as Record<string, unknown>;
      const elements: Uint8Array[] = [];
      for (const [field, number, codec, presence] of fields) {
        if (presence === 'optional' && values[field] === undefined) continue;
        elements.push(derContext(number, codec.write(values[field])));
      }
      return derElement(derTags.sequence, concatBytes(...elements));
    },
    read(reader) {
      const sequence = new DerReader(reader.expect(derTags.sequence), name);
      const value: Record<string, unknown> = {};
      for (const [field, number, codec, presence] of fields) {
        const tag = contextTag(number);
        const inner = presence === 'optional' ? sequence.enterIf(tag) : sequence.enter(tag);
        if (inner === undefined) continue;
        const read: unknown = codec.read(inner);
        inner.expectEnd();
        if (read !== undefined) value[field] = read;
      }
      sequence.expectEnd();
      return value as DerFieldsValue<F>;
    },
  };
}

function invalid(what: string, reason: string): CarmineError {
  return new CarmineError('wire/invalid', { context: { what, reason } });
}

function unencodable(what: string, reason: string): never {
  throw new CarmineError('wire/unencodable', { context: { what, reason } });
}
