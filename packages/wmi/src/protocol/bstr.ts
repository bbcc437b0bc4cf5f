import { decodeUtf16, encodeUtf16 } from '@carmine/wire';
import { type NdrType, ndrConformantStruct, ndrUnique } from '@carmine/wire/ndr';

/** FLAGGED_WORD_BLOB, [MS-OAUT] 2.2.23.1: `u32 max | u32 cBytes | u32 clSize | u16[clSize]`; cBytes 0xffffffff is NULL. */
const wordBlob = ndrConformantStruct('FLAGGED_WORD_BLOB', {
  alignment: 4,
  count: (value: string | null) => value?.length ?? 0,
  write(writer, value) {
    if (value === null) writer.u32(0xffff_ffff).u32(0);
    else
      writer
        .u32(value.length * 2)
        .u32(value.length)
        .bytes(encodeUtf16(value));
  },
  read(reader, maximum) {
    const [octets, words] = [reader.u32(), reader.u32()];
    if (words > maximum) throw reader.invalid('clSize of a BSTR');
    const text = reader.take(reader.checkCount(maximum, 2) * 2).subarray(0, words * 2);
    if (octets === 0xffff_ffff) return null;
    // QUIRK: impacket has a NUL within the string.
    return decodeUtf16(text, 'BSTR').replace(/\0+$/, '');
  },
});

const pointer = ndrUnique(wordBlob);

/** BSTR, [MS-OAUT] 2.2.23.2; a NULL pointer and a pointer to a NULL string are the same. */
export const bstr: NdrType<string | null> = {
  name: 'BSTR',
  alignment: 4,
  size: 4,
  write: (writer, value) => pointer.write(writer, value),
  read: (reader, set) => pointer.read(reader, set),
};
