import { ByteReader, decodeUtf16 } from '@carmine/wire';
import { readObjRef } from 'node-dcom-lite';

/** CLSID of IWbemContext by value. */
const clsidContext = '674b6698-ee92-11d0-ad71-00c04fd8fdff';

/**
 * The properties that a PutInstance is to change, `__PUT_EXT_PROPERTIES` of an IWbemContext ([MS-WMI] 2.2.13, 2.2.13.1); undefined:
 * all. Other names, and contexts that cannot be read, are passed over.
 *
 *     u32 1 | GUID | u32 n | { u32 characters | UTF-16 | u32 flags | u16 type | value }
 */
export function putProperties(objref: Uint8Array | null): readonly string[] | undefined {
  if (objref === null) return undefined;
  try {
    const read = readObjRef(objref);
    if (read.kind !== 'custom' || read.clsid !== clsidContext) return undefined;
    const reader = new ByteReader(read.data, { what: 'IWbemContext' });
    reader.skip(20);
    let names: readonly string[] | undefined;
    for (let left = reader.u32(); left > 0; left--) {
      const name = readText(reader);
      reader.skip(4);
      const value = readValue(reader, reader.u16());
      if (name.toUpperCase() === '__PUT_EXT_PROPERTIES') names = value;
    }
    return names;
  } catch {
    return undefined;
  }
}

/** An array of strings is returned, all else passed over. */
function readValue(reader: ByteReader, type: number): readonly string[] | undefined {
  if (type <= 1) return undefined;
  if (type === textType) {
    readText(reader);
    return undefined;
  }
  if ((type & arrayType) === 0) {
    reader.skip(8);
    return undefined;
  }
  const [count, size] = [reader.u32(), reader.u32()];
  if ((type & ~arrayType) === textType) {
    if (count > reader.remaining / 4) throw reader.invalid('number of elements');
    return Array.from({ length: count }, () => readText(reader));
  }
  reader.skip(count * size);
  return undefined;
}

function readText(reader: ByteReader): string {
  return decodeUtf16(reader.take(reader.u32() * 2));
}

/** VT_BSTR, VT_ARRAY. */
const textType = 8;
const arrayType = 0x2000;
