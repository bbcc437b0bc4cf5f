import { type ByteReader, ByteWriter } from '@carmine/wire';
import { type HeapReader, type HeapWriter, invalid } from './heap.ts';
import { dictionary, dictionaryFlag } from './strings.ts';
import { type WmioQualifier, wmioTypes } from './types.ts';
import { isKnownType, type ObjectCodec, readValue, slotSize, writeValue } from './values.ts';

/** QualifierSet, [MS-WMIO] 2.2.59: `u32 length (with itself) | { u32 name, u8 flavor, u32 type, value }`. */
export function readQualifiers(reader: ByteReader, heap: HeapReader, objects: ObjectCodec): readonly WmioQualifier[] {
  const length = reader.u32();
  if (length < 4) throw invalid('length of a qualifier set');
  const set = reader.sub(length - 4, 'qualifiers');
  const qualifiers: WmioQualifier[] = [];
  while (set.remaining > 0) {
    const name = heap.string(set.u32());
    const flavor = set.u8();
    const type = set.u32();
    if (name === undefined || !isKnownType(type)) throw invalid('a qualifier');
    heap.budget.spend(9);
    qualifiers.push({ name, flavor, type, value: readValue(set, type, heap, objects) });
  }
  return qualifiers;
}

export function qualifiersLength(qualifiers: readonly WmioQualifier[]): number {
  return qualifiers.reduce((sum, { type }) => sum + 9 + slotSize(type), 4);
}

export function writeQualifiers(
  qualifiers: readonly WmioQualifier[],
  heap: HeapWriter,
  objects: ObjectCodec,
): Uint8Array {
  const writer = new ByteWriter().u32(qualifiersLength(qualifiers));
  for (const { name, flavor, type, value } of qualifiers) {
    writer.u32(reference(name, heap)).u8(flavor).u32(type);
    // The words of the dictionary stand for values, too.
    if (type === wmioTypes.string && typeof value === 'string') writer.u32(reference(value, heap));
    else writeValue(writer, type, value, heap, objects);
  }
  return writer.toBytes();
}

function reference(text: string, heap: HeapWriter): number {
  const word = dictionary.indexOf(text);
  return word < 0 ? heap.string(text) : (dictionaryFlag | word) >>> 0;
}

/** A boolean qualifier that is TRUE. */
export function flagQualifier(name: string, flavor: number): WmioQualifier {
  return { name, flavor, type: wmioTypes.boolean, value: true };
}

export function textQualifier(name: string, value: string, flavor: number): WmioQualifier {
  return { name, flavor, type: wmioTypes.string, value };
}
