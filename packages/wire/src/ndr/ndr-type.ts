import type { NdrReader } from './ndr-reader.ts';
import type { NdrWriter } from './ndr-writer.ts';

/**
 * An NDR type (C706 14.2, 14.3). `read` hands the value to `set`, at once, or later when it stands behind a pointer that is deferred.
 * `size`: octets that a value has at least, by which counts are checked.
 */
export interface NdrType<T> {
  readonly name: string;
  readonly alignment: 1 | 2 | 4 | 8;
  readonly size: number;
  write(writer: NdrWriter, value: T): void;
  read(reader: NdrReader, set: (value: T) => void): void;
}

/** The value type. */
export type NdrValue<T> = T extends NdrType<infer V> ? V : never;
