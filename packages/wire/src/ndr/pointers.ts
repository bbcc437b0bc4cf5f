import type { NdrType } from './ndr-type.ts';

/** A unique or full pointer (C706 14.3.10): a referent, zero for NULL; what it points to is deferred. */
export function ndrUnique<T>(pointee: NdrType<T>): NdrType<T | null> {
  return {
    name: `${pointee.name}*`,
    alignment: 4,
    size: 4,
    write(writer, value) {
      writer.align(4);
      if (value === null) {
        writer.u32(0);
        return;
      }
      writer.referent();
      writer.defer(() => pointee.write(writer, value));
    },
    read(reader, set) {
      reader.align(4);
      if (reader.u32() === 0) set(null);
      else reader.defer(() => pointee.read(reader, set));
    },
  };
}

/**
 * `[in, out, unique] T**` with a unique pointer inside, as WMI has it: undefined when the caller gave no place, null when the place
 * is empty.
 */
export function ndrPlace<T>(pointee: NdrType<T>): NdrType<T | null | undefined> {
  const inner = ndrUnique(pointee);
  return {
    name: `${pointee.name}**`,
    alignment: 4,
    size: 4,
    write(writer, value) {
      writer.align(4);
      if (value === undefined) {
        writer.u32(0);
        return;
      }
      writer.referent();
      writer.defer(() => inner.write(writer, value));
    },
    read(reader, set) {
      reader.align(4);
      if (reader.u32() === 0) set(undefined);
      else reader.defer(() => inner.read(reader, set));
    },
  };
}
