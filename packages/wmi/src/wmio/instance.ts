import { ByteReader, ByteWriter } from '@carmine/wire';
import { bitsOf, nullTableLength, setBits, slotsLength, spareBits, valueOffsets } from './class-part.ts';
import { type DecodeBudget, HeapReader, HeapWriter, invalid, readHeap } from './heap.ts';
import { readQualifiers, writeQualifiers } from './qualifiers.ts';
import { nullReference } from './strings.ts';
import type { WmioClassPart, WmioInstance, WmioInstanceBody, WmioProperty, WmioQualifier, WmioValue } from './types.ts';
import { isReference, type ObjectCodec, readValue, slotSize, writeValue } from './values.ts';

/**
 * An instance from its EncodingLength on, [MS-WMIO] 2.2.53:
 *
 *     u32 EncodingLength | u8 0 | u32 class name | NdTable | ValueTable | QualifierSet | u8 InstPropQualSetFlag | … | Heap
 */
export function readInstanceBody(
  outer: ByteReader,
  part: WmioClassPart,
  budget: DecodeBudget,
  objects: ObjectCodec,
): WmioInstanceBody {
  const length = outer.u32();
  if (length < 4) throw invalid('EncodingLength of an instance');
  const reader = outer.sub(length - 4, 'instance');
  reader.skip(1);
  const nameReference = reader.u32();
  const byOrder = orderOf(part);
  const offsets = part.layout?.valueOffsets ?? valueOffsets(byOrder);
  const nulls = reader.take(nullTableLength(byOrder.length));
  const slots = reader.take(slotsLength(byOrder, offsets));
  const qualifierStart = reader.position;
  skipQualifiers(reader);
  const flag = reader.u8();
  const propertyStart = reader.position;
  if (flag === 2) for (let i = 0; i < byOrder.length; i++) skipQualifiers(reader);
  else if (flag !== 1) throw invalid('InstPropQualSetFlag');
  const heap = new HeapReader(readHeap(reader), budget, budget.keepLayout);
  const rest = reader.take(reader.remaining).slice();

  const className = heap.string(nameReference) ?? null;
  const values = new Map<string, WmioValue>();
  const odd = new Map<number, Uint8Array>();
  const unusual = new Map<number, number>();
  for (const [place, { name, type }] of byOrder.entries()) {
    const bits = bitsOf(nulls, place);
    const slot = new ByteReader(slots, { what: 'value table' });
    slot.seek(offsets[place] ?? 0);
    const empty = bits === 0 && isReference(type) && isZero(slots, offsets[place] ?? 0);
    // The name of the class is at 0: a reference to it is no value.
    if (empty) unusual.set(place, 0);
    if (bits === 0 && !empty) values.set(name, readValue(slot, type, heap, objects));
    else {
      if ((bits & 2) === 0) values.set(name, null);
      const octets = slot.take(slotSize(type));
      if (bits === 3) unusual.set(place, 3);
      if (octets.some((octet) => octet !== 0)) odd.set(place, octets.slice());
    }
  }
  reader.seek(qualifierStart);
  const qualifiers = readQualifiers(reader, heap, objects);
  reader.seek(propertyStart);
  const propertyQualifiers = flag === 2 ? byOrder.map(() => readQualifiers(reader, heap, objects)) : undefined;
  if (!budget.keepLayout) return { className, values, qualifiers, propertyQualifiers };
  const layout = { heap: heap.layout(), spareBits: spareBits(nulls, byOrder.length), slots: odd, bits: unusual, rest };
  return { className, values, qualifiers, propertyQualifiers, layout };
}

export function writeInstanceBody(body: WmioInstanceBody, part: WmioClassPart, objects: ObjectCodec): Uint8Array {
  const { className, values, layout } = body;
  const byOrder = orderOf(part);
  const offsets = part.layout?.valueOffsets ?? valueOffsets(byOrder);
  const heap = new HeapWriter(layout?.heap);
  const name = className === null ? nullReference : heap.string(className);
  const nulls = new Uint8Array(nullTableLength(byOrder.length));
  const table = new ByteWriter().zeros(slotsLength(byOrder, offsets));
  for (const [place, property] of byOrder.entries()) {
    const value = values.get(property.name);
    const at = offsets[place] ?? 0;
    if (value !== undefined && value !== null) {
      const slot = new ByteWriter();
      writeValue(slot, property.type, value, heap, objects);
      table.patch(at, slot.toBytes());
      continue;
    }
    const filled = layout?.slots.get(place);
    if (filled !== undefined) table.patch(at, filled);
    setBits(nulls, place, layout?.bits?.get(place) ?? (value === null ? 1 : 2));
  }
  const last = nulls.at(-1);
  if (last !== undefined) nulls[nulls.length - 1] = last | (layout?.spareBits ?? 0);
  const sets: readonly (readonly WmioQualifier[])[] = body.propertyQualifiers ?? [];
  const writer = new ByteWriter().u32(0).u8(0).u32(name).bytes(nulls).bytes(table.toBytes());
  writer.bytes(writeQualifiers(body.qualifiers, heap, objects)).u8(body.propertyQualifiers === undefined ? 1 : 2);
  for (const set of sets) writer.bytes(writeQualifiers(set, heap, objects));
  writer.bytes(heap.toBytes()).bytes(layout?.rest ?? none);
  return writer.patch(0, new ByteWriter().u32(writer.length).toBytes()).toBytes();
}

/** What an instance has for a property: its own value, or the default of its class. */
export function effectiveValue({ current, body }: WmioInstance, name: string): WmioValue {
  const own = body.values.get(name);
  if (own !== undefined) return own;
  return current.properties.find((property) => property.name === name)?.defaultValue ?? null;
}

function isZero(slots: Uint8Array, at: number): boolean {
  return slots.subarray(at, at + 4).every((octet) => octet === 0);
}

/** Properties in the order of the value table; found once for each class. */
export function orderOf(part: WmioClassPart): readonly WmioProperty[] {
  let order = orders.get(part);
  if (order === undefined) {
    order = [...part.properties].sort((a, b) => a.order - b.order);
    orders.set(part, order);
  }
  return order;
}

const orders = new WeakMap<WmioClassPart, readonly WmioProperty[]>();

function skipQualifiers(reader: ByteReader): void {
  const length = reader.u32();
  if (length < 4) throw invalid('length of a qualifier set');
  reader.skip(length - 4);
}

const none = new Uint8Array(0);
