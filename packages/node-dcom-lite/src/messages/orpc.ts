import { CarmineError } from '@carmine/errors';
import { guid } from '@carmine/wire';
import {
  type NdrReader,
  type NdrType,
  type NdrWriter,
  ndrArray,
  ndrConformantStruct,
  ndrGuid,
  ndrParameters,
  ndrStruct,
  ndrU16,
  ndrU32,
  ndrUnique,
} from '@carmine/wire/ndr';

/** [MS-DCOM] 2.2.13.1. */
export const comVersionType = ndrStruct('COMVERSION', [
  ['major', ndrU16],
  ['minor', ndrU16],
]);

/** [MS-DCOM] 2.2.13.5: what an extension has is passed over. */
const orpcExtent = ndrConformantStruct('ORPC_EXTENT', {
  alignment: 4,
  count: (value: { readonly id: string; readonly data: Uint8Array }) => (value.data.length + 7) & ~7,
  write(writer, { id, data }) {
    guid.write(writer, id);
    writer.u32(data.length).bytes(data).align(8);
  },
  read(reader, maximum) {
    const id = guid.read(reader);
    const size = reader.u32();
    const data = reader.take(reader.checkCount(maximum, 1));
    if (size > maximum) throw reader.invalid('size of an extension');
    return { id, data: data.subarray(0, size) };
  },
});

/** [MS-DCOM] 2.2.13.6. */
const orpcExtentArray = ndrStruct('ORPC_EXTENT_ARRAY', [
  ['size', ndrU32],
  ['reserved', ndrU32],
  ['extents', ndrUnique(ndrArray(ndrUnique(orpcExtent), 64))],
]);

/** [MS-DCOM] 2.2.13.3. */
export const orpcThis = ndrParameters('ORPCTHIS', [
  [
    'header',
    ndrStruct('ORPCTHIS', [
      ['version', comVersionType],
      ['flags', ndrU32],
      ['reserved', ndrU32],
      ['cid', ndrGuid],
      ['extensions', ndrUnique(orpcExtentArray)],
    ]),
  ],
]);

/** [MS-DCOM] 2.2.13.4. */
const orpcThatParameters = ndrParameters('ORPCTHAT', [
  [
    'header',
    ndrStruct('ORPCTHAT', [
      ['flags', ndrU32],
      ['extensions', ndrUnique(orpcExtentArray)],
    ]),
  ],
]);

export function writeOrpcThat(writer: NdrWriter, flags = 0): void {
  writer.u32(flags).u32(0);
}

export function readOrpcThat(reader: NdrReader): void {
  orpcThatParameters.read(reader);
}

/** MInterfacePointer, [MS-DCOM] 2.2.14: `u32 max | u32 ulCntData | octets` of an OBJREF. */
export const interfacePointer: NdrType<Uint8Array> = ndrConformantStruct('MInterfacePointer', {
  alignment: 4,
  count: (value: Uint8Array) => value.length,
  write: (writer, value) => void writer.u32(value.length).bytes(value),
  read(reader, maximum) {
    const length = reader.u32();
    if (length > maximum) throw reader.invalid('ulCntData');
    const octets = reader.take(reader.checkCount(maximum, 1)).subarray(0, length);
    return octets;
  },
});

/** `[in] IFoo*`, and `[out] IFoo**` at top level. */
export const interfaceParameter = ndrUnique(interfacePointer);

/** HRESULT_FROM_WIN32-like values are unsigned here. */
export const hresult: NdrType<number> = ndrU32;

/** An OBJREF that must be there. */
export function requirePointer(value: Uint8Array | null | undefined, what: string): Uint8Array {
  if (value === null || value === undefined)
    throw new CarmineError('dcom/invalid-objref', { context: { reason: `${what} is NULL` } });
  return value;
}
