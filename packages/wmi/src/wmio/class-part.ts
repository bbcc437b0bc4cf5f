import { ByteReader, ByteWriter } from '@carmine/wire';
import { type DecodeBudget, HeapReader, HeapWriter, invalid, readHeap } from './heap.ts';
import { qualifiersLength, readQualifiers, writeQualifiers } from './qualifiers.ts';
import { encodedStringLength, nullReference, readEncodedString, writeEncodedString } from './strings.ts';
import { inheritedFlag, type WmioClassPart, type WmioProperty, type WmioQualifier, type WmioValue } from './types.ts';
import { isKnownType, type ObjectCodec, readValue, slotSize, writeValue } from './values.ts';

/** What a property's information says, before its default is known. */
interface PropertyInfo extends Omit<WmioProperty, 'defaultValue' | 'defaultInherited'> {
  readonly offset: number;
}

/**
 * ClassPart, [MS-WMIO] 2.2.15:
 *
 *     u32 EncodingLength | u8 0 | u32 ClassNameRef | u32 NdTableValueTableLength | DerivationList | QualifierSet
 *     | u32 count | { u32 name, u32 info } | NdTable | ValueTable | Heap
 */
export function readClassPart(outer: ByteReader, budget: DecodeBudget, objects: ObjectCodec): WmioClassPart {
  const length = outer.u32();
  if (length < 4) throw invalid('EncodingLength of a class');
  const reader = outer.sub(length - 4, 'class');
  reader.skip(1);
  const nameReference = reader.u32();
  const tableLength = reader.u32();
  const derivation = readDerivation(reader);
  // References point into the heap, which stands last.
  const qualifierStart = reader.position;
  reader.skip(reader.u32() - 4);
  const count = reader.u32();
  if (count > reader.remaining / 8) throw invalid('number of properties');
  const lookups = Array.from({ length: count }, () => [reader.u32(), reader.u32()] as const);
  const tables = reader.take(tableLength);
  const heapBytes = readHeap(reader);
  const rest = reader.take(reader.remaining).slice();

  const heap = new HeapReader(heapBytes, budget);
  const name = heap.string(nameReference) ?? null;
  reader.seek(qualifierStart);
  const qualifiers = readQualifiers(reader, heap, objects);
  const infos = lookups.map(([nameAt, infoAt]): PropertyInfo => {
    const propertyName = heap.string(nameAt);
    if (propertyName === undefined) throw invalid('a property without a name');
    return heap.read(infoAt, (info) => readInfo(info, propertyName, heap, objects, count));
  });

  const ndLength = nullTableLength(count);
  if (tables.length < ndLength) throw invalid('NdTableValueTableLength');
  const [nulls, slots] = [tables.subarray(0, ndLength), tables.subarray(ndLength)];
  const odd = new Map<number, Uint8Array>();
  const byOrder = [...infos].sort((a, b) => a.order - b.order);
  const defaults = new Map<PropertyInfo, Pick<WmioProperty, 'defaultValue' | 'defaultInherited'>>();
  let expected = 0;
  let regular = true;
  for (const [place, info] of byOrder.entries()) {
    if (info.order !== place) throw invalid('DeclarationOrder');
    const bits = bitsOf(nulls, place);
    const slot = new ByteReader(slots, { what: 'value table' });
    slot.seek(info.offset);
    const size = slotSize(info.type);
    let defaultValue: WmioValue = null;
    if ((bits & 1) === 0) defaultValue = readValue(slot, info.type, heap, objects);
    else {
      const octets = slot.take(size);
      if (octets.some((octet) => octet !== 0xff)) odd.set(place, octets.slice());
    }
    defaults.set(info, { defaultValue, defaultInherited: (bits & 2) !== 0 });
    regular &&= info.offset === expected;
    expected += size;
  }
  if (regular && slots.length !== expected) regular = false;
  const properties = infos.map((info): WmioProperty => {
    const { offset: _, ...rest } = info;
    return { ...rest, ...defaults.get(info)! };
  });
  return {
    name,
    derivation,
    qualifiers,
    properties,
    layout: {
      heap: heap.layout(),
      spareBits: spareBits(nulls, count),
      slots: odd,
      rest,
      valueOffsets: regular ? undefined : byOrder.map(({ offset }) => offset),
    },
  };
}

export function writeClassPart(part: WmioClassPart, objects: ObjectCodec): Uint8Array {
  const { name, derivation, qualifiers, properties, layout } = part;
  const heap = new HeapWriter(layout?.heap);
  // Offset 0 is the name of the class: readers take a reference to it as "no value" elsewhere.
  const nameReference = name === null ? nullReference : heap.string(name);
  const qualifierSet = writeQualifiers(qualifiers, heap, objects);
  const byOrder = [...properties].sort((a, b) => a.order - b.order);
  const offsets = layout?.valueOffsets ?? valueOffsets(byOrder);
  const lookup = new ByteWriter();
  for (const property of properties) {
    lookup.u32(heap.string(property.name));
    const info = heap.reserve(14 + qualifiersLength(property.qualifiers));
    lookup.u32(info);
    const { type, inherited, order, origin } = property;
    const head = new ByteWriter()
      .u32(inherited ? type | inheritedFlag : type)
      .u16(order)
      .u32(offsets[order] ?? 0);
    heap.put(
      info,
      head
        .u32(origin)
        .bytes(writeQualifiers(property.qualifiers, heap, objects))
        .toBytes(),
    );
  }
  const tableLength = slotsLength(byOrder, offsets);
  const nulls = new Uint8Array(nullTableLength(properties.length));
  const slots = new Uint8Array(tableLength);
  for (const [place, { type, defaultValue, defaultInherited }] of byOrder.entries()) {
    setBits(nulls, place, (defaultValue === null ? 1 : 0) | (defaultInherited ? 2 : 0));
    const at = offsets[place] ?? 0;
    const slot = new ByteWriter();
    if (defaultValue !== null) writeValue(slot, type, defaultValue, heap, objects);
    else slot.bytes(layout?.slots.get(place) ?? new Uint8Array(slotSize(type)).fill(0xff));
    slots.set(slot.toBytes(), at);
  }
  const [last] = nulls.subarray(-1);
  if (last !== undefined) nulls[nulls.length - 1] = last | (layout?.spareBits ?? 0);
  const writer = new ByteWriter()
    .u32(0)
    .u8(0)
    .u32(nameReference)
    .u32(nulls.length + slots.length);
  writeDerivation(writer, derivation);
  writer.bytes(qualifierSet).u32(properties.length).bytes(lookup.toBytes());
  writer
    .bytes(nulls)
    .bytes(slots)
    .bytes(heap.toBytes())
    .bytes(layout?.rest ?? none);
  return writer.patch(0, new ByteWriter().u32(writer.length).toBytes()).toBytes();
}

/** Octets of the NdTable: two bits each, [MS-WMIO] 2.2.26. */
export function nullTableLength(count: number): number {
  return Math.ceil(count / 4);
}

/** Bit 0: NULL. Bit 1: inherited, in an instance the class's default. */
export function bitsOf(table: Uint8Array, place: number): number {
  return ((table[place >>> 2] ?? 0) >>> (2 * (place & 3))) & 3;
}

export function setBits(table: Uint8Array, place: number, bits: number): void {
  table[place >>> 2] = (table[place >>> 2] ?? 0) | (bits << (2 * (place & 3)));
}

export function spareBits(table: Uint8Array, count: number): number {
  const used = count % 4;
  return used === 0 ? 0 : (table[table.length - 1] ?? 0) & (0xff << (2 * used)) & 0xff;
}

/** Offsets in the value table by place: one slot after the other. */
export function valueOffsets(byOrder: readonly Pick<WmioProperty, 'type'>[]): readonly number[] {
  let at = 0;
  return byOrder.map(({ type }) => {
    const offset = at;
    at += slotSize(type);
    return offset;
  });
}

export function slotsLength(byOrder: readonly Pick<WmioProperty, 'type'>[], offsets: readonly number[]): number {
  return byOrder.reduce((most, { type }, place) => Math.max(most, (offsets[place] ?? 0) + slotSize(type)), 0);
}

function readInfo(
  reader: ByteReader,
  name: string,
  heap: HeapReader,
  objects: ObjectCodec,
  count: number,
): PropertyInfo {
  const fullType = reader.u32();
  const order = reader.u16();
  const [offset, origin] = [reader.u32(), reader.u32()];
  const type = fullType & ~inheritedFlag;
  if (!isKnownType(type) || order >= count) throw invalid(`property ${name}`);
  const qualifiers: readonly WmioQualifier[] = readQualifiers(reader, heap, objects);
  return { name, type, inherited: (fullType & inheritedFlag) !== 0, order, origin, qualifiers, offset };
}

/** DerivationList, [MS-WMIO] 2.2.17: each name is followed by the octets that it takes. */
function readDerivation(reader: ByteReader): readonly string[] {
  const length = reader.u32();
  if (length < 4) throw invalid('length of the derivation list');
  const list = reader.sub(length - 4, 'derivation');
  const names: string[] = [];
  while (list.remaining > 0) {
    names.push(readEncodedString(list));
    list.skip(4);
  }
  return names;
}

function writeDerivation(writer: ByteWriter, names: readonly string[]): void {
  writer.u32(names.reduce((sum, name) => sum + encodedStringLength(name) + 4, 4));
  for (const name of names) {
    writeEncodedString(writer, name);
    writer.u32(encodedStringLength(name));
  }
}

const none = new Uint8Array(0);
